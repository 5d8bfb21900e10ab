"""Writes docs/hooks.md from the docstrings of the hooks: ``make docs``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

from core.contract import example, hookspecs
from core.contract.hookspecs import HostSpecs, SourceSpecs

TARGET = Path(__file__).with_name("hooks.md")
HEADER = (
    "<!-- Made by docs/generate_hooks.py from core/contract/hookspecs.py: change it there, then run make docs. -->\n"
)
SHOP = """\
## The shop of the examples

The examples below stand on a vendor that lives in memory. Its plugin, `core.contract.example.Shop`, is the smallest
complete data source; each example changes the one hook that it is about.
"""
EXAMPLE = re.compile(r"^Example::\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)


def hooks(specs: type) -> dict[str, Callable[..., Any]]:
    """Return the hooks of a class of specifications by name, in the order in which they are written."""
    return {name: function for name, function in vars(specs).items() if not name.startswith("_")}


def examples(documented: object) -> list[str]:
    """Return the code of the ``Example::`` blocks in a docstring."""
    text = f"{inspect.getdoc(documented)}\n"
    return [dedent(block).strip() + "\n" for block in EXAMPLE.findall(text)]


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return the signature as it stands in the source, without ``self``."""
    found = inspect.signature(function)
    parameters = list(found.parameters.values())[1:]
    return f"def {name}{found.replace(parameters=parameters)}".replace("'", "")


def markdown(documented: object) -> str:
    """Turn a docstring with Google's sections and reST's roles into Markdown."""
    text = f"{inspect.getdoc(documented)}\n"
    text = EXAMPLE.sub(lambda found: f"Example:\n\n```python\n{dedent(found[1]).strip()}\n```\n", text)
    prose, *code = re.split(r"(?=^Example:$)", text, flags=re.MULTILINE)
    prose = re.sub(r":\w+:`([^`]+)`", r"`\1`", prose).replace("``", "`")
    prose = re.sub(r"^(Args|Returns|Raises):\n((?: {4}.*\n)+)", _section, prose, flags=re.MULTILINE)
    return prose + "".join(code)


def _section(found: re.Match[str]) -> str:
    """Turn ``Args:`` with its indented entries into a heading and a list."""
    entries = re.split(r"\n(?=\S)", dedent(found[2]).strip())
    if found[1] == "Returns":
        return f"**Returns:** {' '.join(' '.join(entries).split())}\n"
    items = (re.sub(r"^(\w+):", r"- `\1`:", " ".join(entry.split())) for entry in entries)
    return f"**{found[1]}:**\n\n" + "\n".join(items) + "\n"


def render() -> str:
    """Return the whole page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield HEADER
    yield f"# Hooks\n\n{markdown(hookspecs)}"
    yield f"{SHOP}\n```python\n{inspect.getsource(example).strip()}\n```\n"
    for specs in (SourceSpecs, HostSpecs):
        yield f"## `{specs.__name__}`\n\n{markdown(specs)}"
        for name, function in hooks(specs).items():
            yield f"### `{name}`\n\n```python\n{signature(name, function)}\n```\n\n{markdown(function)}"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
