"""A longer retention reads the newly covered time alone; new fields are noted and added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.contract.types import Activity, FieldSpec, Record, Ref
from core.db.models import Activity as ActivityRow
from core.db.models import DataSource, Field
from core.services.connecting import connect
from core.services.fields import new_fields
from core.services.mainstem import Mainstem
from core.services.reconfiguring import add_new_fields, change_retention
from tests.services.asking import AskedVendor
from tests.services.conftest import CONFIG, counts, rows, run
from tests.services.vendor import user

SEEN = {"seen": 90}
"""What users have seen stays as long as ever."""


@pytest.fixture
def vendor() -> AskedVendor:
    vendor = AskedVendor()
    vendor.data = {"user": [user(1)], "chat": [chat(300), chat(200, 190), chat(200, 1), chat(50), chat(5)]}
    return vendor


def ago(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)


def chat(*days: int) -> Record:
    """A chat in which something was said so many days ago; the last of them is when it changed."""
    said = [
        Activity("said", f"{'-'.join(map(str, days))}/{day}", ago(day), people=(Ref("user", "u1"),)) for day in days
    ]
    name = f"c{'-'.join(map(str, days))}"
    return Record("chat", name, ago(days[-1]), created_at=ago(days[0]), activities=tuple(said))


def kept(mainstem: Mainstem) -> list[int]:
    return sorted((datetime.now(UTC) - row["occurred_at"]).days for row in activities(mainstem))


def activities(mainstem: Mainstem) -> Any:
    return rows(mainstem.engine, ActivityRow)


def state(mainstem: Mainstem) -> Any:
    return rows(mainstem.engine, DataSource)[0]


def test_only_the_newly_covered_time_is_read(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    assert kept(mainstem) == [1, 5, 50]
    assert change_retention(mainstem, source, 250, SEEN, "ann") == {"chat"}
    assert state(mainstem)["next_sync_at"] is not None
    vendor.calls.clear()
    progress = run(mainstem, source)
    assert progress.kind == "incremental"
    assert vendor.scopes[-1].since["chat"] is not None
    assert set(vendor.scopes[-1].past) == {"chat"}
    # The chat of 50 days ago, which is all in the time covered before, is not read.
    assert counts(progress)["chat"] == {"read": 2, "created": 1, "updated": 1}
    assert kept(mainstem) == [1, 5, 50, 190, 200, 200]
    assert all(row["historical"] for row in activities(mainstem))
    run(mainstem, source)
    assert vendor.scopes[-1].past == {}


def test_what_was_swept_in_between_is_fetched_again(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    assert change_retention(mainstem, source, 30, SEEN, "ann") == set()
    assert state(mainstem)["next_sweep_at"] is not None
    run(mainstem, source)
    assert vendor.scopes[-1].past == {}
    assert change_retention(mainstem, source, 60, SEEN, "ann") == {"chat"}
    run(mainstem, source)
    until = vendor.scopes[-1].past["chat"]
    assert abs(until - ago(30)) < timedelta(minutes=5)


def test_a_type_that_is_kept_for_longer_is_enough(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    assert change_retention(mainstem, source, 90, {"said": None}, "ann") == {"chat"}
    assert change_retention(mainstem, source, 90, {"said": 250}, "ann") == {"chat"}
    run(mainstem, source)
    assert kept(mainstem) == [1, 5, 50, 190, 200, 200]
    assert change_retention(mainstem, source, 90, {"said": 200}, "ann") == set()


def test_of_people_all_is_read_anew(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    assert change_retention(mainstem, source, 90, {"seen": 100}, "ann") == {"user"}
    run(mainstem, source)
    assert (vendor.scopes[-1].since["user"], vendor.scopes[-1].past) == (None, {})
    run(mainstem, source)
    assert vendor.scopes[-1].since["user"] is not None


def test_a_gap_that_could_not_be_read_is_read_by_the_next_run(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    change_retention(mainstem, source, 250, SEEN, "ann")
    vendor.errors["chat", 0] = [RuntimeError("a fault")]
    assert run(mainstem, source).status == "partial"
    run(mainstem, source)
    assert set(vendor.scopes[-1].past) == {"chat"}
    run(mainstem, source)
    assert vendor.scopes[-1].past == {}


def new(mainstem: Mainstem, source_id: int) -> set[tuple[str, str]]:
    with mainstem.engine.connect() as connection:
        return set(new_fields(connection, source_id))


def test_fields_that_came_up_are_noted_and_added_at_once(mainstem: Mainstem, vendor: AskedVendor):
    source = connect(mainstem, "acme", {**CONFIG, "objects": {"user": ["email"], "chat": "all"}}, "ann")
    run(mainstem, source)
    assert new(mainstem, source) == set()
    vendor.fields = [*vendor.fields, FieldSpec("user", "plan", "Plan"), FieldSpec("user", "size", "Size")]
    run(mainstem, source)
    run(mainstem, source)
    assert new(mainstem, source) == {("user", "plan"), ("user", "size")}
    assert add_new_fields(mainstem, source, "ann") == {"user"}
    assert new(mainstem, source) == set()
    assert {row["key"] for row in rows(mainstem.engine, Field) if row["selected"]} == {"email", "plan", "size"}
    run(mainstem, source)
    assert vendor.scopes[-1].since["user"] is None


def test_a_field_that_went_again_is_no_news(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    before = vendor.fields
    vendor.fields = [*before, FieldSpec("user", "plan", "Plan")]
    run(mainstem, source)
    assert new(mainstem, source) == {("user", "plan")}
    vendor.fields = before
    run(mainstem, source)
    assert new(mainstem, source) == set()
