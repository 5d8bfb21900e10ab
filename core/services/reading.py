"""One process at work on one run: claim a partition, read it page by page, write each page with its cursor."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.contract.errors import Reauthorise, SourceError
from core.contract.types import Account, Cursor, Page, Partition, Ref
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.pipeline.apply import Counts, apply_shaped, summed
from core.pipeline.policy import Policy
from core.pipeline.shape import Batch, Shaper
from core.services.accounts import CountingSession
from core.services.leases import claim, lease_end, release
from core.services.mainstem import Mainstem
from core.services.recovery import recover
from core.services.sources import now_utc
from core.services.vanished import note_seen, refs_in

PARTITION, RUN = table_of(PartitionRow), table_of(Run)
_LOOK_SECONDS = 1.0
_WRITERS = 3
"""How many pages one process writes at a time. While one waits for the database, others use the processor; more than
these only pass Python's one lock around, which took a fifth of the processor time, with transactions open meanwhile."""

log = logging.getLogger("mainstem.sync")


class LeaseLost(Exception):
    """Somebody else has the partition, or the run was stopped: what was read must not be written."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A page that waits to be written: what the vendor sent is gone by then, only what is kept of it takes memory."""

    page: Page
    batch: Batch
    seen: Collection[Ref]


class Reader:
    """One process at work on one run; all its partitions are leased by one token."""

    def __init__(
        self,
        mainstem: Mainstem,
        run: RowMapping,
        source: RowMapping,
        account: Account,
        policy: Policy,
        seconds: float | None,
        on_page: Callable[[], None] | None,
    ) -> None:
        self._mainstem = mainstem
        self._run_id = run["id"]
        self._is_full = run["kind"] == "full"
        self._sought = frozenset(run["scope"].get("sought", ()))
        self._source = source
        self._account = account
        self.policy = policy
        self._shaper = Shaper(policy)
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._on_page = on_page or (lambda: None)
        self._stopped = threading.Event()
        self._reading = 0
        self._again_at: datetime | None = None
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_WRITERS)
        self.token = uuid4()
        self.work_left = False

    def stop(self) -> None:
        """Let every thread end after the page at hand."""
        self._stopped.set()

    def work(self) -> None:
        """Claim and read partitions until none is left or time is up.

        While some thread reads, the others stay for a partition that had to be left for a while.
        """
        while not self._must_stop():
            row = claim(self._mainstem, self._run_id, self.token, self.policy.manifest.max_parallel)
            if row is not None:
                with self._counted():
                    self._read_to_end(row)
            elif self._reading and (again_at := self._again_at) is not None:
                self._wait_for(again_at)
            else:
                return

    def _wait_for(self, again_at: datetime) -> None:
        """Wait until a partition is due, though not for long: somebody else may be done with another one by then."""
        seconds = (again_at - now_utc()).total_seconds()
        if seconds > 0:
            self._stopped.wait(min(seconds, _LOOK_SECONDS))
        elif self._again_at == again_at:
            # It may have become due since the claim: one more look, and no more if another process has it.
            self._again_at = None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._reading += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading -= 1

    def _must_stop(self) -> bool:
        if not self._stopped.is_set() and (self._deadline is None or time.monotonic() < self._deadline):
            return False
        self.work_left = True
        return True

    def _read_to_end(self, row: RowMapping) -> None:
        """Read a partition, or do what its error asks for."""
        try:
            self._read(row)
        except LeaseLost:
            log.info("left a partition to others", extra={"run": self._run_id, "partition": row["id"]})
            release(self._mainstem, row["id"], self.token)
        except SourceError as error:
            if isinstance(error, Reauthorise):
                self.stop()
            again_at = recover(self._mainstem, self._source, row["id"], self.token, error)
            self._again_at = again_at or self._again_at
        except Exception as error:
            if _is_ours(error):
                self.stop()
                raise
            log.exception("a partition failed", extra={"run": self._run_id, "partition": row["id"]})
            text = f"{type(error).__name__}: {error}"[:2_000]
            release(self._mainstem, row["id"], self.token, state="failed", error=text)

    def _read(self, row: RowMapping) -> None:
        """Read a partition; the next page is fetched while the last one is written."""
        partition = Partition(row["object"], row["key"], row["start"], row["unbroken"])
        progress = dict(row)
        with ThreadPoolExecutor(1, thread_name_prefix=f"fetch-{row['id']}") as fetcher:
            coming: Future[_Fetched] = fetcher.submit(self._fetch, partition, row["cursor"])
            while True:
                fetched = coming.result()
                page = fetched.page
                last = page.next is None
                goes_on = not last and (not self._must_stop() or (partition.unbroken and not self._stopped.is_set()))
                if goes_on:
                    coming = fetcher.submit(self._fetch, partition, page.next)
                with self._turns:
                    self._write(progress, fetched, release=not goes_on)
                self._tell()
                if not goes_on:
                    return

    def _fetch(self, partition: Partition, cursor: Cursor) -> _Fetched:
        plugin = self._mainstem.host.source(self._account.plugin)
        page = plugin.sync(account=self._account, partition=partition, cursor=cursor)
        seen = refs_in(page) if self._is_full or partition.object in self._sought else ()
        return _Fetched(replace(page, records=()), self._shaper.shape(page), seen)

    def _write(self, progress: dict[str, Any], fetched: _Fetched, *, release: bool) -> None:
        page = fetched.page
        policy = replace(self.policy, now=now_utc(), run_id=self._run_id)
        progress["requests"] += self._take_requests()
        progress["pages"] += 1
        progress["expected"] = page.expected if page.expected is not None else progress["expected"]

        def checkpoint(connection: Connection, counts: Counts) -> None:
            # Shared with other pages, but whoever stops the run waits for this one, and none comes after.
            running = select(RUN.c.id).where(RUN.c.id == self._run_id, RUN.c.state == "running")
            if connection.scalar(running.with_for_update(read=True)) is None:
                raise LeaseLost
            changes = {
                "cursor": page.next,
                "state": "done" if page.next is None else "ready",
                "counts": summed((progress["counts"], counts)),
                "pages": progress["pages"],
                "requests": progress["requests"],
                "expected": progress["expected"],
                "attempts": 0,
                "error": None,
                "lease_until": None if release else lease_end(self._mainstem, policy.now),
                "lease_token": None if release else self.token,
            }
            written = connection.execute(
                PARTITION.update()
                .where(PARTITION.c.id == progress["id"], PARTITION.c.lease_token == self.token)
                .values(changes)
            )
            if written.rowcount != 1:
                raise LeaseLost
            if fetched.seen:
                note_seen(connection, self._run_id, self._source["id"], fetched.seen)

        counts = apply_shaped(self._mainstem.engine, page, fetched.batch, policy, checkpoint)
        progress["counts"] = summed((progress["counts"], counts))

    def _tell(self) -> None:
        try:
            self._on_page()
        except Exception:
            log.exception("could not show progress", extra={"run": self._run_id})

    def _take_requests(self) -> int:
        assert isinstance(self._account.http, CountingSession)
        return self._account.http.take_count()

    def count_requests(self) -> None:
        """Count the requests that led to no page."""
        if count := self._take_requests():
            with writing(self._mainstem.engine) as connection:
                more = RUN.update().where(RUN.c.id == self._run_id).values(requests=RUN.c.requests + count)
                connection.execute(more)


def _is_ours(error: Exception) -> bool:
    """Tell the database's troubles, which a later attempt may not meet, from a fault in a plugin's data."""
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)
