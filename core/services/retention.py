"""Activities past their retention go, in bounded batches; when they were and how many remains (R22, R51).

What goes is folded into ``activity_past``, by the vendor's person and type, in the transaction that deletes it. The
data source remembers the spans of time whose activities are counted there (``swept``): what is read again from such a
span, since a longer retention wants it back, is shown but not counted a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, not_, or_, select, true

from core.db.bulk import add_up, rows_in, table_of
from core.db.engine import writing
from core.db.models import Activity, ActivityPast, Participant
from core.host import PluginMissing
from core.services.configuration import SourceConfig
from core.services.horizons import kept_since
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, config_of, get_source, now_utc

ACTIVITY, PAST, PARTICIPANT = table_of(Activity), table_of(ActivityPast), table_of(Participant)

BATCH = 1_000
EVERY = timedelta(hours=6)
NOBODY = UUID(int=0)

Spans = Sequence[tuple[datetime, datetime]]
"""Half-open spans of time, in order, apart from each other."""


@dataclass(frozen=True, slots=True)
class Total:
    """What a person did of one type, in all: kept activities and those that are past their retention."""

    first_at: datetime
    last_at: datetime
    count: int


def to_sweep(mainstem: Mainstem) -> Sequence[int]:
    """Return the data sources whose activities are due for a look."""
    due = (SOURCE.c.state != "deleted", SOURCE.c.next_sweep_at <= now_utc())
    with mainstem.engine.connect() as connection:
        return connection.scalars(select(SOURCE.c.id).where(*due)).all()


def sweep(mainstem: Mainstem, source_id: int) -> bool:
    """Take away one batch of the activities of a data source that are past their retention, the eldest first.

    Args:
        mainstem: The system.
        source_id: The data source, in whatever state: a retention holds for as long as its activities are here.

    Returns:
        Whether the batch was full, so that there may be more.

    Raises:
        NotFound: There is no such data source.
    """
    now = now_utc()
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id)
        try:
            config = config_of(mainstem, source)
        except PluginMissing:
            # Without its plugin nothing is known of its types and their retention.
            full = False
        else:
            full = _sweep(connection, source_id, config, now)
        if not full:
            later = SOURCE.update().where(SOURCE.c.id == source_id).values(next_sweep_at=now + EVERY)
            connection.execute(later)
    return full


def _sweep(connection: Connection, source_id: int, config: SourceConfig, now: datetime) -> bool:
    due = (ACTIVITY.c.source_id == source_id, _is_due(config, now))
    eldest = select(ACTIVITY.c.id, ACTIVITY.c.occurred_at).where(*due).order_by(ACTIVITY.c.occurred_at).limit(BATCH)
    found = connection.execute(eldest).all()
    if not found:
        return False
    columns = [ACTIVITY.c[name] for name in ("id", "type", "person_link_id", "person_id", "occurred_at")]
    rows = rows_in(connection, columns, ACTIVITY.c.id, [row.id for row in found], *due, lock="update")
    # After the activities, as whoever writes webhooks does: nobody waits for each other.
    source = get_source(connection, source_id, lock=True)
    swept = read_spans(source["swept"])
    _fold(connection, source_id, [row for row in rows if not _within(row.occurred_at, swept.get(row.type, ()))])
    ids = [row.id for row in rows]
    connection.execute(PARTICIPANT.delete().where(PARTICIPANT.c.activity_id.in_(ids)))
    connection.execute(ACTIVITY.delete().where(ACTIVITY.c.id.in_(ids)))
    full = len(found) == BATCH
    # Of a full batch, more of its last moment may be left.
    end = found[-1].occurred_at if full else now
    for type_, first in _firsts(rows).items():
        since = kept_since(config, type_, now) or now
        swept[type_] = joined(swept.get(type_, ()), first, min(end, since))
    stored = {key: [[a.isoformat(), b.isoformat()] for a, b in spans] for key, spans in swept.items()}
    connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(swept=stored))
    return full


def _is_due(config: SourceConfig, now: datetime) -> ColumnElement[bool]:
    special = sorted(config.activity_days)
    others: ColumnElement[bool] = ACTIVITY.c.type.not_in(special) if special else true()
    groups = [(others, kept_since(config, None, now))]
    groups += [(ACTIVITY.c.type == type, kept_since(config, type, now)) for type in special]
    due = [and_(of_group, ACTIVITY.c.occurred_at < since) for of_group, since in groups if since is not None]
    latest = max((since for _, since in groups if since is not None), default=None)
    return ACTIVITY.c.id.is_(None) if latest is None else and_(ACTIVITY.c.occurred_at < latest, or_(*due))


def _fold(connection: Connection, source_id: int, rows: Iterable[Row[Any]]) -> None:
    groups: dict[tuple[UUID, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row.person_link_id or NOBODY, row.type].append(row)
    folded = [
        {
            "source_id": source_id,
            "person_link_id": link,
            "type": type,
            "person_id": groups[link, type][0].person_id,
            "first_at": min(row.occurred_at for row in groups[link, type]),
            "last_at": max(row.occurred_at for row in groups[link, type]),
            "count": len(groups[link, type]),
        }
        for link, type in sorted(groups)
    ]
    add_up(connection, PAST, folded, sums=("count",), lowest=("first_at",), highest=("last_at",))


def _firsts(rows: Iterable[Row[Any]]) -> dict[str, datetime]:
    firsts: dict[str, datetime] = {}
    for row in rows:
        firsts[row.type] = min(row.occurred_at, firsts.get(row.type, row.occurred_at))
    return firsts


def read_spans(stored: Mapping[str, Any]) -> dict[str, Spans]:
    """Return the spans of ``data_source.swept`` by type."""
    return {
        key: [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in spans]
        for key, spans in stored.items()
    }


def joined(spans: Spans, start: datetime, end: datetime) -> Spans:
    """Return the spans with [start, end) among them, as few as possible.

    It joins the span before it, as nothing is between the two: the eldest always go first.
    """
    before = [span for span in spans if span[0] <= start]
    after = [span for span in spans if span[0] > start]
    whole = (before[-1][0], max(before[-1][1], end)) if before else (start, end)
    while after and after[0][0] <= whole[1]:
        whole = (whole[0], max(whole[1], after.pop(0)[1]))
    return [*before[:-1], whole, *after]


def _within(moment: datetime, spans: Spans) -> bool:
    return any(start <= moment < end for start, end in spans)


def uncounted(connection: Connection, source_id: int | None = None) -> ColumnElement[bool]:
    """Return the condition that an activity is not one of those that ``activity_past`` counts already.

    Args:
        connection: For reading.
        source_id: Of this data source alone.
    """
    sources = select(SOURCE.c.id, SOURCE.c.swept)
    if source_id is not None:
        sources = sources.where(SOURCE.c.id == source_id)
    counted = [
        and_(
            ACTIVITY.c.source_id == row.id,
            ACTIVITY.c.type == type_,
            ACTIVITY.c.occurred_at >= start,
            ACTIVITY.c.occurred_at < end,
        )
        for row in connection.execute(sources)
        for type_, spans in read_spans(row.swept).items()
        for start, end in spans
    ]
    return not_(or_(*counted)) if counted else true()


def totals(connection: Connection, person_id: UUID) -> dict[str, Total]:
    """Return what a person did in all, by type of activity: first, last and how often (R51)."""
    counts = func.sum(case((uncounted(connection), 1), else_=0))
    live = select(ACTIVITY.c.type, func.min(ACTIVITY.c.occurred_at), func.max(ACTIVITY.c.occurred_at), counts)
    past = select(PAST.c.type, func.min(PAST.c.first_at), func.max(PAST.c.last_at), func.sum(PAST.c.count))
    found: dict[str, Total] = {}
    for statement, table in ((live, ACTIVITY), (past, PAST)):
        for type_, first, last, count in connection.execute(
            statement.where(table.c.person_id == person_id).group_by(table.c.type)
        ):
            other = found.get(type_, Total(first, last, 0))
            found[type_] = Total(min(first, other.first_at), max(last, other.last_at), other.count + int(count))
    return found


def activity_counts(connection: Connection, source_id: int) -> tuple[int, int]:
    """Return how many activities a data source brought, also those past their retention, and how many are kept."""
    mine = select(func.count(), func.sum(case((uncounted(connection, source_id), 1), else_=0)))
    kept, live = connection.execute(mine.where(ACTIVITY.c.source_id == source_id)).one()
    past = connection.scalar(select(func.sum(PAST.c.count)).where(PAST.c.source_id == source_id))
    return int(live or 0) + int(past or 0), kept
