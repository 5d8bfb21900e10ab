"""Who may work, and who may write: two processes at one run, deaths, and what comes between two statements."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from core.contract.errors import Reauthorise, Refused, Retry
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Cursor, Page, Partition, Scope
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Run
from core.db.models import Partition as PartitionRow
from core.host import Host
from core.services import leases, reading, syncing
from core.services.connecting import archive, connect, delete, disconnect, reconnect
from core.services.finishing import finish
from core.services.leases import claim
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import now_utc
from tests.services.conftest import CONFIG, counts, emails, open_mainstem, rows, run
from tests.services.vendor import Vendor, user

PARTITION, RUN = table_of(PartitionRow), table_of(Run)


@pytest.fixture
def other(database_url: str, tmp_path: Path, vendor: Vendor, mainstem: Mainstem) -> Iterator[Mainstem]:
    """Another process at work on the same installation."""
    other = open_mainstem(database_url, tmp_path / "instance", vendor)
    yield other
    other.engine.dispose()


def planned(mainstem: Mainstem, source: int) -> int:
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    return run_id


def lapse(mainstem: Mainstem, table: Any = PARTITION) -> None:
    """Let the leases of a process that gave no sign of life end."""
    with writing(mainstem.engine) as connection:
        connection.execute(table.update().values(lease_until=now_utc() - timedelta(seconds=1)))


class Gate:
    """Holds up the first call for one page until the test opens it."""

    def __init__(self, page: int) -> None:
        self.reached, self._open, self._page = threading.Event(), threading.Event(), page
        self._first = True
        self._lock = threading.Lock()

    def __call__(self, partition: str, page: int) -> None:
        with self._lock:
            mine, self._first = page == self._page and self._first, self._first and page != self._page
        if mine:
            self.reached.set()
            assert self._open.wait(30)

    def wait(self) -> None:
        assert self.reached.wait(30)

    def open(self) -> None:
        self._open.set()


def test_a_lapsed_lease_is_taken_over_and_the_late_one_writes_nothing(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {"user": [user(n) for n in range(6)]}
    gate = vendor.before = Gate(1)
    run_id = planned(mainstem, source)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(advance, mainstem, run_id)
        gate.wait()
        wait_for_pages(mainstem, 1)
        lapse(mainstem)
        assert not advance(other, run_id)
        (done,) = rows(other.engine, PartitionRow)
        assert (done["state"], done["pages"]) == ("done", 3)
        gate.open()
        late.result()
    assert rows(other.engine, PartitionRow) == [done]
    assert [vendor.asked()["user", n] for n in range(2)] == [1, 2]
    assert finish(other, run_id)
    assert counts(syncing.progress(other, run_id))["user"] == {"read": 6, "created": 6}


def wait_for_pages(mainstem: Mainstem, pages: int) -> None:
    """Wait until so many pages of the first partition are written."""
    while rows(mainstem.engine, PartitionRow)[0]["pages"] < pages:
        threading.Event().wait(0.01)


def test_a_heartbeat_renews_a_lease(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    fast = replace(mainstem, settings=replace(mainstem.settings, lease_seconds=0.04))
    run_id = planned(mainstem, source)
    token, renewed = uuid4(), threading.Event()
    row = claim(mainstem, run_id, token, 1)
    assert row is not None
    lapse(mainstem)
    event.listen(
        mainstem.engine,
        "commit",
        lambda connection: renewed.set() if threading.current_thread().name.startswith("heartbeat") else None,
    )
    with leases.heartbeat(fast, PARTITION, token):
        assert renewed.wait(30)
    names = [thread.name for thread in threading.enumerate()]
    assert "heartbeat-partition" not in names
    (after,) = rows(mainstem.engine, PartitionRow)
    assert after["lease_until"] > now_utc() - timedelta(seconds=1)
    assert after["lease_token"] == token


def test_a_heartbeat_renews_its_own_leases_alone(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user/a": [user(1)], "user/b": [user(2)]}
    run_id = planned(mainstem, source)
    mine, theirs = uuid4(), uuid4()
    assert claim(mainstem, run_id, mine, 4)
    assert claim(mainstem, run_id, theirs, 4)
    lapse(mainstem)
    leases.renew(mainstem, PARTITION, mine)
    now = now_utc()
    assert {row["lease_token"]: row["lease_until"] > now for row in rows(mainstem.engine, PartitionRow)} == {
        mine: True,
        theirs: False,
    }


def test_a_heartbeat_outlives_a_database_that_is_away(
    mainstem: Mainstem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    beats = threading.Semaphore(0)

    def fail(*args: Any) -> None:
        beats.release()
        raise OperationalError("UPDATE", {}, Exception("away"))

    monkeypatch.setattr(leases, "renew", fail)
    fast = replace(mainstem, settings=replace(mainstem.settings, lease_seconds=0.04))
    with leases.heartbeat(fast, PARTITION, uuid4()):
        assert all(beats.acquire(timeout=30) for _ in range(3))
    assert "could not renew leases" in caplog.text


class Clock:
    """Stands for the module time; every page but the first of a partition takes an hour."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        monkeypatch.setattr(reading, "time", self)

    def monotonic(self) -> float:
        return self._now

    def __call__(self, partition: str, page: int) -> None:
        self._now += 3600 * (page > 0)


def test_time_up_leaves_the_rest_at_the_cursor(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    vendor.data = {"user": [user(n) for n in range(6)]}
    vendor.before = Clock(monkeypatch)
    run_id = planned(mainstem, source)
    assert advance(mainstem, run_id, seconds=0)
    assert vendor.calls == []
    assert advance(mainstem, run_id, threads=1, seconds=60)
    (row,) = rows(mainstem.engine, PartitionRow)
    assert (row["state"], row["lease_token"], row["lease_until"]) == ("ready", None, None)
    assert (row["pages"], row["cursor"]["page"]) == (2, 2)
    assert not finish(mainstem, run_id)
    assert not advance(other, run_id)
    assert finish(other, run_id)
    assert vendor.asked() == {("user", n): 1 for n in range(3)}
    assert not advance(other, run_id)


def test_an_unbroken_partition_is_read_to_its_end(
    mainstem: Mainstem, source: int, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    vendor.data = {"user": [user(n) for n in range(6)]}
    vendor.unbroken = {"user"}
    vendor.before = Clock(monkeypatch)
    run_id = planned(mainstem, source)
    advance(mainstem, run_id, seconds=60)
    assert rows(mainstem.engine, PartitionRow)[0]["state"] == "done"
    assert vendor.asked() == {("user", n): 1 for n in range(3)}


def test_an_unbroken_partition_begins_at_its_start_when_it_broke(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(6)]}
    vendor.unbroken = {"user"}
    vendor.errors["user", 2] = [Retry("Acme is busy", after=0)]
    run_id = planned(mainstem, source)
    syncing.run_inline(mainstem, run_id)
    assert [vendor.asked()["user", n] for n in range(3)] == [2, 2, 2]
    assert syncing.progress(mainstem, run_id).state == "succeeded"
    assert len(emails(mainstem.engine)) == 6


# Side by side


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same time; return what they return."""
    together = threading.Barrier(len(calls))

    def call(function: Callable[[], Any]) -> Any:
        together.wait(30)
        return function()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def test_no_more_partitions_are_claimed_than_the_plugin_allows(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {f"user/{n}": [user(n)] for n in range(8)}
    run_id = planned(mainstem, source)
    claims = [lambda system=system: claim(system, run_id, uuid4(), 3) for system in (mainstem, other) * 4]
    claimed = [row["id"] for row in at_once(*claims) if row]
    assert len(claimed) == len(set(claimed)) == 3
    lapse(mainstem)
    assert claim(mainstem, run_id, uuid4(), 3) is not None


def test_two_processes_share_a_run_and_its_limit(mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor):
    at_work, most, lock, two = 0, 0, threading.Lock(), threading.Event()
    sync = Vendor.sync

    class Watched(Vendor):
        @hookimpl
        def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
                if at_work == 2:
                    two.set()
            assert two.wait(30)
            try:
                return sync(self, account, partition, cursor)
            finally:
                with lock:
                    at_work -= 1

    watched = Watched(max_parallel=2)
    watched.data = {f"user/{n}": [user(n * 10 + m) for m in range(6)] for n in range(8)}
    first, second = (replace(system, host=Host([watched])) for system in (mainstem, other))
    run_id = planned(first, source)

    def work(system: Mainstem) -> None:
        while not finish(system, run_id) and syncing.progress(system, run_id).state == "running":
            advance(system, run_id)

    at_once(lambda: work(first), lambda: work(second))
    assert most == 2
    assert set(watched.asked().values()) == {1}
    assert counts(syncing.progress(first, run_id))["user"] == {"read": 48, "created": 48}


def test_who_had_to_wait_goes_on_while_others_read(mainstem: Mainstem, source: int, vendor: Vendor):
    done = threading.Event()

    def before(partition: str, page: int) -> None:
        if partition == "user/b":
            assert done.wait(30)
        elif page == 2:
            done.set()

    vendor.data = {"user/a": [user(n) for n in range(6)], "user/b": [user(9)]}
    vendor.before = before
    vendor.errors["user/a", 1] = [Retry("Acme is busy", after=0.2)]
    run_id = planned(mainstem, source)
    assert not advance(mainstem, run_id, threads=2)
    assert {row["state"] for row in rows(mainstem.engine, PartitionRow)} == {"done"}


def test_of_two_planners_one_plans(mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    run_id = syncing.start(mainstem, source)
    assert sorted(at_once(lambda: plan(mainstem, run_id), lambda: plan(other, run_id))) == [False, True]
    assert len(vendor.scopes) == 1
    assert len(rows(mainstem.engine, PartitionRow)) == 1
    assert not plan(mainstem, run_id)


@pytest.mark.parametrize("error", [None, Retry("busy", after=300), Refused("no"), Reauthorise("dead"), KeyError("bug")])
def test_a_late_planner_changes_nothing(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor, error: Exception | None
):
    class Slow(Vendor):
        @hookimpl
        def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
            gate("", 0)
            if error:
                raise error
            return [Partition("user")]

    gate = Gate(0)
    vendor.data = {"user": [user(1)], "firm": []}
    slow = replace(mainstem, host=Host([Slow()]))
    run_id = syncing.start(mainstem, source)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(plan, slow, run_id)
        gate.wait()
        lapse(mainstem, RUN)
        assert plan(other, run_id)
        if isinstance(error, Reauthorise):
            reconnect(mainstem, source, "ann")
        gate.open()
        assert not late.result()
    (run,) = rows(mainstem.engine, Run)
    assert (run["state"], run["error"], run["not_before"], run["attempts"]) == ("running", None, None, 0)
    assert len(rows(mainstem.engine, PartitionRow)) == 2
    assert vendor.finished == []


def test_a_planner_gives_a_sign_of_life(
    mainstem: Mainstem, source: int, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    renewed: list[Any] = []
    beating = threading.Event()

    def renew(mainstem: Mainstem, table: Any, token: Any) -> None:
        renewed.append(table)
        beating.set()

    class Slow(Vendor):
        @hookimpl
        def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
            assert beating.wait(30)
            return []

    monkeypatch.setattr(leases, "renew", renew)
    settings = replace(mainstem.settings, lease_seconds=0.04)
    run_id = syncing.start(mainstem, source)
    plan(replace(mainstem, host=Host([Slow()]), settings=settings), run_id)
    assert set(renewed) == {RUN}


def test_of_two_who_end_a_run_one_tells(mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    run_id = planned(mainstem, source)
    advance(mainstem, run_id)
    assert sorted(at_once(lambda: finish(mainstem, run_id), lambda: finish(other, run_id))) == [False, True]
    assert len(vendor.finished) == 1


def test_ending_and_disconnecting_do_not_wait_for_each_other(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor
):
    for _ in range(10):
        reconnect(mainstem, source, "ann")
        run_id = planned(mainstem, source)
        at_once(partial(finish, mainstem, run_id), partial(disconnect, other, source, "ann"))
        run = rows(mainstem.engine, Run, RUN.c.id == run_id)[0]
        assert run["state"] in ("succeeded", "cancelled")
        assert rows(mainstem.engine, DataSource)[0]["state"] == "disconnected"


def test_a_disconnect_waits_for_the_page_that_is_being_written(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {"user": [user(n) for n in range(6)]}
    run_id = planned(mainstem, source)
    disconnected = threading.Event()
    stopper = ThreadPoolExecutor(1)

    def there_after_disconnect() -> list[str]:
        disconnect(other, source, "ann")
        return emails(other.engine)

    def stop(*args: Any) -> None:
        if args[2].startswith("UPDATE partition SET cursor") and not stopping:
            stopping.append(stopper.submit(there_after_disconnect))
            stopping[0].add_done_callback(lambda future: disconnected.set())
            # With nothing to hold it up it would be done by far.
            assert not disconnected.wait(0.3)

    stopping: list[Any] = []
    event.listen(mainstem.engine, "before_cursor_execute", stop)
    advance(mainstem, run_id)
    there = stopping[0].result()
    stopper.shutdown()
    assert syncing.progress(mainstem, run_id).state == "cancelled"
    assert {"u0@example.com", "u1@example.com"} <= set(there)
    assert emails(mainstem.engine) == there


def test_a_data_source_deleted_while_it_is_read_stays_so(
    mainstem: Mainstem, other: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {"user": [user(n) for n in range(6)]}
    gate = vendor.before = Gate(1)
    run_id = planned(mainstem, source)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(advance, mainstem, run_id)
        gate.wait()
        for action in (disconnect, archive, delete):
            action(other, source, "ann")
        there = emails(other.engine)
        gate.open()
        late.result()
    assert emails(other.engine) == there
    assert not finish(mainstem, run_id)
    assert not plan(mainstem, run_id)
    assert not advance(mainstem, run_id)
    again = connect(other, "acme", CONFIG, "ann")
    run(other, again)
    assert len(emails(other.engine)) == 6


def test_a_page_read_while_the_run_paused_is_left_to_whoever_goes_on(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user/a": [user(1), user(2), user(3)], "user/b": [user(4)]}
    gate = Gate(1)

    def before(partition: str, page: int) -> None:
        if partition == "user/b":
            gate.wait()
            wait_for_pages(mainstem, 1)
        else:
            gate(partition, page)

    vendor.before = before
    vendor.errors["user/b", 0] = [Reauthorise("dead")]
    run_id = planned(mainstem, source)
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(advance, mainstem, run_id)
        while syncing.progress(mainstem, run_id).state == "running":
            threading.Event().wait(0.01)
        gate.open()
        assert working.result()
    assert [row["lease_token"] for row in rows(mainstem.engine, PartitionRow)] == [None, None]
    assert emails(mainstem.engine) == ["u1@example.com", "u2@example.com"]
    reconnect(mainstem, source, "ann")
    syncing.run_inline(mainstem, run_id)
    assert len(emails(mainstem.engine)) == 4
    assert syncing.progress(mainstem, run_id).state == "succeeded"


# The database


def break_once(mainstem: Mainstem, page: int) -> None:
    """Let the connection die when the checkpoint of a page is about to be written."""
    seen: list[str] = []

    def die(connection: Any, cursor: Any, statement: str, *args: Any) -> None:
        if not statement.startswith("UPDATE partition SET cursor"):
            return
        seen.append(statement)
        if len(seen) != page:
            return
        if connection.dialect.name == "sqlite":
            raise sqlite3.OperationalError("disk I/O error")
        with psycopg.connect(mainstem.engine.url.render_as_string(False).replace("+psycopg", "")) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (cursor.connection.info.backend_pid,))

    event.listen(mainstem.engine, "before_cursor_execute", die)


def test_a_database_that_goes_away_leaves_nothing_half_written(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(6)]}
    run_id = planned(mainstem, source)
    break_once(mainstem, 2)
    with pytest.raises((OperationalError, sqlite3.OperationalError)):
        advance(mainstem, run_id)
    assert emails(mainstem.engine) == ["u0@example.com", "u1@example.com"]
    (row,) = rows(mainstem.engine, PartitionRow)
    assert (row["state"], row["pages"], row["cursor"]["page"]) == ("ready", 1, 1)
    lapse(mainstem)
    syncing.run_inline(mainstem, run_id)
    done = syncing.progress(mainstem, run_id)
    assert counts(done)["user"] == {"read": 6, "created": 6}
    assert rows(mainstem.engine, PartitionRow)[0]["pages"] == 3


def test_one_threads_trouble_with_the_database_stops_the_others(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user/a": [user(n) for n in range(600)], "user/b": [user(1000)]}
    run_id = planned(mainstem, source)
    break_once(mainstem, 3)
    with pytest.raises((OperationalError, sqlite3.OperationalError)):
        advance(mainstem, run_id)
    assert "ready" in [row["state"] for row in rows(mainstem.engine, PartitionRow)]
    assert len(vendor.calls) < 100


def _interrupt() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def test_an_interrupt_ends_after_the_page_at_hand(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(600)]}
    arrived = threading.Event()

    def interrupt(*args: Any) -> None:
        arrived.set()
        raise KeyboardInterrupt

    def before(partition: str, page: int) -> None:
        if page == 1:
            _interrupt()
            # On a busy machine all pages could be read before this process takes notice.
            arrived.wait(30)

    vendor.before = before
    run_id = planned(mainstem, source)
    usual = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            advance(mainstem, run_id, threads=1)
    finally:
        signal.signal(signal.SIGINT, usual)
    (row,) = rows(mainstem.engine, PartitionRow)
    assert (row["state"], row["lease_token"]) == ("ready", None)
    assert len(emails(mainstem.engine)) == 2 * row["pages"] < 600


def test_waiting_inline_looks_at_who_else_is_at_it(
    mainstem: Mainstem, source: int, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    naps: list[float] = []
    vendor.data = {"user": [user(1)]}

    def nap(seconds: float) -> None:
        naps.append(seconds)
        lapse(mainstem, RUN if len(naps) == 1 else PARTITION)

    monkeypatch.setattr("core.services.syncing.time.sleep", nap)
    run_id = syncing.start(mainstem, source)
    with writing(mainstem.engine) as connection:
        connection.execute(RUN.update().values(lease_token=uuid4(), lease_until=now_utc() + timedelta(minutes=5)))
    syncing.run_inline(mainstem, run_id)
    assert naps[0] == 5.0
    assert syncing.progress(mainstem, run_id).state == "succeeded"
