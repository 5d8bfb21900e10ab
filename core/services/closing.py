"""A run ends: say how it went, remember what has been read completely, and set the time of the next one."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from core.contract.types import Manifest
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.services.horizons import horizons, longer_past
from core.services.mainstem import Mainstem
from core.services.progress import progress
from core.services.retention import EVERY as SWEEP_EVERY
from core.services.sources import SOURCE, config_of, now_utc, renewed, schedule

RUN, PARTITION = table_of(Run), table_of(PartitionRow)

CHECK_EVERY = timedelta(days=1)

log = logging.getLogger("mainstem.sync")


def close(mainstem: Mainstem, run_id: int, token: UUID, report: Mapping[str, Any], requests: int) -> bool:
    """End a run all of whose partitions are finished, and remember what has been read completely.

    Args:
        mainstem: The system.
        run_id: The run.
        token: Of the lease that the caller has on it.
        report: What was found at its end; see :mod:`core.services.finishing`.
        requests: How many it took to find that.

    Returns:
        Whether this call ended it; it may have been stopped meanwhile.
    """
    with writing(mainstem.engine) as connection:
        source, run = _lock(connection, run_id)
        of_run = select(PARTITION).where(PARTITION.c.run_id == run_id).order_by(PARTITION.c.id)
        partitions = connection.execute(of_run).mappings().all()
        if run["state"] != "running" or run["lease_token"] != token:
            return False
        told = {"report": dict(report), "requests": RUN.c.requests + requests}
        connection.execute(RUN.update().where(RUN.c.id == run_id).values(told))
        state, error = _outcome(partitions, run["scope"].get("no_teams"))
        _end(mainstem, connection, source, run, state, error, _read_completely(run, partitions))
        if report.get("reread"):
            queue(connection, source["id"], "full", report["reread"])
    _tell(mainstem, run_id, source["plugin"])
    return True


def queue(connection: Connection, source_id: int, kind: str, objects: Iterable[str] | None = None) -> int:
    """Queue a run, and return its id.

    Args:
        connection: A write transaction that holds the data source.
        source_id: The data source, without an unfinished run.
        kind: See :class:`core.db.models.Run`.
        objects: Read these alone; None for all that are selected.
    """
    connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(next_sync_at=None))
    scope = {} if objects is None else {"objects": list(objects)}
    row = {"source_id": source_id, "kind": kind, "state": "queued", "scope": scope, "created_at": now_utc()}
    return int(connection.execute(RUN.insert().returning(RUN.c.id), row).scalar_one())


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
    manifest, config = mainstem.host.manifest(source["plugin"]), config_of(mainstem, source)
    read_from = {**source["read_from"], **_read_from(run, manifest, since)}
    longer = set(longer_past(read_from, horizons(config, manifest, now), manifest))
    longer -= {*run["scope"].get("past", ()), *run["scope"].get("anew", ())}
    later = schedule(mainstem, source, now)
    if left.keys() - _renewed(source, run) or (longer & since.keys()):
        # It was asked for while this run was at work.
        later = now
    connection.execute(
        SOURCE.update()
        .where(SOURCE.c.id == source["id"])
        .values(
            since={**source["since"], **since},
            renew=left,
            read_from=read_from,
            next_sync_at=later,
            next_sweep_at=source["next_sweep_at"] or now + SWEEP_EVERY,
            next_check_at=source["next_check_at"] or now + CHECK_EVERY,
        )
    )


def _renewed(source: RowMapping, run: RowMapping) -> frozenset[str]:
    return renewed(source, run["started_at"]) if run["started_at"] else frozenset()


def _read_from(run: RowMapping, manifest: Manifest, complete: Container[str]) -> dict[str, str | None]:
    """Return from when on activities are here, by type, of the objects that were read as far back as is wanted."""
    scope = run["scope"]
    read = {key for key in (*scope.get("whole", ()), *scope.get("past", ())) if key in complete}
    return {spec.key: scope["horizons"][spec.key] for spec in manifest.activities if spec.object in read}


def _tell(mainstem: Mainstem, run_id: int, plugin: str) -> None:
    found = progress(mainstem, run_id)
    log.info("run ended: %s", found.state, extra={"run": run_id, "source": found.source_id})
    mainstem.host.tell("run_finished", run=found.told(plugin))


def _outcome(partitions: Iterable[RowMapping], no_teams: str | None) -> tuple[str, str | None]:
    rows = list(partitions)
    failed = [row for row in rows if row["state"] == "failed"]
    rejected = any(
        counts.get("rejected") or counts.get("incomplete") for row in rows for counts in row["counts"].values()
    )
    wrong = [f"teams: {no_teams}"] if no_teams else []
    wrong += [f"{row['object']}: {row['error']}" for row in failed]
    errors = "; ".join(dict.fromkeys(wrong)) or None
    if failed and len(failed) == len(rows):
        return "failed", errors
    return ("partial" if wrong or rejected else "succeeded"), errors


def _read_completely(run: RowMapping, partitions: Iterable[RowMapping]) -> dict[str, str]:
    """Return the objects of which every partition was read, each with the moment up to which it is known now.

    That is the start of the run, not the last change seen: what changed while pages went by is read again.
    """
    states: dict[str, set[str]] = {}
    for row in partitions:
        states.setdefault(row["object"], set()).add(row["state"])
    started: datetime = run["started_at"]
    return {key: started.isoformat() for key, found in states.items() if found == {"done"}}
