"""Runs: begin one, follow it, end it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import select, union_all

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.services.closing import CHECK_EVERY, queue
from core.services.errors import Conflict
from core.services.finishing import finish
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.progress import ObjectProgress, RunProgress, latest, progress
from core.services.sources import SOURCE, described, get_source, now_utc

__all__ = ["ObjectProgress", "RunProgress", "latest", "progress", "run_inline", "start"]

RUN, PARTITION = table_of(Run), table_of(PartitionRow)
UNFINISHED = ("queued", "running", "paused")
_SHORTEST_NAP, _LONGEST_NAP = 0.05, 5.0


def start(mainstem: Mainstem, source_id: int, full: bool = False, *, reconcile: bool = False) -> int:
    """Begin a run; it is planned and read by whoever comes first.

    Args:
        mainstem: The system.
        source_id: A connected data source.
        full: Read everything again, not only what changed.
        reconcile: Look again at what changed since this was done last, compare with the vendor's counts, and report
            what had been missed.

    Returns:
        The id of the run; of the unfinished one, if there is one.

    Raises:
        Conflict: The data source is not connected.
    """
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id, lock=True)
        if source["state"] != "connected":
            raise Conflict(f"{described(source)}: reconnect it first")
        unfinished = select(RUN.c.id).where(RUN.c.source_id == source_id, RUN.c.state.in_(UNFINISHED))
        running = connection.scalar(unfinished)
        if running is not None:
            connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(next_sync_at=None))
            return int(running)
        if reconcile:
            later = SOURCE.update().where(SOURCE.c.id == source_id).values(next_check_at=now_utc() + CHECK_EVERY)
            connection.execute(later)
        lesser = "reconciliation" if reconcile else "incremental"
        return queue(connection, source_id, "full" if full else (lesser if source["since"] else "initial"))


def run_inline(mainstem: Mainstem, run_id: int, on_progress: Callable[[], None] | None = None) -> None:
    """Do all the work of a run in this process, waiting where the vendor wants it; no queue is needed.

    It ends when the run is finished, or paused because the credentials died.
    """
    while (state := _state(mainstem, run_id)) in ("queued", "running"):
        if state == "queued":
            plan(mainstem, run_id)
        else:
            advance(mainstem, run_id, on_page=on_progress)
        if not finish(mainstem, run_id):
            _nap_until_due(mainstem, run_id)


def _state(mainstem: Mainstem, run_id: int) -> str:
    with mainstem.engine.connect() as connection:
        return str(connection.execute(select(RUN.c.state).where(RUN.c.id == run_id)).scalar_one())


def _nap_until_due(mainstem: Mainstem, run_id: int) -> None:
    """Sleep until something of the run may be tried again, a few seconds at most."""
    ready = (PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
    moments = union_all(
        select(RUN.c.not_before, RUN.c.lease_until).where(RUN.c.id == run_id, RUN.c.state == "queued"),
        select(PARTITION.c.not_before, PARTITION.c.lease_until).where(*ready),
    )
    now = now_utc()
    with mainstem.engine.connect() as connection:
        due = [max((moment for moment in row if moment), default=now) for row in connection.execute(moments)]
    wait = (min(due, default=now) - now).total_seconds()
    time.sleep(min(max(wait, _SHORTEST_NAP), _LONGEST_NAP))
