"""Whether all is here that the vendor has: its own counts against what was imported, and why they differ (R50)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, exists, func, select

from core.contract.types import Manifest
from core.db.bulk import table_of
from core.db.models import Link, Partition, RefusedRecord, Run
from core.services.configuration import SourceConfig
from core.services.mainstem import Mainstem
from core.services.sources import get_source

LINK, PARTITION, REFUSED, RUN = table_of(Link), table_of(Partition), table_of(RefusedRecord), table_of(Run)


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of one object is here.

    Attributes:
        expected: How many there are, by the vendor's own count; None when it does not say.
        imported: How many are here.
        merged: How many of these share a person or organization with another one.
        skipped: How many were left out by choice when all of them were read last.
        refused: How many could not be taken, and are not here as they were before either.
        outside: How many are older than the activities that are kept; only for what has nothing but activities.
    """

    expected: int | None
    imported: int
    merged: int
    skipped: int
    refused: int
    outside: int

    @property
    def missing(self) -> int | None:
        """How many are not accounted for, less than 0 if more are here than there; None when that is not known."""
        if self.expected is None:
            return None
        return self.expected - self.imported - self.skipped - self.refused - self.outside

    def as_json(self) -> dict[str, Any]:
        """Return what is kept in ``run.report`` and printed."""
        return {**asdict(self), "missing": self.missing}


def compare(
    connection: Connection, source_id: int, manifest: Manifest, config: SourceConfig, counted: Mapping[str, int]
) -> dict[str, Completeness]:
    """Compare what is here of each selected object with what the vendor counts."""
    imported = {
        row.object: (row.links, row.entities)
        for row in connection.execute(
            select(
                LINK.c.object, func.count().label("links"), func.count(LINK.c.entity_id.distinct()).label("entities")
            )
            .where(LINK.c.source_id == source_id, LINK.c.content_hash.is_not(None), LINK.c.deleted_at.is_(None))
            .group_by(LINK.c.object)
        )
    }
    its_link = (
        LINK.c.source_id == source_id,
        LINK.c.object == REFUSED.c.object,
        LINK.c.remote_id == REFUSED.c.remote_id,
        LINK.c.content_hash.is_not(None),
        LINK.c.deleted_at.is_(None),
    )
    refused = {
        row.object: row.number
        for row in connection.execute(
            select(REFUSED.c.object, func.count().label("number"))
            .where(REFUSED.c.source_id == source_id, REFUSED.c.resolved_at.is_(None), ~exists().where(*its_link))
            .group_by(REFUSED.c.object)
        )
    }
    skipped = _skipped(connection, source_id)
    found: dict[str, Completeness] = {}
    for spec in manifest.objects:
        if spec.key not in config.objects:
            continue
        links, entities = imported.get(spec.key, (0, 0))
        expected = counted.get(spec.key)
        left_out, bad = skipped.get(spec.key, 0), refused.get(spec.key, 0)
        rest = 0 if expected is None else max(expected - links - left_out - bad, 0)
        outside = rest if spec.kind == "activity" else 0
        found[spec.key] = Completeness(expected, links, links - entities, left_out, bad, outside)
    return found


def _skipped(connection: Connection, source_id: int) -> dict[str, int]:
    """Return how many records of each object were skipped when all of them were read last."""
    runs = select(PARTITION.c.object, PARTITION.c.run_id, PARTITION.c.counts, RUN.c.scope).join(
        RUN, RUN.c.id == PARTITION.c.run_id
    )
    whole = runs.where(RUN.c.source_id == source_id, RUN.c.kind.in_(("initial", "full"))).order_by(RUN.c.id.desc())
    latest: dict[str, int] = {}
    found: dict[str, int] = {}
    for row in connection.execute(whole):
        if latest.setdefault(row.object, row.run_id) == row.run_id and row.object in row.scope.get("whole", ()):
            found[row.object] = found.get(row.object, 0) + row.counts.get(row.object, {}).get("skipped", 0)
    return found


def completeness(mainstem: Mainstem, source_id: int) -> Mapping[str, Completeness]:
    """Return how complete the objects of a data source were at the end of its last run, by object.

    Raises:
        NotFound: There is no such data source.
    """
    with mainstem.engine.connect() as connection:
        get_source(connection, source_id)
        return {key: _read(value) for key, value in last_report(connection, source_id).get("objects", {}).items()}


def last_report(connection: Connection, source_id: int, *kinds: str) -> Mapping[str, Any]:
    """Return what was found at the end of the last run that tells, one of ``kinds`` if given; {} if none does."""
    told = select(RUN.c.report).where(RUN.c.source_id == source_id, RUN.c.finished_at.is_not(None))
    if kinds:
        told = told.where(RUN.c.kind.in_(kinds))
    reports: Sequence[Mapping[str, Any]] = connection.scalars(told.order_by(RUN.c.id.desc()).limit(20)).all()
    return next((report for report in reports if "objects" in report), {})


def _read(stored: Mapping[str, Any]) -> Completeness:
    return Completeness(**{key: value for key, value in stored.items() if key != "missing"})
