"""The documentation says what is so: its links lead somewhere, its commands exist, its configurations are valid."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from core.cli import main
from core.host import Host
from core.services.configuration import read_config
from core.services.exporting import EXPORTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(mainstem [^`]*)`")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in FENCE.finditer(page.read_text(encoding="utf-8")):
            if found[1] == language:
                yield page.name, found[2]


def links() -> list[tuple[Path, str, str]]:
    return [(page, found[1], found[2]) for page in PAGES for found in LINK.finditer(page.read_text(encoding="utf-8"))]


def commands() -> list[str]:
    fenced = [line for _, text in blocks("sh") for line in text.splitlines() if line.startswith("mainstem ")]
    inline = [
        " ".join(found[1].split()) for page in PAGES for found in INLINE.finditer(page.read_text(encoding="utf-8"))
    ]
    return sorted({line.split("#")[0].split(">")[0].strip() for line in [*fenced, *inline]})


def configs() -> list[dict[str, Any]]:
    found = [json.loads(text) for _, text in blocks("json")]
    return [config for config in found if "credentials" in config]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize(("source", "target", "fragment"), links())
def test_links_lead_somewhere(source: Path, target: str, fragment: str):
    file = (source.parent / target) if target else source
    assert file.exists(), f"{source.name} links to {target}"
    if fragment:
        assert fragment in map(anchor, HEADING.findall(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("line", commands())
def test_commands_exist_with_their_options(line: str):
    # --help comes last: the options before it are parsed first, and an unknown one is refused.
    words = [word for word in shlex.split(line)[1:] if word not in ("PLUGIN", "FILE")]
    words = [word for word in words if word != "--config"] if line.endswith("--config FILE") else words
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output
    assert f"Usage: {' '.join(['main', *words[:1]])}" in result.output


@pytest.mark.parametrize("config", configs(), ids=lambda config: json.dumps(config)[:60])
def test_configurations_are_valid(config: dict[str, Any]):
    manifest = Host.from_entry_points({}).manifest("intercom")
    read_config(config, manifest)


def test_the_examples_were_found():
    assert len(commands()) > 20
    assert len(configs()) >= 4
    assert len(links()) > 10


def test_every_variable_that_is_read_is_documented():
    text = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", text))
    sources = [ROOT / "core" / "config.py", *(ROOT / "core" / "host").glob("*.py")]
    read = {name for file in sources for name in re.findall(r'"([A-Z]{3,}(?:_[A-Z]+)+)"', file.read_text())}
    host = Host.from_entry_points({})
    declared = {variable.name for name in host.names() for variable in host.manifest(name).environment}
    assert len(read) > 8
    assert read | declared <= documented


def test_every_kind_of_export_is_documented_with_its_keys():
    text = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    for kind, export in EXPORTS.items():
        assert f"| {kind} | {', '.join(export.columns)} |" in text


def test_pictures_are_well_formed():
    pictures = list((ROOT / "docs").rglob("*.svg"))
    assert pictures
    for picture in pictures:
        assert ElementTree.parse(picture).getroot().tag.endswith("svg")
