"""Reading data sources for people: what they are, what they brought, how their runs went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, and_, case, func, null, select
from sqlalchemy.orm import Session

from core.contract.types import Manifest
from core.db.models import Activity, Article, DataSource, Link, RefusedRecord, Run, WebhookDelivery
from core.host import Host, PluginMissing
from core.services.errors import NotFound

T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What a data source brought and still has."""

    people: int = 0
    organizations: int = 0
    activities: int = 0
    articles: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A line of the list of data sources; ``run`` is the last one."""

    source: DataSource
    title: str
    counts: Counts
    run: Run | None


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Some rows of a list, and whether there are older ones."""

    items: Sequence[T]
    more: bool


def manifest_of(host: Host, source: DataSource) -> Manifest | None:
    """Return what the data source's plugin declares; None when it is not installed or broken."""
    try:
        return host.manifest(source.plugin)
    except PluginMissing:
        return None


def title(host: Host, source: DataSource) -> str:
    """Return the name of the data source's vendor for people; the plugin's name when it is gone."""
    manifest = manifest_of(host, source)
    return manifest.title if manifest else source.plugin


def get(session: Session, id: int) -> DataSource:
    """Return a data source.

    Raises:
        NotFound: There is no such data source.
    """
    source = session.get(DataSource, id)
    if source is None or source.state == "deleted":
        raise NotFound(f"There is no data source {id}: it may have been deleted")
    return source


def listing(session: Session, host: Host) -> list[Summary]:
    """Return all data sources, the archived ones last, with their counts and last runs."""
    shown = select(DataSource).where(DataSource.state != "deleted")
    sources = session.scalars(shown.order_by(DataSource.state == "archived", DataSource.id)).all()
    last = select(func.max(Run.id)).group_by(Run.source_id)
    runs = {run.source_id: run for run in session.scalars(select(Run).where(Run.id.in_(last)))}
    numbers = counts(session, host, sources)
    return [Summary(source, title(host, source), numbers[source.id], runs.get(source.id)) for source in sources]


def counts(session: Session, host: Host, sources: Iterable[DataSource]) -> dict[int, Counts]:
    """Return what each of ``sources`` brought."""
    sources = list(sources)
    found = {source.id: Counts() for source in sources}
    kinds = _kind_of_link(host, sources)
    if kinds is not None:
        links = (
            select(Link.source_id, kinds, func.count(Link.entity_id.distinct()))
            .where(Link.source_id.in_(found), Link.content_hash.is_not(None), Link.deleted_at.is_(None))
            .group_by(Link.source_id, kinds)
        )
        for id, kind, number in session.execute(links):
            if kind == "person":
                found[id].people = number
            elif kind == "organization":
                found[id].organizations = number
    activities = select(Activity.source_id, func.count()).where(Activity.source_id.in_(found))
    for id, number in session.execute(activities.group_by(Activity.source_id)):
        found[id].activities = number
    articles = select(Article.source_id, func.count()).where(Article.source_id.in_(found))
    for owner, number in session.execute(articles.where(Article.archived_at.is_(None)).group_by(Article.source_id)):
        if owner is not None:
            found[owner].articles = number
    return found


def _kind_of_link(host: Host, sources: Iterable[DataSource]) -> ColumnElement[str | None] | None:
    """Return an expression for what the object of a link became here, as the plugins declare it."""
    cases: list[tuple[ColumnElement[bool], str]] = []
    for source in sources:
        manifest = manifest_of(host, source)
        for kind in ("person", "organization"):
            objects = [spec.key for spec in manifest.objects if spec.kind == kind] if manifest else []
            if objects:
                cases.append((and_(Link.source_id == source.id, Link.object.in_(objects)), kind))
    return case(*cases, else_=null()) if cases else None


def activities_by_day(session: Session, source_id: int, days: int = 14) -> list[tuple[datetime, int]]:
    """Return how many activities of a data source occurred on each of the last days (UTC), today last."""
    today = datetime.combine(datetime.now(UTC), time(), UTC)
    starts = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    columns = [
        func.count().filter(Activity.occurred_at >= start, Activity.occurred_at < start + timedelta(days=1))
        for start in starts
    ]
    rows = select(*columns).where(Activity.source_id == source_id, Activity.occurred_at >= starts[0])
    return list(zip(starts, session.execute(rows).one(), strict=True))


def runs(session: Session, source_id: int, before: int | None = None, size: int = 20) -> Batch[Run]:
    """Return the runs of a data source, the last first, from before run ``before`` on."""
    rows = select(Run).where(Run.source_id == source_id)
    if before is not None:
        rows = rows.where(Run.id < before)
    found = session.scalars(rows.order_by(Run.id.desc()).limit(size + 1)).all()
    return Batch(found[:size], len(found) > size)


def refused(session: Session, source_id: int, skip: int = 0, size: int = 20) -> Batch[RefusedRecord]:
    """Return the refused records of a data source that wait to be mended, the last first."""
    rows = select(RefusedRecord).where(RefusedRecord.source_id == source_id, RefusedRecord.resolved_at.is_(None))
    rows = rows.order_by(RefusedRecord.refused_at.desc(), RefusedRecord.id).offset(skip).limit(size + 1)
    found = session.scalars(rows).all()
    return Batch(found[:size], len(found) > size)


def dead_deliveries(session: Session, source_id: int, size: int = 20) -> Batch[WebhookDelivery]:
    """Return the webhooks of a data source that could not be worked off, the last first."""
    dead = select(WebhookDelivery).where(WebhookDelivery.source_id == source_id, WebhookDelivery.state == "dead")
    found = session.scalars(dead.order_by(WebhookDelivery.id.desc()).limit(size + 1)).all()
    return Batch(found[:size], len(found) > size)


def refused_count(session: Session, source_id: int) -> int:
    """Return how many records of a data source are refused and wait to be mended."""
    waiting = RefusedRecord.source_id == source_id, RefusedRecord.resolved_at.is_(None)
    return session.scalar(select(func.count()).select_from(RefusedRecord).where(*waiting)) or 0
