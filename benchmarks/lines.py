"""Lines of code that a data source takes, without blank lines, comments, docstrings and its sandbox."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from benchmarks.support import figure

ROOT = Path(__file__).resolve().parents[1]
STEP = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lines(source: str) -> int:
    """Return how many lines of a module hold code."""
    tree = ast.parse(source)
    told: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            told.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    code = [number for number, line in enumerate(source.splitlines(), 1) if line.strip() and line.strip()[0] != "#"]
    return len(set(code) - told)


def smallest() -> str:
    """Return the plugin of the cookbook's first chapter, without its sandbox."""
    steps = STEP.findall((ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8"))
    return "\n".join(step for step in steps if "Sandbox:" not in step)


def run() -> None:
    """Print the figures: the smallest complete plugin, then each plugin of this repository."""
    found = {"smallest complete plugin": lines(smallest())}
    for folder in sorted(path.parent for path in (ROOT / "plugins").glob("*/__init__.py")):
        if folder.name == "base":
            continue
        files = [file for file in folder.rglob("*.py") if "sandbox" not in file.relative_to(folder).parts]
        found[f"plugin {folder.name}"] = sum(lines(file.read_text(encoding="utf-8")) for file in files)
    for name, value in found.items():
        figure(name, value, "lines of code")
