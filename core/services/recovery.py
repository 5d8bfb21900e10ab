"""What is done about the errors that plugins raise."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select

from core.contract.errors import Reauthorise, Restart, Retry, SourceError
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition, Run
from core.host import PluginMissing
from core.services.leases import release
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, now_utc

RUN, PARTITION = table_of(Run), table_of(Partition)
LONGEST_WAIT = 900.0
ATTEMPTS = 10
RESTARTS = 3

log = logging.getLogger("mainstem.sync")


def wait_seconds(error: Retry, attempts: int) -> float:
    """Return how long to wait before the next attempt: what the vendor said, else exponential with jitter."""
    if error.after is not None:
        return min(max(error.after, 0.0), LONGEST_WAIT)
    return min(2.0**attempts, LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads retries, no secret


def needs_attention(mainstem: Mainstem, source_id: int, error: str, connected_at: datetime | None = None) -> None:
    """Stop a data source whose credentials are dead until an admin reconnects it.

    Args:
        mainstem: The system.
        source_id: The data source.
        error: What is wrong, for the admin.
        connected_at: When the credentials were given that are dead; later ones are not meant.
    """
    theirs = [SOURCE.c.id == source_id, SOURCE.c.state == "connected"]
    if connected_at is not None:
        theirs.append(SOURCE.c.connected_at == connected_at)
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().where(*theirs).values(state="needs_attention", error=error))


@contextmanager
def needing_plugin(mainstem: Mainstem, run_id: int) -> Iterator[None]:
    """Pause a run whose plugin turns out to be gone inside the block, which ends there."""
    try:
        yield
    except PluginMissing as error:
        with mainstem.engine.connect() as connection:
            run_of = select(RUN.c.source_id).where(RUN.c.id == run_id).scalar_subquery()
            source = connection.execute(select(SOURCE).where(SOURCE.c.id == run_of)).mappings().one()
        pause(mainstem, source, run_id, f"Its plugin is missing ({error}): install it, then reconnect")


def pause(mainstem: Mainstem, source: RowMapping, run_id: int, error: str) -> None:
    """Stop a run whose data source has lost its credentials; it goes on from there after reconnecting.

    Nothing is stopped if the data source has been reconnected since ``source`` was read: the error was about the
    credentials of before.
    """
    with writing(mainstem.engine) as connection:
        same = (SOURCE.c.id == source["id"], SOURCE.c.connected_at == source["connected_at"])
        stopped = connection.execute(
            SOURCE.update()
            .where(*same, SOURCE.c.state.in_(("connected", "needs_attention")))
            .values(state="needs_attention", error=error)
        )
        if stopped.rowcount == 1:
            connection.execute(
                RUN.update()
                .where(RUN.c.id == run_id, RUN.c.state.in_(("queued", "running")))
                .values(state="paused", error=error, lease_token=None, lease_until=None)
            )


def recover(
    mainstem: Mainstem, source: RowMapping, partition_id: int, token: UUID, error: SourceError
) -> datetime | None:
    """Do what an error asks for: wait, begin again, get an admin, or give this partition up.

    Returns:
        When it may be tried again, if it has to wait.
    """
    with mainstem.engine.connect() as connection:
        row = connection.execute(select(PARTITION).where(PARTITION.c.id == partition_id)).mappings().one()
    attempts, restarts = row["attempts"] + 1, row["restarts"] + 1
    waits = isinstance(error, Retry) and attempts < ATTEMPTS
    level = logging.INFO if waits else logging.WARNING
    log.log(level, "%s", error, extra={"run": row["run_id"], "partition": partition_id})
    if isinstance(error, Reauthorise):
        # In this order: once it is released, another thread would claim it and ask with the dead credentials again.
        pause(mainstem, source, row["run_id"], str(error))
        release(mainstem, partition_id, token, error=str(error))
    elif isinstance(error, Retry) and attempts < ATTEMPTS:
        later = now_utc() + timedelta(seconds=wait_seconds(error, attempts))
        release(mainstem, partition_id, token, error=str(error), attempts=attempts, not_before=later)
        return later
    elif isinstance(error, Restart) and restarts <= RESTARTS:
        release(mainstem, partition_id, token, error=str(error), restarts=restarts, cursor=row["start"])
    else:
        release(mainstem, partition_id, token, state="failed", error=str(error))
    return None
