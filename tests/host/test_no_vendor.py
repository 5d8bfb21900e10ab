from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

from core.contract.hookspecs import ENTRY_POINT_GROUP

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".html", ".js", ".css", ".txt", ".md", ".json", ".svg", ".toml", ".tmpl", ".j2"}


def vendors() -> set[str]:
    """Return the names of the vendors that are installed or in the repository."""
    here = {folder.parent.name for folder in (ROOT / "plugins").glob("*/__init__.py")} - {"base"}
    return here | {point.name for point in entry_points(group=ENTRY_POINT_GROUP)} | {"intercom"}


def files() -> list[Path]:
    """Return the sources and templates of core and plugins.base, but for assets that others made."""
    found = [path for folder in ("core", "plugins/base") for path in (ROOT / folder).rglob("*")]
    return [path for path in found if path.suffix in TEXT and "vendor" not in path.relative_to(ROOT).parts]


def test_core_and_base_name_no_vendor() -> None:
    names = re.compile("|".join(sorted(map(re.escape, vendors()))), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if names.search(line)
    ]

    assert found == []


def test_the_search_reaches_sources() -> None:
    assert ROOT / "core" / "host" / "host.py" in files()
