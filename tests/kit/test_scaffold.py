"""What ``mainstem plugins new`` writes passes its own tests and every check, at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from itertools import product
from pathlib import Path
from venv import EnvBuilder

import pytest

from core.kit.scaffold import AUTHS, OBJECTS, PAGINATIONS, Choices, ScaffoldError, write

ROOT = Path(__file__).parents[2]
CHECK = """
import json, sys
from importlib import import_module
from core.kit.report import run_checks
report = run_checks(import_module(sys.argv[1]).plugin)
print(json.dumps([report.tier, [(r.rule.key, r.detail) for r in report.broken]]))
"""
COMBINATIONS = [
    Choices("plain_shop"),
    Choices("acme", "oauth", "page", ("people", "organizations"), webhooks=True),
    Choices("linker", "token", "link", ("organizations", "articles"), webhooks=True),
    Choices("whole", "token", "offset", OBJECTS),
    Choices("talks", "oauth", "cursor", ("people", "conversations")),
]


def run(*arguments: str, path: Path, cwd: Path | None = None) -> str:
    env = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}", "MAINSTEM_INSTANCE": str(path / "instance")}
    done = subprocess.run([sys.executable, *arguments], env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("choices", COMBINATIONS, ids=lambda choices: choices.name)
def test_what_is_written_keeps_every_rule(choices, tmp_path):
    write(tmp_path / "new", choices)
    tier, broken = json.loads(run("-c", CHECK, choices.package, path=tmp_path / "new" / "src"))
    assert broken == []
    assert tier == "excellent"


def test_the_wheel_runs_beside_mainstem_in_a_clean_environment(tmp_path):
    """In a virtual environment of its own, whose only other packages are Mainstem and what that needs."""
    folder, clean = tmp_path / "package", tmp_path / "clean"
    write(folder, Choices("third_vendor", "oauth", "link", OBJECTS, webhooks=True))
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
    run(
        "-m", "pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(tmp_path), str(folder), path=tmp_path
    )
    (wheel,) = tmp_path.glob("*.whl")
    EnvBuilder(with_pip=False).create(clean)
    python = str(clean / "bin" / "python")
    (site,) = clean.glob("lib/python*/site-packages")
    # Mainstem's own dependencies need not be fetched again.
    (site / "mainstem.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n{ROOT}\n")
    run("-m", "pip", "--python", python, "install", *offline, str(wheel), path=tmp_path)

    def inside(*arguments: str, cwd: Path = tmp_path) -> str:
        env = {"PATH": os.environ["PATH"], "MAINSTEM_INSTANCE": str(tmp_path / "instance")}
        done = subprocess.run([python, *arguments], env=env, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "passed" in inside("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    report = json.loads(inside("-m", "core.cli", "plugins", "check", "third_vendor", "--json"))
    assert (report["plugin"], report["version"], report["tier"]) == ("third_vendor", "0.1.0", "excellent")
    listed = json.loads(inside("-m", "core.cli", "plugins", "--json"))
    (found,) = [plugin for plugin in listed if plugin["name"] == "third_vendor"]
    assert (found["state"], found["tier"], found["distribution"]) == ("loaded", "excellent", "mainstem-third-vendor")
    assert inside("-c", "import mainstem_third_vendor as m; print(m.__file__)").startswith(str(site))


def test_every_combination_is_python_without_faults(tmp_path):
    some = [("people",), ("articles",), ("conversations",), OBJECTS]
    for number, (auth, pages, objects, hooks) in enumerate(product(AUTHS, PAGINATIONS, some, (True, False))):
        write(tmp_path / str(number), Choices(f"vendor_{number}", auth, pages, objects, hooks))
    config = ("--isolated", "--line-length", "120", "--no-cache")
    run("-m", "ruff", "check", *config, "--select", "E,W,F,UP,B,C4", str(tmp_path), path=tmp_path)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        (Choices("Third Vendor"), "no plugin name"),
        (Choices("acme", auth="basic"), "--auth: choose among token, oauth"),
        (Choices("acme", pagination="scroll"), "--pagination"),
        (Choices("acme", objects=()), "--objects"),
        (Choices("acme", objects=("deals",)), "--objects"),
    ],
)
def test_a_wrong_choice_is_named_and_nothing_written(choices, told, tmp_path):
    with pytest.raises(ScaffoldError, match=told):
        write(tmp_path / "new", choices)
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ScaffoldError, match="in use"):
        write(tmp_path, Choices("acme"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
