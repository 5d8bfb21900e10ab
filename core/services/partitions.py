"""The work of a run: claim a partition, read it page by page, write each page with its cursor.

SQL is the book: whoever holds the lease of a partition may write, a death lets it lapse, and the cursor says where
to go on. Queues only ring the bell.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, exists, func, or_, select
from sqlalchemy.exc import InterfaceError, OperationalError

from core.contract.errors import Reauthorise, Restart, Retry, SourceError
from core.contract.types import Account, Cursor, Page, Partition
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.pipeline.apply import Counts, apply_page, summed
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.services.accounts import CountingSession, account_of
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.recovery import pause, wait_seconds
from core.services.sources import config_of, get_source, now_utc

PARTITION, RUN = table_of(PartitionRow), table_of(Run)
LEASE = timedelta(seconds=90)
HEARTBEAT_SECONDS = 20.0
ATTEMPTS = 10
RESTARTS = 3

log = logging.getLogger("mainstem.sync")


class LeaseLost(Exception):
    """Somebody else has the partition, or the run was stopped: what was read must not be written."""


def advance(
    mainstem: Mainstem,
    run_id: int,
    threads: int | None = None,
    seconds: float | None = None,
    on_page: Callable[[], None] | None = None,
) -> bool:
    """Work on a run: read as many of its partitions side by side as the plugin allows.

    Args:
        mainstem: The system.
        run_id: A run that is planned.
        threads: How many partitions this process reads at once; the plugin's limit by default.
        seconds: Stop after the page at hand when this long at it; None goes on until nothing is left to claim.
        on_page: Called after each page that was written.

    Returns:
        Whether time ran out with work left.
    """
    with mainstem.engine.connect() as connection:
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        if run["state"] != "running":
            return False
        source = get_source(connection, run["source_id"])
        config = config_of(mainstem, source)
        account = account_of(mainstem, source, config)
        now = now_utc()
        policy = policy_of(mainstem, connection, source, config, account, now, historical=run["kind"] != "incremental")
    deadline = None if seconds is None else time.monotonic() + seconds
    limit = mainstem.host.manifest(source["plugin"]).max_parallel
    reader = _Reader(mainstem, run_id, account, policy, deadline, limit, on_page)
    with reader.heartbeat(), ThreadPoolExecutor(max(1, min(threads or limit, limit))) as pool:
        workers = [pool.submit(reader.work) for _ in range(max(1, min(threads or limit, limit)))]
        for worker in workers:
            worker.result()
    return reader.out_of_time


class _Reader:
    """One process at work on one run; all its partitions are leased by one token."""

    def __init__(
        self,
        mainstem: Mainstem,
        run_id: int,
        account: Account,
        policy: Policy,
        deadline: float | None,
        limit: int,
        on_page: Callable[[], None] | None,
    ) -> None:
        self._mainstem = mainstem
        self._run_id = run_id
        self._account = account
        self._policy = policy
        self._shaper = Shaper(policy)
        self._deadline = deadline
        self._limit = limit
        self._on_page = on_page or (lambda: None)
        self._token = uuid4()
        self.out_of_time = False

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Keep the leases alive while a page takes long, until the work ends or this process dies."""
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(HEARTBEAT_SECONDS):
                try:
                    with writing(self._mainstem.engine) as connection:
                        connection.execute(
                            PARTITION.update()
                            .where(PARTITION.c.lease_token == self._token)
                            .values(lease_until=now_utc() + LEASE)
                        )
                except Exception:
                    log.exception("could not renew leases", extra={"run": self._run_id})

        thread = threading.Thread(target=beat, name=f"heartbeat-{self._run_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def work(self) -> None:
        """Claim and read partitions until none is left or time is up."""
        while not self._time_is_up():
            row = claim(self._mainstem, self._run_id, self._token, self._limit)
            if row is None:
                return
            self._read_to_end(row)

    def _time_is_up(self) -> bool:
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        self.out_of_time = True
        return True

    def _read_to_end(self, row: RowMapping) -> None:
        try:
            self._read(row)
        except LeaseLost:
            log.info("left a partition to others", extra={"run": self._run_id, "partition": row["id"]})
        except SourceError as error:
            recover(self._mainstem, row["id"], self._token, error)
        except Exception as error:
            log.exception("a partition failed", extra={"run": self._run_id, "partition": row["id"]})
            if _is_ours(error):
                raise
            _release(self._mainstem, row["id"], self._token, state="failed", error=f"{type(error).__name__}: {error}")

    def _read(self, row: RowMapping) -> None:
        """Read a partition; the next page is fetched while the last one is written."""
        partition = Partition(row["object"], row["key"], row["start"], row["unbroken"])
        progress = dict(row)
        with ThreadPoolExecutor(1, thread_name_prefix=f"fetch-{row['id']}") as fetcher:
            coming: Future[Page] = fetcher.submit(self._fetch, partition, row["cursor"])
            while True:
                page = coming.result()
                last = page.next is None
                goes_on = not last and (partition.unbroken or not self._time_is_up())
                if goes_on:
                    coming = fetcher.submit(self._fetch, partition, page.next)
                self._write(progress, page, release=not goes_on)
                self._on_page()
                if not goes_on:
                    return

    def _fetch(self, partition: Partition, cursor: Cursor) -> Page:
        plugin = self._mainstem.host.source(self._account.plugin)
        return plugin.sync(account=self._account, partition=partition, cursor=cursor)

    def _write(self, progress: dict[str, Any], page: Page, *, release: bool) -> None:
        policy = replace(self._policy, now=now_utc())
        assert isinstance(self._account.http, CountingSession)
        progress["requests"] += self._account.http.take_count()
        progress["pages"] += 1
        progress["expected"] = page.expected if page.expected is not None else progress["expected"]

        def checkpoint(connection: Connection, counts: Counts) -> None:
            lease = None if release else policy.now + LEASE
            changes = {
                "cursor": page.next,
                "state": "done" if page.next is None else "ready",
                "counts": summed((progress["counts"], counts)),
                "pages": progress["pages"],
                "requests": progress["requests"],
                "expected": progress["expected"],
                "attempts": 0,
                "error": None,
                "lease_until": lease,
                "lease_token": None if release else self._token,
            }
            running = exists().where(RUN.c.id == self._run_id, RUN.c.state == "running")
            written = connection.execute(
                PARTITION.update()
                .where(PARTITION.c.id == progress["id"], PARTITION.c.lease_token == self._token, running)
                .values(changes)
            )
            if written.rowcount != 1:
                raise LeaseLost

        counts = apply_page(self._mainstem.engine, page, self._shaper, policy, checkpoint)
        progress["counts"] = summed((progress["counts"], counts))


def _is_ours(error: Exception) -> bool:
    """Tell the database's troubles, which a later attempt may not meet, from a fault in a plugin's data."""
    return isinstance(error, OperationalError | InterfaceError)


def claim(mainstem: Mainstem, run_id: int, token: UUID, limit: int) -> RowMapping | None:
    """Lease a partition of a run that nobody is at, unless ``limit`` of them are being read already.

    Returns:
        Its row, or None when there is none to be had.
    """
    now = now_utc()
    free = or_(PARTITION.c.lease_until.is_(None), PARTITION.c.lease_until < now)
    due = or_(PARTITION.c.not_before.is_(None), PARTITION.c.not_before <= now)
    of_run = (PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
    while True:
        with writing(mainstem.engine) as connection:
            leased = select(func.count()).where(PARTITION.c.run_id == run_id, PARTITION.c.lease_until >= now)
            running = select(RUN.c.id).where(RUN.c.id == run_id, RUN.c.state == "running")
            if (connection.scalar(leased) or 0) >= limit or connection.scalar(running) is None:
                return None
            candidate = connection.scalar(
                select(PARTITION.c.id).where(*of_run, free, due).order_by(PARTITION.c.id).limit(1)
            )
            if candidate is None:
                return None
            claimed = connection.execute(
                PARTITION.update()
                .where(PARTITION.c.id == candidate, PARTITION.c.state == "ready", free)
                .values(lease_token=token, lease_until=now + LEASE)
            )
            if claimed.rowcount != 1:
                continue
            row = connection.execute(select(PARTITION).where(PARTITION.c.id == candidate)).mappings().one()
        # A reader that may not pause has lost its place by now.
        return {**row, "cursor": row["start"]} if row["unbroken"] else row  # type: ignore[return-value]


def recover(mainstem: Mainstem, partition_id: int, token: UUID, error: SourceError) -> None:
    """Do what an error asks for: wait, begin again, get an admin, or give this partition up."""
    with mainstem.engine.connect() as connection:
        row = connection.execute(select(PARTITION).where(PARTITION.c.id == partition_id)).mappings().one()
    log.warning("%s", error, extra={"run": row["run_id"], "partition": partition_id})
    attempts, restarts = row["attempts"] + 1, row["restarts"] + 1
    if isinstance(error, Reauthorise):
        _release(mainstem, partition_id, token, error=str(error))
        pause(mainstem, row["source_id"], row["run_id"], str(error))
    elif isinstance(error, Retry) and attempts < ATTEMPTS:
        later = now_utc() + timedelta(seconds=wait_seconds(error, attempts))
        _release(mainstem, partition_id, token, error=str(error), attempts=attempts, not_before=later)
    elif isinstance(error, Restart) and restarts <= RESTARTS:
        _release(mainstem, partition_id, token, error=str(error), restarts=restarts, cursor=row["start"])
    else:
        _release(mainstem, partition_id, token, state="failed", error=str(error))


def _release(mainstem: Mainstem, partition_id: int, token: UUID, **changes: Any) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(
            PARTITION.update()
            .where(PARTITION.c.id == partition_id, PARTITION.c.lease_token == token)
            .values(lease_token=None, lease_until=None, **changes)
        )
