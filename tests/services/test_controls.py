"""Runs are paused, resumed and cancelled, and refused records are asked for again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.contract.errors import Reauthorise, Retry
from core.contract.types import Ref, Refusal
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import AuditEntry, DataSource, RefusedRecord, Run
from core.db.models import Partition as PartitionRow
from core.host import Host
from core.services import controls, syncing
from core.services.connecting import disconnect
from core.services.controls import Retried, cancel_run, pause_run, resume_run, retry_refused
from core.services.errors import Conflict, NotFound
from core.services.finishing import finish
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import SOURCE
from tests.services.asking import AskedVendor
from tests.services.conftest import emails, rows, run
from tests.services.vendor import user


@pytest.fixture
def vendor() -> AskedVendor:
    vendor = AskedVendor()
    vendor.data = {"user": [user(n) for n in range(1, 7)]}
    return vendor


def actions(mainstem: Mainstem) -> list[str]:
    entries = sorted(rows(mainstem.engine, AuditEntry), key=lambda row: row["id"])
    return [entry["action"] for entry in entries if entry["action"] != "connect"]


def test_a_paused_run_goes_on_where_it_was(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)

    def pause(partition: str, page: int) -> None:
        if page == 2 and not rows(mainstem.engine, Run, Run.state == "paused"):
            assert pause_run(mainstem, source, "ann") == run_id

    vendor.before = pause
    advance(mainstem, run_id)
    # The page that was at hand is not written.
    (partition,) = rows(mainstem.engine, PartitionRow)
    assert (partition["state"], partition["lease_token"]) == ("ready", None)
    assert len(emails(mainstem.engine)) == 2 * partition["pages"] < 6
    assert syncing.progress(mainstem, run_id).state == "paused"
    assert syncing.start(mainstem, source) == run_id
    vendor.before = lambda partition, page: None
    asked = len(vendor.calls)
    assert resume_run(mainstem, source, "ann") == run_id
    syncing.run_inline(mainstem, run_id)
    assert syncing.progress(mainstem, run_id).state == "succeeded"
    assert len(emails(mainstem.engine)) == 6
    assert ("user", 0) not in vendor.calls[asked:]
    assert actions(mainstem) == ["pause", "resume"]


def test_one_that_was_not_planned_is_planned_when_it_is_resumed(mainstem: Mainstem, source: int):
    run_id = syncing.start(mainstem, source)
    pause_run(mainstem, source, "ann")
    assert not plan(mainstem, run_id)
    resume_run(mainstem, source, "ann")
    assert syncing.progress(mainstem, run_id).state == "queued"


@pytest.mark.parametrize("prepare", [lambda *_: None, pause_run])
def test_a_cancelled_run_keeps_what_it_read_and_the_next_one_reads_the_rest(
    mainstem: Mainstem, vendor: AskedVendor, source: int, prepare: Callable[..., Any]
):
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    advance(mainstem, run_id, seconds=0.01)
    prepare(mainstem, source, "ann")
    assert cancel_run(mainstem, source, "ann") == run_id
    progress = syncing.progress(mainstem, run_id)
    assert (progress.state, progress.error) == ("cancelled", "Cancelled by ann")
    assert progress.finished_at is not None
    assert rows(mainstem.engine, DataSource)[0]["next_sync_at"] == progress.finished_at + timedelta(minutes=60)
    advance(mainstem, run_id)
    assert run(mainstem, source).state == "succeeded"
    assert len(emails(mainstem.engine)) == 6


@pytest.mark.parametrize(("minutes", "wait"), [(7, timedelta(minutes=7)), (None, None)])
def test_the_admin_says_how_often(mainstem: Mainstem, source: int, minutes: int | None, wait: timedelta | None):
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().values(config={"schedule": {"minutes": minutes}}))
    ended = run(mainstem, source).finished_at
    assert ended is not None
    assert rows(mainstem.engine, DataSource)[0]["next_sync_at"] == (wait and ended + wait)


def test_there_must_be_something_to_stop_or_resume(mainstem: Mainstem, source: int):
    for control in (pause_run, resume_run, cancel_run):
        with pytest.raises(Conflict):
            control(mainstem, source, "ann")
        with pytest.raises(NotFound):
            control(mainstem, 99, "ann")
    syncing.start(mainstem, source)
    with pytest.raises(Conflict, match="no sync is paused"):
        resume_run(mainstem, source, "ann")
    pause_run(mainstem, source, "ann")
    with writing(mainstem.engine) as connection:
        connection.execute(table_of(DataSource).update().values(state="needs_attention"))
    with pytest.raises(Conflict, match="reconnect it first"):
        resume_run(mainstem, source, "ann")


def refused(mainstem: Mainstem) -> list[str]:
    return sorted(row["remote_id"] for row in rows(mainstem.engine, RefusedRecord) if not row["resolved_at"])


def test_refused_records_are_asked_for_again(
    mainstem: Mainstem, vendor: AskedVendor, source: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(controls, "BATCH", 2)
    bad = [Refusal("user", f"u{n}", "no name") for n in (1, 2, 3)]
    vendor.data = {"user": [*bad, Refusal("user", "", "no id"), user(9)]}
    run(mainstem, source)
    # One is mended, one is gone, one is as it was.
    vendor.there = {Ref("user", "u1"): user(1), Ref("user", "u3"): bad[2]}
    assert retry_refused(mainstem, source, "ann") == Retried(asked=3, settled=2, left=2)
    assert [len(refs) for refs in vendor.fetched] == [2, 1]
    assert refused(mainstem) == ["", "u3"]
    assert emails(mainstem.engine) == ["u1@example.com", "u9@example.com"]
    assert actions(mainstem) == ["retry"]


@pytest.mark.parametrize(("error", "state"), [(Retry("busy"), "connected"), (Reauthorise("no"), "needs_attention")])
def test_a_vendor_that_cannot_answer_is_told_of(
    mainstem: Mainstem, vendor: AskedVendor, source: int, error: Exception, state: str
):
    vendor.data = {"user": [Refusal("user", "u1", "no name")]}
    run(mainstem, source)

    def fail() -> None:
        raise error

    vendor.during = fail
    with pytest.raises(type(error)):
        retry_refused(mainstem, source, "ann")
    assert refused(mainstem) == ["u1"]
    assert rows(mainstem.engine, DataSource)[0]["state"] == state


def test_nothing_is_asked_of_who_is_not_connected(mainstem: Mainstem, vendor: AskedVendor, source: int):
    disconnect(mainstem, source, "ann")
    with pytest.raises(Conflict, match="reconnect it first"):
        retry_refused(mainstem, source, "ann")
    assert vendor.fetched == []


def test_a_run_whose_plugin_is_gone_is_paused_and_says_so(mainstem: Mainstem, vendor: AskedVendor, source: int):
    without = replace(mainstem, host=Host([]))
    for step in (plan, advance, finish):
        run_id = syncing.start(mainstem, source)
        if step is not plan:
            assert plan(mainstem, run_id)
        if step is finish:
            advance(mainstem, run_id)
        assert not step(without, run_id)
        (row,) = rows(mainstem.engine, DataSource)
        assert row["state"] == "needs_attention"
        assert "plugin is missing" in row["error"]
        assert [each["state"] for each in rows(mainstem.engine, Run, Run.id == run_id)] == ["paused"]
        with writing(mainstem.engine) as connection:
            connection.execute(SOURCE.update().values(state="connected", error=None))
        resume_run(mainstem, source, "ann")
        syncing.run_inline(mainstem, run_id)
        assert syncing.progress(mainstem, run_id).state == "succeeded"
