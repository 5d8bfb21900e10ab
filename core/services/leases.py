"""Leases: the database tells who works at a run or a partition, and from when on somebody else may.

A row that can be leased has ``lease_token`` and ``lease_until``. Whoever holds the token may write; a holder that dies
stops renewing, and is followed by another one after :attr:`core.config.Settings.lease_seconds`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Table, func, or_, select

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition, Run
from core.services.mainstem import Mainstem
from core.services.sources import now_utc

PARTITION, RUN = table_of(Partition), table_of(Run)

log = logging.getLogger("mainstem.sync")


def lease_end(mainstem: Mainstem, now: datetime) -> datetime:
    """Return until when a lease taken or renewed at ``now`` holds."""
    return now + timedelta(seconds=mainstem.settings.lease_seconds)


def is_free(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody works at a row of ``table``."""
    return or_(table.c.lease_until.is_(None), table.c.lease_until < now)


def is_due(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a row of ``table`` may be tried again by now."""
    return or_(table.c.not_before.is_(None), table.c.not_before <= now)


@contextmanager
def heartbeat(mainstem: Mainstem, table: Table, token: UUID) -> Iterator[None]:
    """Renew the leases that ``token`` holds in ``table`` until the block ends, or this process dies."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(mainstem.settings.lease_seconds / 4):
            try:
                renew(mainstem, table, token)
            except Exception:
                # The database may be away for a while; if it is away for long, the lease lapses, which harms nothing.
                log.exception("could not renew leases")

    thread = threading.Thread(target=beat, name=f"heartbeat-{table.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def renew(mainstem: Mainstem, table: Table, token: UUID) -> None:
    """Renew the leases that ``token`` holds in ``table``."""
    with writing(mainstem.engine) as connection:
        until = lease_end(mainstem, now_utc())
        connection.execute(table.update().where(table.c.lease_token == token).values(lease_until=until))


def claim(mainstem: Mainstem, run_id: int, token: UUID, limit: int) -> RowMapping | None:
    """Lease a partition of a run that nobody is at, unless ``limit`` of them are being read already.

    Returns:
        Its row, or None when there is none to be had.
    """
    with writing(mainstem.engine) as connection:
        # One claim at a time: two that count together would both find room for one more.
        running = select(RUN.c.id).where(RUN.c.id == run_id, RUN.c.state == "running").with_for_update()
        if connection.scalar(running) is None:
            return None
        now = now_utc()
        leased = select(func.count()).where(PARTITION.c.run_id == run_id, PARTITION.c.lease_until >= now)
        if (connection.scalar(leased) or 0) >= limit:
            return None
        ready = (PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
        free = select(PARTITION).where(*ready, is_free(PARTITION, now), is_due(PARTITION, now))
        row = connection.execute(free.order_by(PARTITION.c.id).limit(1).with_for_update()).mappings().one_or_none()
        if row is None:
            return None
        connection.execute(
            PARTITION.update()
            .where(PARTITION.c.id == row["id"])
            .values(lease_token=token, lease_until=lease_end(mainstem, now))
        )
    # A reader that may not pause has lost its place by now.
    return {**row, "cursor": row["start"]} if row["unbroken"] else row  # type: ignore[return-value]


def release(mainstem: Mainstem, partition_id: int, token: UUID, **changes: Any) -> None:
    """Let others have a partition, if it is still held by ``token``."""
    with writing(mainstem.engine) as connection:
        connection.execute(
            PARTITION.update()
            .where(PARTITION.c.id == partition_id, PARTITION.c.lease_token == token)
            .values(lease_token=None, lease_until=None, **changes)
        )
