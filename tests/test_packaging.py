"""The browser assets come with the build, whole."""

from __future__ import annotations

import re
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path

import pytest

import setup

VENDOR = Path(str(files("core"))) / "web" / "static" / "vendor"
TARGETS = sorted(target for donor in setup.ASSETS.values() for target in donor.values())


@pytest.mark.parametrize("target", TARGETS)
def test_each_asset_is_there(target: str):
    assert (VENDOR / target).stat().st_size > 500


@pytest.mark.parametrize("sheet", [target for target in TARGETS if target.endswith(".css")])
def test_what_a_style_sheet_loads_is_there(sheet: str):
    urls = re.findall(r"""url\(["']?([^"')]+)""", (VENDOR / sheet).read_text())
    for url in urls:
        if not url.startswith(("data:", "#")):
            assert (VENDOR / sheet).parent.joinpath(url.partition("?")[0]).is_file()


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("css/tabler.min.css", "Tabler v1.4.0"),
        ("js/tabler.min.js", "Tabler v1.4.0"),
        ("css/tabler-icons.min.css", "Tabler Icons 3.44.0"),
        ("js/htmx.min.js", 'version:"2.0.4"'),
        ("js/chart.min.js", '"4.4.0"'),
    ],
)
def test_the_versions_are_those_of_the_notice(file: str, version: str):
    assert version in (VENDOR / file).read_text()


def test_no_donor_is_installed():
    installed = {name.partition(" ")[0].partition(">")[0] for name in distribution("mainstem").requires or ()}
    assert not installed & set(setup.ASSETS)


def test_a_missing_donor_ends_the_build(monkeypatch, tmp_path):
    monkeypatch.setattr(setup, "VENDOR", tmp_path)
    monkeypatch.setattr(setup, "ASSETS", {"no-such-donor": {}})
    with pytest.raises(SystemExit, match="browser assets: no-such-donor is not installed"):
        setup.copy_assets()


def test_a_missing_file_ends_the_build(monkeypatch, tmp_path):
    monkeypatch.setattr(setup, "VENDOR", tmp_path)
    monkeypatch.setattr(setup, "ASSETS", {"click": {"click/core.py": "a/b.py", "click/none.js": "none.js"}})
    with pytest.raises(SystemExit, match=r"browser assets: click .* has no click/none\.js"):
        setup.copy_assets()
    assert (tmp_path / "a" / "b.py").is_file()


def test_the_command_and_the_plugins_are_announced():
    announced = {entry.name: entry.value for entry in distribution("mainstem").entry_points}
    plugins = {name: f"plugins.{name}:plugin" for name in ("intercom", "zendesk")}
    assert announced == {"mainstem": "core.cli:main", **plugins}
    assert plugins.keys() <= entry_points(group="mainstem.plugins").names
