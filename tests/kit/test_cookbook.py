"""The code of docs/cookbook.md runs, in the order in which it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.contract.example import Shop, account
from core.contract.hookspecs import hookimpl
from core.contract.types import Activity, Partition, Record, Refusal
from core.host import Host

PAGE = Path(__file__).parents[2] / "docs" / "cookbook.md"
BLOCK = re.compile(r"^```python *(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = 100


def blocks(kind: str) -> list[str]:
    return [found[2] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")) if found[1] == kind]


def code(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


@pytest.fixture
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the module kiosk, built of the page's steps."""
    (tmp_path / "kiosk.py").write_text("\n\n".join(blocks("")), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kiosk", raising=False)
    return tmp_path


def test_the_first_data_source_is_as_short_as_it_says():
    steps = blocks("")
    plugin = [step for step in steps if "KioskSandbox:" not in step]
    assert len(steps) - len(plugin) == 1
    assert code("".join(plugin)) <= 80


def test_the_first_data_source_keeps_every_rule(kiosk: Path):
    (test,) = blocks("test")
    (kiosk / "test_kiosk.py").write_text(test, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": f"{kiosk}{os.pathsep}{PAGE.parents[1]}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(kiosk)]
    done = subprocess.run(command, env=env, cwd=kiosk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize("example", blocks("example"), ids=lambda text: text.splitlines()[-1][:40])
def test_examples_run(example: str, kiosk: Path):
    exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})


class TalkingShop(Shop):
    @hookimpl
    def sync(self, account: Any, partition: Any, cursor: Any) -> Any:
        page = super().sync(account, partition, cursor)
        said = {"text": "write to Ann.Other+x@mail.example.com, please", "to": ["bob@example.com", "Bob"], "count": 3}
        activity = Activity("said", "1", datetime(2026, 1, 1, tzinfo=UTC), attributes=said)
        records = [replace(item, activities=(activity,)) for item in page.records if isinstance(item, Record)]
        return replace(page, records=[*records, Refusal("customer", "9", "email: a@example.com")])


def test_the_wrapper_takes_addresses_out_of_activities():
    (wrapper,) = blocks("wrapper")
    module = ModuleType("redact")
    exec(compile(wrapper, str(PAGE), "exec"), vars(module))
    shop = Host([TalkingShop(), module.plugin]).source("shop")
    page = shop.sync(account=account(), partition=Partition("customer", start=0), cursor=0)
    *records, refusal = page.records
    for record in records:
        assert isinstance(record, Record)
        (activity,) = record.activities
        assert activity.attributes == {"text": "write to [email], please", "to": ["[email]", "Bob"], "count": 3}
        assert "@" in record.remote_id
    assert isinstance(refusal, Refusal)
