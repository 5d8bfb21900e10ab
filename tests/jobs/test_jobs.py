"""What is queued when, looked at in the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from redis import Redis
from rq import Queue

from core import jobs
from core.contract.errors import Retry
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Activity, DataSource, Run
from core.db.models import Partition as PartitionRow
from core.services import retention, syncing
from core.services.connecting import connect, disconnect
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import now_utc
from tests.services.conftest import CONFIG, counts, emails, open_mainstem
from tests.services.vendor import Vendor, chat, user

RUN, PARTITION, SOURCE = table_of(Run), table_of(PartitionRow), table_of(DataSource)


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.data = {"user/a": [user(n) for n in range(4)], "user/b": [user(n) for n in range(4, 8)]}
    return vendor


@pytest.fixture
def mainstem(
    database_url: str, valkey_url: str, tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mainstem]:
    mainstem = open_mainstem(database_url, tmp_path / "instance", vendor, REDIS_URL=valkey_url)
    # Jobs find the system by themselves.
    monkeypatch.setattr(jobs, "_mainstem", lambda: mainstem)
    yield mainstem
    jobs.redis_of(mainstem).close()
    mainstem.engine.dispose()


@pytest.fixture
def source(mainstem: Mainstem) -> int:
    """A data source of which nothing has to be counted now."""
    source = connect(mainstem, "acme", CONFIG, "test")
    set_all(mainstem, SOURCE, counted_at=now_utc())
    return source


def queued(mainstem: Mainstem) -> list[tuple[str, tuple[Any, ...]]]:
    """Empty the queues, and return what was in them."""
    found = []
    for name in jobs.QUEUES:
        queue = Queue(name, connection=jobs.redis_of(mainstem))
        found += [(str(job.func_name).removeprefix("core.jobs."), tuple(job.args)) for job in queue.jobs]
        queue.empty()
    return found


def set_all(mainstem: Mainstem, table: Any, **values: Any) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(table.update().values(values))


def forget_bells(mainstem: Mainstem) -> None:
    jobs.redis_of(mainstem).flushall()


def test_a_run_goes_through_the_queue_to_its_end(mainstem: Mainstem, source: int, vendor: Vendor):
    run_id = jobs.start_sync(mainstem, source)
    assert queued(mainstem) == [("plan_run", (run_id,))]
    jobs.plan_run(run_id)
    assert queued(mainstem) == [("read_run", (run_id, 2))]
    jobs.plan_run(run_id)
    assert queued(mainstem) == []
    jobs.read_run(run_id, 2)
    assert queued(mainstem) == []
    progress = syncing.progress(mainstem, run_id)
    assert progress.state == "succeeded"
    assert counts(progress) == {"user": {"read": 8, "created": 8}}


def test_a_slice_that_ran_out_of_time_rings_for_the_next(
    mainstem: Mainstem, source: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "SLICE_SECONDS", 0.0)
    run_id = jobs.start_sync(mainstem, source)
    jobs.plan_run(run_id)
    queued(mainstem)
    jobs.read_run(run_id, 2)
    assert queued(mainstem) == [("read_run", (run_id, 2))]
    disconnect(mainstem, source, "ann")
    jobs.read_run(run_id, 2)
    assert queued(mainstem) == []
    assert emails(mainstem.engine) == []


def test_a_run_without_anything_to_read_ends_at_once(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {}
    run_id = jobs.start_sync(mainstem, source)
    queued(mainstem)
    jobs.plan_run(run_id)
    assert queued(mainstem) == []
    assert syncing.progress(mainstem, run_id).state == "succeeded"


def test_once_rings_once_until_it_is_answered(mainstem: Mainstem, source: int):
    for _ in range(3):
        jobs.ring(mainstem, "plan_run", "sync", 1, once=True)
    jobs.ring(mainstem, "plan_run", "sync", 2, once=True)
    assert queued(mainstem) == [("plan_run", (1,)), ("plan_run", (2,))]
    jobs.ring(mainstem, "plan_run", "sync", 1)
    assert queued(mainstem) == [("plan_run", (1,))]
    jobs.plan_run(1)
    jobs.ring(mainstem, "plan_run", "sync", 1, once=True)
    assert queued(mainstem) == [("plan_run", (1,))]


def test_a_bell_is_forgotten_after_a_while(mainstem: Mainstem):
    jobs.ring(mainstem, "plan_run", "sync", 1, once=True)
    left = jobs.redis_of(mainstem).pttl("mainstem:bell:plan_run:1")
    assert 0 < left <= 20_000


def test_tick_rings_for_a_run_that_waits_to_be_planned(mainstem: Mainstem, source: int):
    run_id = syncing.start(mainstem, source)
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, RUN, created_at=now_utc() - timedelta(minutes=1))
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    assert queued(mainstem) == [("plan_run", (run_id,))]
    forget_bells(mainstem)
    set_all(mainstem, RUN, lease_token=uuid4(), lease_until=now_utc() + timedelta(minutes=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, RUN, lease_until=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == [("plan_run", (run_id,))]
    forget_bells(mainstem)
    set_all(mainstem, RUN, not_before=now_utc() + timedelta(minutes=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == []


def test_tick_rings_for_partitions_that_nobody_reads(mainstem: Mainstem, source: int, vendor: Vendor):
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    jobs.tick(mainstem)
    assert queued(mainstem) == [("read_run", (run_id, 64))]
    forget_bells(mainstem)
    set_all(mainstem, PARTITION, lease_token=uuid4(), lease_until=now_utc() + timedelta(minutes=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, PARTITION, lease_until=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == [("read_run", (run_id, 64))]


def test_tick_rings_for_partitions_whose_wait_is_over(mainstem: Mainstem, source: int, vendor: Vendor):
    for key in ("user/a", "user/b"):
        vendor.errors[key, 1] = [Retry("Acme is busy", after=60)]
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    advance(mainstem, run_id)
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, PARTITION, not_before=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == [("read_run", (run_id, 64))]
    jobs.read_run(run_id, 64)
    assert syncing.progress(mainstem, run_id).state == "succeeded"


def test_tick_ends_a_run_whose_last_reader_died_before_it_could(mainstem: Mainstem, source: int, vendor: Vendor):
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    advance(mainstem, run_id)
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    assert queued(mainstem) == [("finish_run", (run_id,))]
    jobs.finish_run(run_id)
    jobs.finish_run(run_id)
    assert syncing.progress(mainstem, run_id).state == "succeeded"
    assert len(vendor.finished) == 1


def test_tick_begins_a_reconciliation_when_it_is_due_and_no_run_is_at_work(mainstem: Mainstem, source: int):
    syncing.run_inline(mainstem, syncing.start(mainstem, source))
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    running = syncing.start(mainstem, source)
    set_all(mainstem, SOURCE, next_check_at=now_utc())
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    syncing.run_inline(mainstem, running)
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    ((job, (run_id,)),) = queued(mainstem)
    assert (job, syncing.progress(mainstem, run_id).kind) == ("plan_run", "reconciliation")


def test_tick_begins_what_is_overdue(mainstem: Mainstem, source: int):
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, SOURCE, next_sync_at=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    ((job, (run_id,)),) = queued(mainstem)
    assert job == "plan_run"
    jobs.tick(mainstem)
    assert queued(mainstem) == []
    set_all(mainstem, SOURCE, next_sync_at=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    assert queued(mainstem) == [("plan_run", (run_id,))]
    disconnect(mainstem, source, "ann")
    set_all(mainstem, SOURCE, next_sync_at=now_utc() - timedelta(seconds=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == []


def test_losing_the_queue_loses_nothing(mainstem: Mainstem, source: int):
    run_id = jobs.start_sync(mainstem, source)
    Redis.flushall(jobs.redis_of(mainstem))
    set_all(mainstem, RUN, created_at=now_utc() - timedelta(minutes=1))
    jobs.tick(mainstem)
    assert queued(mainstem) == [("plan_run", (run_id,))]


def test_without_redis_nothing_is_begun(mainstem: Mainstem, source: int):
    nowhere = replace(mainstem, settings=replace(mainstem.settings, redis_url="redis://127.0.0.1:1"))
    with pytest.raises(redis.exceptions.ConnectionError):
        jobs.start_sync(nowhere, source)
    with pytest.raises(redis.exceptions.ConnectionError):
        jobs.run_worker(nowhere)
    assert syncing.latest(mainstem, source) is None


def test_a_sweep_that_is_due_is_rung_for_and_rings_again_while_batches_are_full(
    mainstem: Mainstem, source: int, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "BATCH", 2)
    vendor.data = {"user": [user(1)], "chat": [chat(n) for n in range(3)]}
    syncing.run_inline(mainstem, syncing.start(mainstem, source))
    set_all(mainstem, table_of(Activity), occurred_at=now_utc() - timedelta(days=100))
    jobs.tick(mainstem)
    assert ("sweep_activities", (source,)) not in queued(mainstem)
    set_all(mainstem, SOURCE, next_sweep_at=now_utc())
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    assert queued(mainstem).count(("sweep_activities", (source,))) == 1
    jobs.sweep_activities(source)
    assert queued(mainstem) == [("sweep_activities", (source,))]
    jobs.sweep_activities(source)
    assert queued(mainstem) == [("recount", (source,))]
    forget_bells(mainstem)
    jobs.tick(mainstem)
    assert ("sweep_activities", (source,)) not in queued(mainstem)


def test_numbers_that_are_old_are_counted_again(mainstem: Mainstem, source: int):
    set_all(mainstem, SOURCE, counted_at=None)
    jobs.tick(mainstem)
    jobs.tick(mainstem)
    assert queued(mainstem) == [("recount", (source,))]
    jobs.recount(source)
    jobs.tick(mainstem)
    assert queued(mainstem) == []
