"""How far a run is, counted from its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select

from core.contract.types import Manifest, RunSummary
from core.db.bulk import table_of
from core.db.models import COUNTS, Run
from core.db.models import Partition as PartitionRow
from core.pipeline.apply import summed
from core.services.errors import NotFound
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, now_utc

RUN, PARTITION = table_of(Run), table_of(PartitionRow)


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
        error: Why a part failed, or cannot go on before somebody acts.
        waits: Why a part waits; it goes on by itself.
        until: When it goes on at the earliest; None for at once.
        capped: How many relations were left out, since one object may not have more.
        incomplete: How many records were taken without parts that were refused.
    """

    key: str
    label: str
    counts: Mapping[str, int]
    expected: int | None
    partitions: int
    done: int
    error: str | None
    waits: str | None = None
    until: datetime | None = None
    capped: int = 0
    incomplete: int = 0


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
        report: What was found at its end; see :mod:`core.services.finishing`.
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
    report: Mapping[str, Any] = field(default_factory=dict)

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
    def until(self) -> datetime | None:
        """When it goes on, while all that is left of it waits."""
        left = [item for item in self.objects.values() if item.done < item.partitions]
        moments = [item.until for item in left if item.waits and item.until]
        return min(moments) if moments and len(moments) == len(left) else None

    @property
    def status(self) -> str:
        """How it ended, in the words of the command line: ``succeeded``, ``partial``, ``failed`` or ``cancelled``."""
        return "failed" if self.state == "paused" else self.state

    def summary(self) -> dict[str, Any]:
        """Return what ``sources sync --json`` prints."""
        told = {key: self.report[key] for key in ("vanished", "repaired", "reread") if key in self.report}
        for name in ("capped", "incomplete"):
            if found := {key: count for key, item in self.objects.items() if (count := getattr(item, name))}:
                told[name] = found
        return {
            "run": self.run,
            "status": self.status,
            "objects": {key: dict(item.counts) for key, item in self.objects.items()},
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            **told,
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


def since_connected() -> ColumnElement[bool]:
    """Return the condition that a run is not of the time before its data source was deleted and connected anew."""
    return RUN.c.created_at >= select(SOURCE.c.created_at).where(SOURCE.c.id == RUN.c.source_id).scalar_subquery()


def progress(mainstem: Mainstem, run_id: int) -> RunProgress:
    """Return how far a run is.

    Raises:
        NotFound: There is no such run.
        PluginMissing: The plugin of its data source is not there.
    """
    found = progress_of(mainstem, [run_id])
    if run_id not in found:
        raise NotFound(f"There is no run {run_id}")
    return found[run_id]


def progress_of(mainstem: Mainstem, run_ids: Sequence[int]) -> dict[int, RunProgress]:
    """Return how far several runs are, by id, in two statements.

    Raises:
        PluginMissing: The plugin of one of their data sources is not there.
    """
    runs_of = select(RUN, SOURCE.c.plugin).join(SOURCE, SOURCE.c.id == RUN.c.source_id).where(RUN.c.id.in_(run_ids))
    with mainstem.engine.connect() as connection:
        runs = connection.execute(runs_of).mappings().all()
        rows = connection.execute(select(PARTITION).where(PARTITION.c.run_id.in_(run_ids))).mappings().all()
    partitions: dict[int, list[RowMapping]] = {run["id"]: [] for run in runs}
    for row in rows:
        partitions[row["run_id"]].append(row)
    return {run["id"]: _progress(run, mainstem.host.manifest(run["plugin"]), partitions[run["id"]]) for run in runs}


def _progress(run: RowMapping, manifest: Manifest, partitions: Sequence[RowMapping]) -> RunProgress:
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
        report=run["report"],
        objects=_by_object(manifest, partitions, goes_on=run["state"] in ("queued", "running")),
    )


def _by_object(manifest: Manifest, partitions: Iterable[RowMapping], *, goes_on: bool) -> dict[str, ObjectProgress]:
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
        troubled = [row for row in theirs if row["error"]]
        waiting = [row for row in troubled if goes_on and row["state"] == "ready"]
        objects[spec.key] = ObjectProgress(
            key=spec.key,
            label=spec.label,
            counts={name: counts.get(name, 0) for name in COUNTS},
            expected=None if not expected or None in expected else sum(expected),
            partitions=len(theirs),
            done=sum(row["state"] != "ready" for row in theirs),
            error=next((row["error"] for row in troubled if row not in waiting), None),
            waits=waiting[0]["error"] if waiting else None,
            until=waiting[0]["not_before"] if waiting else None,
            capped=counts.get("capped", 0),
            incomplete=counts.get("incomplete", 0),
        )
    return objects


def latest(mainstem: Mainstem, source_id: int) -> RunProgress | None:
    """Return the progress of a data source's last run, or None when it has had none since it was connected."""
    with mainstem.engine.connect() as connection:
        run_id = connection.scalar(select(func.max(RUN.c.id)).where(RUN.c.source_id == source_id, since_connected()))
    return None if run_id is None else progress(mainstem, run_id)
