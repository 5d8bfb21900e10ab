"""Runs: begin one, follow it, end it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from core.contract.types import Manifest, RunSummary
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import COUNTS, Run
from core.db.models import Partition as PartitionRow
from core.pipeline.apply import summed
from core.services.errors import Conflict, NotFound
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import SOURCE, get_source, now_utc

RUN, PARTITION = table_of(Run), table_of(PartitionRow)
UNFINISHED = ("queued", "running", "paused")
_LONGEST_NAP = 5.0

log = logging.getLogger("mainstem.sync")


def start(mainstem: Mainstem, source_id: int, full: bool = False) -> int:
    """Begin a run; it is planned and read by whoever comes first.

    Args:
        mainstem: The system.
        source_id: A connected data source.
        full: Read everything again, not only what changed.

    Returns:
        The id of the run; of the unfinished one, if there is one.

    Raises:
        Conflict: The data source is not connected.
    """
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id, lock=True)
        if source["state"] != "connected":
            raise Conflict(f"{source['name']} is {source['state'].replace('_', ' ')}: reconnect it first")
        unfinished = select(RUN.c.id).where(RUN.c.source_id == source_id, RUN.c.state.in_(UNFINISHED))
        running = connection.scalar(unfinished)
        if running is not None:
            return int(running)
        kind = "full" if full else ("incremental" if source["since"] else "initial")
        row = {"source_id": source_id, "kind": kind, "state": "queued", "scope": {}, "created_at": now_utc()}
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(next_sync_at=None))
        return int(connection.execute(RUN.insert().returning(RUN.c.id), row).scalar_one())


def run_inline(mainstem: Mainstem, run_id: int, on_progress: Callable[[], None] | None = None) -> None:
    """Do all the work of a run in this process, waiting where the vendor wants it; no queue is needed.

    It ends when the run is finished, or paused because the credentials died.
    """
    while True:
        with mainstem.engine.connect() as connection:
            run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        if run["state"] == "queued":
            plan(mainstem, run_id)
        elif run["state"] == "running":
            advance(mainstem, run_id, on_page=on_progress)
            close(mainstem, run_id)
        else:
            return
        _nap_until_due(mainstem, run_id)


def _nap_until_due(mainstem: Mainstem, run_id: int) -> None:
    """Sleep until something of the run may be tried again, a few seconds at most."""
    with mainstem.engine.connect() as connection:
        run = connection.execute(select(RUN.c.state, RUN.c.not_before).where(RUN.c.id == run_id)).one()
        due = run.not_before
        if run.state == "running":
            ready = (PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
            moments = connection.execute(select(PARTITION.c.not_before, PARTITION.c.lease_until).where(*ready)).all()
            due = min((max((m for m in row if m), default=now_utc()) for row in moments), default=None)
    if due is not None:
        time.sleep(min(max((due - now_utc()).total_seconds(), 0.0), _LONGEST_NAP))


def close(mainstem: Mainstem, run_id: int) -> bool:
    """End a run all of whose partitions are finished, and remember what has been read completely.

    Returns:
        Whether this call ended it; another one may have, or work is left.
    """
    with writing(mainstem.engine) as connection:
        run = connection.execute(select(RUN).where(RUN.c.id == run_id).with_for_update()).mappings().one()
        partitions = _partitions(connection, run_id)
        if run["state"] != "running" or any(row["state"] == "ready" for row in partitions):
            return False
        now = now_utc()
        source = get_source(connection, run["source_id"], lock=True)
        state, error = _outcome(partitions)
        connection.execute(RUN.update().where(RUN.c.id == run_id).values(state=state, finished_at=now, error=error))
        manifest = mainstem.host.manifest(source["plugin"])
        connection.execute(
            SOURCE.update()
            .where(SOURCE.c.id == source["id"])
            .values(
                since={**source["since"], **_read_completely(run, partitions)},
                next_sync_at=now + timedelta(minutes=manifest.resync_minutes),
            )
        )
    found = progress(mainstem, run_id)
    log.info("run ended: %s", found.state, extra={"run": run_id, "source": source["id"]})
    mainstem.host.tell("run_finished", run=found.told(source["plugin"]))
    return True


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


def _partitions(connection: Connection, run_id: int) -> list[RowMapping]:
    statement = select(PARTITION).where(PARTITION.c.run_id == run_id).order_by(PARTITION.c.id)
    return list(connection.execute(statement).mappings())


@dataclass(frozen=True)
class ObjectProgress:
    """How far a run is with one object.

    Attributes:
        key: Key of the object.
        label: Its name for people.
        counts: Every name of :data:`core.db.models.COUNTS`.
        expected: The vendor's own count of what there is to read, as far as it tells.
        partitions: How many parts it was split into.
        done: How many of them are finished.
        error: Why a part failed or waits.
    """

    key: str
    label: str
    counts: Mapping[str, int]
    expected: int | None
    partitions: int
    done: int
    error: str | None


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        run: Its id.
        source_id: The data source.
        kind: See :class:`core.db.models.Run`.
        state: Likewise.
        created_at: When it was asked for.
        started_at: When it was planned; None before.
        finished_at: When it ended; None before.
        requests: Requests sent to the vendor.
        seconds: From start until the end, or until now.
        error: Why it failed or waits.
        objects: By key.
    """

    run: int
    source_id: int
    kind: str
    state: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requests: int
    seconds: float
    error: str | None
    objects: Mapping[str, ObjectProgress] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Nothing more will happen by itself."""
        return self.state not in ("queued", "running")

    @property
    def read(self) -> int:
        """Records read so far."""
        return sum(item.counts["read"] for item in self.objects.values())

    @property
    def records_per_second(self) -> float:
        """Records read a second since the start."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the present rate; None when the vendor has not told how much there is."""
        items = [item for item in self.objects.values() if item.done < item.partitions]
        if self.finished or not items or not self.records_per_second or any(i.expected is None for i in items):
            return None
        left = sum(max((item.expected or 0) - item.counts["read"], 0) for item in items)
        return left / self.records_per_second

    @property
    def status(self) -> str:
        """How it ended, in the words of the command line: ``succeeded``, ``partial``, ``failed`` or ``cancelled``."""
        return "failed" if self.state == "paused" else self.state

    def summary(self) -> dict[str, Any]:
        """Return what ``sources sync --json`` prints."""
        return {
            "run": self.run,
            "status": self.status,
            "objects": {key: dict(item.counts) for key, item in self.objects.items()},
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }

    def told(self, plugin: str) -> RunSummary:
        """Return what plugins are told of a finished run."""
        return RunSummary(
            run=self.run,
            source=self.source_id,
            plugin=plugin,
            status=self.status,  # type: ignore[arg-type]
            objects={key: item.counts for key, item in self.objects.items()},
            requests=self.requests,
            seconds=self.seconds,
        )


def progress(mainstem: Mainstem, run_id: int) -> RunProgress:
    """Return how far a run is.

    Raises:
        NotFound: There is no such run.
    """
    with mainstem.engine.connect() as connection:
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one_or_none()
        if run is None:
            raise NotFound(f"There is no run {run_id}")
        plugin = connection.scalar(select(SOURCE.c.plugin).where(SOURCE.c.id == run["source_id"]))
        partitions = _partitions(connection, run_id)
    manifest = mainstem.host.manifest(plugin or "")
    started, ended = run["started_at"], run["finished_at"]
    return RunProgress(
        run=run["id"],
        source_id=run["source_id"],
        kind=run["kind"],
        state=run["state"],
        created_at=run["created_at"],
        started_at=started,
        finished_at=ended,
        requests=run["requests"] + sum(row["requests"] for row in partitions),
        seconds=((ended or now_utc()) - started).total_seconds() if started else 0.0,
        error=run["error"],
        objects=_by_object(manifest, partitions),
    )


def _by_object(manifest: Manifest, partitions: Iterable[RowMapping]) -> dict[str, ObjectProgress]:
    """Sum up partitions by object; a page may also bring records of other objects than its partition's."""
    rows = list(partitions)
    counted = summed(row["counts"] for row in rows)
    objects: dict[str, ObjectProgress] = {}
    for spec in manifest.objects:
        theirs = [row for row in rows if row["object"] == spec.key]
        if not theirs and spec.key not in counted:
            continue
        counts = counted.get(spec.key, {})
        expected = [row["expected"] for row in theirs]
        objects[spec.key] = ObjectProgress(
            key=spec.key,
            label=spec.label,
            counts={**dict.fromkeys(COUNTS, 0), **counts},
            expected=None if not expected or None in expected else sum(expected),
            partitions=len(theirs),
            done=sum(row["state"] != "ready" for row in theirs),
            error=next((row["error"] for row in theirs if row["error"]), None),
        )
    return objects


def latest(mainstem: Mainstem, source_id: int) -> RunProgress | None:
    """Return the progress of a data source's last run, or None when it has had none."""
    with mainstem.engine.connect() as connection:
        run_id = connection.scalar(select(func.max(RUN.c.id)).where(RUN.c.source_id == source_id))
    return None if run_id is None else progress(mainstem, run_id)
