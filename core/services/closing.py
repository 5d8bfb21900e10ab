"""A run ends: say how it went, remember what has been read completely, and set the time of the next one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.services.counting import recount
from core.services.mainstem import Mainstem
from core.services.progress import progress
from core.services.retention import EVERY as SWEEP_EVERY
from core.services.sources import SOURCE, now_utc, renewed

RUN, PARTITION = table_of(Run), table_of(PartitionRow)

log = logging.getLogger("mainstem.sync")


def close(mainstem: Mainstem, run_id: int) -> bool:
    """End a run all of whose partitions are finished, and remember what has been read completely.

    Returns:
        Whether this call ended it; another one may have, or work is left.
    """
    with writing(mainstem.engine) as connection:
        source, run = _lock(connection, run_id)
        of_run = select(PARTITION).where(PARTITION.c.run_id == run_id).order_by(PARTITION.c.id)
        partitions = connection.execute(of_run).mappings().all()
        if run["state"] != "running" or any(row["state"] == "ready" for row in partitions):
            return False
        state, error = _outcome(partitions)
        _end(mainstem, connection, source, run, state, error, _read_completely(run, partitions))
    recount(mainstem, source["id"])
    _tell(mainstem, run_id, source["plugin"])
    return True


def give_up(mainstem: Mainstem, run_id: int, token: UUID, error: str) -> None:
    """End a run that ``token`` failed to plan, unless it is somebody else's by now."""
    with writing(mainstem.engine) as connection:
        source, run = _lock(connection, run_id)
        if run["state"] != "queued" or run["lease_token"] != token:
            return
        _end(mainstem, connection, source, run, "failed", error, {})
    _tell(mainstem, run_id, source["plugin"])


def _lock(connection: Connection, run_id: int) -> tuple[RowMapping, RowMapping]:
    """Lock a run and its data source, which always comes first, so that nobody waits for each other."""
    of_run = select(RUN.c.source_id).where(RUN.c.id == run_id).scalar_subquery()
    source = connection.execute(select(SOURCE).where(SOURCE.c.id == of_run).with_for_update()).mappings().one()
    run = connection.execute(select(RUN).where(RUN.c.id == run_id).with_for_update()).mappings().one()
    return source, run


def _end(
    mainstem: Mainstem,
    connection: Connection,
    source: RowMapping,
    run: RowMapping,
    state: str,
    error: str | None,
    since: Mapping[str, str],
) -> None:
    now = now_utc()
    ended = {"state": state, "finished_at": now, "error": error, "lease_token": None, "lease_until": None}
    connection.execute(RUN.update().where(RUN.c.id == run["id"]).values(ended))
    left = {
        key: asked for key, asked in source["renew"].items() if key not in since or key not in _renewed(source, run)
    }
    later = now + timedelta(minutes=mainstem.host.manifest(source["plugin"]).resync_minutes)
    if left.keys() - _renewed(source, run):
        # It was asked for while this run was at work.
        later = now
    connection.execute(
        SOURCE.update()
        .where(SOURCE.c.id == source["id"])
        .values(
            since={**source["since"], **since},
            renew=left,
            next_sync_at=later,
            next_sweep_at=source["next_sweep_at"] or now + SWEEP_EVERY,
        )
    )


def _renewed(source: RowMapping, run: RowMapping) -> frozenset[str]:
    return renewed(source, run["started_at"]) if run["started_at"] else frozenset()


def _tell(mainstem: Mainstem, run_id: int, plugin: str) -> None:
    found = progress(mainstem, run_id)
    log.info("run ended: %s", found.state, extra={"run": run_id, "source": found.source_id})
    mainstem.host.tell("run_finished", run=found.told(plugin))


def _outcome(partitions: Iterable[RowMapping]) -> tuple[str, str | None]:
    rows = list(partitions)
    failed = [row for row in rows if row["state"] == "failed"]
    rejected = any(counts.get("rejected") for row in rows for counts in row["counts"].values())
    errors = "; ".join(dict.fromkeys(f"{row['object']}: {row['error']}" for row in failed)) or None
    if failed and len(failed) == len(rows):
        return "failed", errors
    return ("partial" if failed or rejected else "succeeded"), errors


def _read_completely(run: RowMapping, partitions: Iterable[RowMapping]) -> dict[str, str]:
    """Return the objects of which every partition was read, each with the moment up to which it is known now.

    That is the start of the run, not the last change seen: what changed while pages went by is read again.
    """
    states: dict[str, set[str]] = {}
    for row in partitions:
        states.setdefault(row["object"], set()).add(row["state"])
    started: datetime = run["started_at"]
    return {key: started.isoformat() for key, found in states.items() if found == {"done"}}
