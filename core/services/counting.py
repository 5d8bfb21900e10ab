"""What each data source brought, counted beside the requests: no page counts a million rows.

The numbers live in ``data_source.numbers``. They are counted when a run ends and, while more comes
in, again and again by a worker's tick; a data source that has never been counted is counted by whoever asks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.contract.types import Manifest
from core.db.engine import writing
from core.db.models import Activity, Article, DataSource, Link, Person, Run, WebhookDelivery
from core.host import Host, PluginMissing
from core.services.mainstem import Mainstem
from core.services.retention import activity_counts
from core.services.sources import SOURCE, now_utc

DAYS = 30
STALE, STALE_AT_WORK = timedelta(minutes=5), timedelta(minutes=1)
"""How old numbers may become, and how old while a sync is at work or webhooks have been worked off since."""

Days = Mapping[str, int]
"""How many on each day (UTC) of the last :data:`DAYS`, by ISO date; days without any are left out."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a data source brought and still has.

    Attributes:
        people: That it knows.
        organizations: That it knows.
        activities: That it brought, those too that went when they were past their retention.
        activities_kept: Those of them that are still here.
        articles: That are not archived.
        activity_days: When its activities occurred.
        people_days: When people were added whom it brought first.
    """

    people: int = 0
    organizations: int = 0
    activities: int = 0
    activities_kept: int = 0
    articles: int = 0
    activity_days: Days = field(default_factory=dict)
    people_days: Days = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing came in at all."""
        return self == Numbers()

    @property
    def last_30_days(self) -> int:
        """Activities that occurred in the last 30 days, today among them."""
        return sum(count for _, count in series([self.activity_days], DAYS))


def numbers_of(session: Session, host: Host, sources: Iterable[DataSource]) -> dict[int, Numbers]:
    """Return the numbers of several data sources by id, as they were counted last."""
    return {
        source.id: Numbers(**source.numbers) if source.counted_at else count(session.connection(), host, source)
        for source in sources
    }


def series(all_days: Iterable[Days], length: int) -> list[tuple[date, int]]:
    """Add up :data:`Days` and return the last ``length`` days (UTC), today last."""
    given = list(all_days)
    today = now_utc().date()
    days = [today - timedelta(days=back) for back in range(length - 1, -1, -1)]
    return [(day, sum(each.get(day.isoformat(), 0) for each in given)) for day in days]


def recount(mainstem: Mainstem, source_id: int) -> None:
    """Count what a data source brought, and keep it."""
    began = now_utc()
    with Session(mainstem.engine) as session:
        source = session.get(DataSource, source_id)
        if source is None:
            return
        numbers = count(session.connection(), mainstem.host, source)
    with writing(mainstem.engine) as connection:
        mine = update(SOURCE).where(SOURCE.c.id == source_id)
        connection.execute(mine.values(numbers=asdict(numbers), counted_at=began))


def stale(mainstem: Mainstem) -> Sequence[int]:
    """Return the data sources whose numbers are old while more may have come in."""
    runs = exists().where(Run.source_id == SOURCE.c.id, Run.state == "running")
    theirs = WebhookDelivery.source_id == SOURCE.c.id
    at_work = or_(runs, exists().where(theirs, WebhookDelivery.processed_at > SOURCE.c.counted_at))
    old = or_(
        SOURCE.c.counted_at.is_(None),
        SOURCE.c.counted_at < now_utc() - STALE,
        and_(SOURCE.c.counted_at < now_utc() - STALE_AT_WORK, at_work),
    )
    alive = select(SOURCE.c.id).where(SOURCE.c.state == "connected", old)
    with mainstem.engine.connect() as connection:
        return connection.scalars(alive.order_by(SOURCE.c.id)).all()


def count(connection: Connection, host: Host, source: DataSource) -> Numbers:
    """Count what a data source brought."""
    manifest = _manifest(host, source)
    people, organizations = (_entities(connection, source, manifest, kind) for kind in ("person", "organization"))
    mine = Activity.source_id == source.id
    shown = (~Person.stub, Person.merged_into.is_(None))
    activities, kept = activity_counts(connection, source.id)
    articles = select(func.count()).where(Article.source_id == source.id, Article.archived_at.is_(None))
    return Numbers(
        people=people,
        organizations=organizations,
        activities=activities,
        activities_kept=kept,
        articles=connection.scalar(articles) or 0,
        activity_days=_by_day(connection, select(func.count()).select_from(Activity).where(mine), Activity.occurred_at),
        people_days=_by_day(
            connection,
            select(func.count()).select_from(Person).where(Person.initial_source_id == source.id, *shown),
            Person.created_at,
        ),
    )


def _manifest(host: Host, source: DataSource) -> Manifest | None:
    try:
        return host.manifest(source.plugin)
    except PluginMissing:
        return None


def _entities(connection: Connection, source: DataSource, manifest: Manifest | None, kind: str) -> int:
    objects = [spec.key for spec in manifest.objects if spec.kind == kind] if manifest else []
    theirs: tuple[ColumnElement[bool], ...] = (
        Link.source_id == source.id,
        Link.object.in_(objects),
        Link.content_hash.is_not(None),
        Link.deleted_at.is_(None),
    )
    return connection.scalar(select(func.count(Link.entity_id.distinct())).where(*theirs)) or 0


def _by_day(connection: Connection, counts: Select[Any], moment: InstrumentedAttribute[datetime]) -> dict[str, int]:
    today = datetime.combine(now_utc().date(), time(), UTC)
    starts = [today - timedelta(days=back) for back in range(DAYS)]
    # A range of the index for each day: to look at every row once for all days takes several times as long.
    each = [counts.where(moment >= start, moment < start + timedelta(days=1)).scalar_subquery() for start in starts]
    found = connection.execute(select(*each)).one()
    return {start.date().isoformat(): number for start, number in zip(starts, found, strict=True) if number}
