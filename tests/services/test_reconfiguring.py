"""Choices of a connected data source are changed, and what more is wanted comes in with the next sync."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.contract.types import Activity, ActivitySpec, FieldSpec, Record, Ref
from core.db.models import Activity as ActivityRow
from core.db.models import AuditEntry, DataSource, Field, Person
from core.services.accounts import account_of
from core.services.configuration import read_config
from core.services.connecting import archive, connect, disconnect
from core.services.errors import Conflict, Invalid
from core.services.mainstem import Mainstem
from core.services.reconfiguring import reconfigure, widened
from core.services.sources import config_of, get_source
from tests.services.conftest import CONFIG, counts, rows, run
from tests.services.vendor import Vendor, chat, firm, manifest, user

NOW = datetime.now(UTC)


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor(selective=True)
    vendor.fields = [FieldSpec("user", "email", "Email", feeds="email"), FieldSpec("user", "plan", "Plan")]
    vendor.data = {"user": [replace(user(1), fields={"plan": "Pro"})], "firm": [firm(1)], "chat": []}
    return vendor


def row_of(mainstem: Mainstem) -> dict[str, Any]:
    (row,) = rows(mainstem.engine, DataSource)
    return dict(row)


DESK = manifest(selective=True, activities=(ActivitySpec("said", "Said", "chat"), ActivitySpec("seen", "Seen", "user")))
TREE = {"field": "plan", "op": "has_value"}
NARROW: dict[str, Any] = {"objects": {"user": ["plan"]}}


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        ({}, {}, set()),
        (NARROW, {"objects": {"user": ["plan", "email"]}}, {"user"}),
        (NARROW, {"objects": {"user": "all"}}, {"user"}),
        ({}, NARROW, set()),
        (NARROW, {"objects": {"user": ["plan"], "chat": "all"}}, {"chat"}),
        ({}, {"retention": {"days": 30}}, set()),
        ({}, {"retention": {"days": 365}}, set()),
        ({}, {"selection": {"people": TREE}}, {"user"}),
        ({"selection": {"people": TREE}}, {}, {"user"}),
        ({"selection": {"people": TREE}}, {"selection": {"people": {"all": [TREE]}}}, {"user"}),
        ({"merge": {"existing_only": True}}, {}, {"user", "firm"}),
        ({}, {"merge": {"existing_only": True, "strategy": "append_only"}}, set()),
    ],
)
def test_only_what_more_is_wanted_of_is_read_anew(before: dict[str, Any], after: dict[str, Any], anew: set[str]):
    assert widened(DESK, read_config(before, DESK)[0], read_config(after, DESK)[0]) == anew


def all_read(vendor: Vendor) -> set[str]:
    """Objects of which the last run read everything."""
    return {object for object, since in vendor.scopes[-1].since.items() if since is None}


def test_a_new_field_comes_in_for_who_is_here_already(mainstem: Mainstem, vendor: Vendor):
    source = connect(mainstem, "acme", {**CONFIG, "objects": {"user": ["email"], "firm": "all"}}, "ann")
    run(mainstem, source)
    assert rows(mainstem.engine, Person)[0]["fields"] == {}
    assert reconfigure(mainstem, source, {"objects": {"user": "all", "firm": "all"}}, "ann") == {"user"}
    assert {row["key"]: row["selected"] for row in rows(mainstem.engine, Field)} == {"email": True, "plan": True}
    assert counts(run(mainstem, source))["user"] == {"read": 1, "updated": 1}
    assert rows(mainstem.engine, Person)[0]["fields"] == {"acme.plan": "Pro"}
    assert all_read(vendor) == {"user"}
    assert row_of(mainstem)["renew"] == {}
    run(mainstem, source)
    assert all_read(vendor) == set()
    entry = next(row for row in rows(mainstem.engine, AuditEntry) if row["action"] == "configure")
    assert (entry["actor"], entry["detail"]) == (
        "ann",
        {
            "changed": ["objects"],
            "anew": ["user"],
            "before": {"objects": {"user": ["email"], "firm": "all"}},
            "after": {"objects": {"user": "all", "firm": "all"}},
        },
    )


def old_chat() -> Record:
    """Changed just now; a part of it is 200 days old."""
    parts = (
        Activity("said", "part:old", NOW - timedelta(days=200), people=(Ref("user", "u1"),)),
        Activity("said", "part:new", NOW - timedelta(days=1), people=(Ref("user", "u1"),)),
    )
    return Record("chat", "c1", NOW - timedelta(days=1), activities=parts)


def test_a_longer_retention_fetches_the_newly_covered_time_and_it_is_no_news(mainstem: Mainstem, vendor: Vendor):
    vendor.data["chat"] = [old_chat()]
    source = connect(mainstem, "acme", CONFIG, "ann")
    run(mainstem, source)
    assert [row["remote_id"] for row in rows(mainstem.engine, ActivityRow)] == ["part:new"]
    reconfigure(mainstem, source, {"retention": {"days": 90, "activities": {"said": 365}}}, "ann")
    vendor.data["chat"] = [old_chat(), chat(2)]
    progress = run(mainstem, source)
    assert progress.kind == "incremental"
    assert vendor.scopes[-1].since["user"] is not None
    assert vendor.scopes[-1].since["chat"] is None
    assert (vendor.scopes[-1].horizon or NOW) < NOW - timedelta(days=300)
    found = {row["remote_id"]: row["historical"] for row in rows(mainstem.engine, ActivityRow)}
    assert found == {"part:old": True, "part:new": True, "part:2": False}
    reconfigure(mainstem, source, {"retention": {"days": 30}}, "ann")
    run(mainstem, source)
    assert vendor.scopes[-1].since["chat"] is not None


def test_what_is_read_anew_is_not_left_out_as_known(mainstem: Mainstem):
    source = connect(mainstem, "acme", CONFIG, "ann")
    run(mainstem, source)
    with mainstem.engine.connect() as connection:
        row = get_source(connection, source)
    versions = {"u1": datetime(2020, 1, 1, tzinfo=UTC)}
    config = config_of(mainstem, row)
    assert account_of(mainstem, row, config).known("user", versions) == {"u1"}
    assert account_of(mainstem, row, config, anew={"user"}).known("user", versions) == frozenset()


def test_a_change_during_a_run_is_done_by_the_next_one(mainstem: Mainstem, vendor: Vendor):
    source = connect(mainstem, "acme", {**CONFIG, "objects": {"user": ["email"]}}, "ann")

    def change(name: str, page: int) -> None:
        vendor.before = lambda name, page: None
        reconfigure(mainstem, source, {"objects": {"user": "all"}}, "ann")

    vendor.before = change
    run(mainstem, source)
    row = row_of(mainstem)
    assert set(row["renew"]) == {"user"}
    assert row["next_sync_at"] <= datetime.now(UTC)
    run(mainstem, source)
    assert row_of(mainstem)["renew"] == {}
    assert row_of(mainstem)["next_sync_at"] > datetime.now(UTC)


def test_wrong_changes_change_nothing(mainstem: Mainstem):
    source = connect(mainstem, "acme", CONFIG, "ann")
    before = row_of(mainstem)
    for wrong in ({"objects": {"user": ["plam"]}}, {"retention": {"days": 0}}, {"selection": {"people": {"x": 1}}}):
        with pytest.raises(Invalid):
            reconfigure(mainstem, source, wrong, "ann")
    disconnect(mainstem, source, "ann")
    assert reconfigure(mainstem, source, {"retention": {"days": 30}}, "ann") == set()
    archive(mainstem, source, "ann")
    with pytest.raises(Conflict, match="restore it first"):
        reconfigure(mainstem, source, {"retention": {"days": 60}}, "ann")
    assert before["config"] != row_of(mainstem)["config"] == {"retention": {"days": 30}}
