"""Whether all is here that the vendor has: its own counts against what was imported, and why they differ (R50)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select

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
        expected: How many there are, by the vendor's own count; None when it does not say, or not how many of them are
            wanted.
        imported: How many are here.
        merged: How many of these share a person or organization with another one.
        skipped: How many never came in, by choice.
        refused: How many could not be taken, and are not here as they were before either.
        outside: How many are older than the activities that are kept; only for what has nothing but activities.
        left: How many of those here do not meet the admin's conditions any more: they stay, and are not updated.
    """

    expected: int | None
    imported: int
    merged: int
    skipped: int
    refused: int
    outside: int
    left: int = 0

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
    connection: Connection,
    source_id: int,
    manifest: Manifest,
    config: SourceConfig,
    counted: Mapping[str, int],
    wanted: Mapping[str, int],
) -> dict[str, Completeness]:
    """Compare what is here of each selected object with what the vendor counts.

    Args:
        connection: To the database.
        source_id: The data source.
        manifest: Its plugin's.
        config: The admin's choices.
        counted: By object, how many there are.
        wanted: By object on which there are conditions, how many meet them, if the vendor tells.
    """
    imported = {
        row.object: (row.links, row.entities, row.left)
        for row in connection.execute(
            select(
                LINK.c.object,
                func.count().label("links"),
                func.count(LINK.c.entity_id.distinct()).label("entities"),
                func.count(LINK.c.left_at).label("left"),
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
        links, entities, left = imported.get(spec.key, (0, 0, 0))
        expected, left_out = counted.get(spec.key), skipped.get(spec.key, 0)
        if expected is not None and spec.key in wanted:
            left_out = max(expected - wanted[spec.key] - left, 0)
        elif left_out is None:
            expected = None
        bad = refused.get(spec.key, 0)
        if spec.kind == "activity" and expected is not None:
            # What nothing of is kept any more was left out, and is here from when more was kept.
            left_out = min(left_out or 0, max(expected - links - bad, 0))
        rest = 0 if expected is None else max(expected - links - (left_out or 0) - bad, 0)
        outside = rest if spec.kind == "activity" else 0
        found[spec.key] = Completeness(expected, links, links - entities, left_out or 0, bad, outside, left)
    return found


def left_by(connection: Connection, source_id: int) -> dict[str, int]:
    """Return how many records of each object came in and do not meet the admin's conditions any more."""
    theirs = (LINK.c.source_id == source_id, LINK.c.left_at.is_not(None), LINK.c.deleted_at.is_(None))
    found = select(LINK.c.object, func.count().label("number")).where(*theirs).group_by(LINK.c.object)
    return {row.object: row.number for row in connection.execute(found)}


def _skipped(connection: Connection, source_id: int) -> dict[str, int | None]:
    """Return how many records of each object never came in, by choice, as of when it was read as a whole last.

    None stands for an object of which only what is wanted was read.
    """
    runs = select(PARTITION.c.object, PARTITION.c.run_id, PARTITION.c.counts, RUN.c.scope).join(
        RUN, RUN.c.id == PARTITION.c.run_id
    )
    read_whole = or_(RUN.c.kind.in_(("initial", "full")), RUN.c.scope["anew"].as_string() != "[]")
    theirs = runs.where(RUN.c.source_id == source_id, read_whole)
    latest: dict[str, int] = {}
    found: dict[str, int | None] = {}
    for row in connection.execute(theirs.order_by(RUN.c.id.desc())):
        if row.object not in row.scope.get("whole", ()) or latest.setdefault(row.object, row.run_id) != row.run_id:
            continue
        counts = row.counts.get(row.object, {})
        never = (
            None if row.object in row.scope.get("narrowed", ()) else counts.get("skipped", 0) - counts.get("left", 0)
        )
        found[row.object] = None if never is None else (found.get(row.object) or 0) + never
    return found


def completeness(mainstem: Mainstem, source_id: int) -> Mapping[str, Completeness]:
    """Return how complete the objects of a data source were at the end of its last run, by object; ``left`` is of now.

    Raises:
        NotFound: There is no such data source.
    """
    with mainstem.engine.connect() as connection:
        source = get_source(connection, source_id)
        report, left = last_report(connection, source_id, since=source["created_at"]), left_by(connection, source_id)
        told = report.get("objects", {})
        return {key: replace(_read(value), left=left.get(key, 0)) for key, value in told.items()}


def last_report(
    connection: Connection, source_id: int, *kinds: str, since: datetime | None = None
) -> Mapping[str, Any]:
    """Return what was found at the end of the last run that tells, of ``kinds`` and ``since`` then if given, or {}."""
    told = select(RUN.c.report).where(RUN.c.source_id == source_id, RUN.c.finished_at.is_not(None))
    if kinds:
        told = told.where(RUN.c.kind.in_(kinds))
    if since is not None:
        told = told.where(RUN.c.created_at >= since)
    reports: Sequence[Mapping[str, Any]] = connection.scalars(told.order_by(RUN.c.id.desc()).limit(20)).all()
    return next((report for report in reports if "objects" in report), {})


def _read(stored: Mapping[str, Any]) -> Completeness:
    return Completeness(**{key: value for key, value in stored.items() if key != "missing"})
