"""Reading data sources for people: what they are, what they brought, how their runs went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.contract.types import Manifest
from core.db.models import Activity, DataSource, Field, RefusedRecord, Run, WebhookDelivery
from core.host import Host, PluginMissing
from core.services import entities, paging
from core.services.completeness import left_by
from core.services.configuration import read_config
from core.services.counting import Numbers, numbers_of
from core.services.errors import NotFound
from core.services.inbox import KEPT
from core.services.progress import RunProgress, since_connected
from core.services.searching import mentions, vendor_title
from core.services.sources import now_utc

T = TypeVar("T")

RECENT_DAYS = 7

SHOWN = DataSource.state != "deleted"
ORDER = paging.Order((DataSource.state == "archived",), DataSource.id, descending=False)


@dataclass(frozen=True, slots=True)
class Query:
    """Which data sources are asked for.

    Attributes:
        text: Each of its words is part of the name, the account's name or the vendor's; "" for all.
        state: Only those in this state; "" for all.
    """

    text: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A line of the list of data sources; ``run`` is the last one."""

    source: DataSource
    title: str
    counts: Numbers
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


def before(session: Session, host: Host, plugin: str, remote_id: str) -> Numbers | None:
    """Return what an account brought that was connected and deleted before; None if it was not or brought nothing."""
    theirs = select(DataSource).where(DataSource.plugin == plugin, DataSource.remote_id == remote_id)
    source = session.scalar(theirs.where(DataSource.state == "deleted"))
    numbers = None if source is None else numbers_of(session, host, [source])[source.id]
    return None if numbers is None or numbers.is_nothing else numbers


def taken_up(session: Session, source: DataSource) -> bool:
    """Return whether a data source that was deleted before is connected anew, and nothing was read completely since."""
    earlier = select(Run.id).where(Run.source_id == source.id, Run.created_at < source.created_at)
    return not source.since and session.scalar(earlier.limit(1)) is not None


def left_people(session: Session, host: Host, source: DataSource) -> dict[str, int]:
    """Return how many records of people do not meet the admin's conditions any more, by the name of their object.

    Several of them may have become one person.
    """
    manifest, left = manifest_of(host, source), left_by(session.connection(), source.id)
    specs = [spec for spec in (manifest.objects if manifest else ()) if spec.kind == "person"]
    return {spec.label: left[spec.key] for spec in specs if left.get(spec.key)}


def listing(session: Session, host: Host) -> list[Summary]:
    """Return all data sources, the archived ones last, with their counts and last runs."""
    rows = select(DataSource).where(SHOWN).order_by(*ORDER.keys, ORDER.id)
    return _summaries(session, host, session.scalars(rows).all())


def page(session: Session, host: Host, query: Query, cursor: str | None, size: int = 25) -> paging.Page[Summary]:
    """Return a page of :func:`listing`.

    Args:
        session: Where to read.
        host: Knows the plugins.
        query: Which data sources.
        cursor: Of the page; None for the first.
        size: Data sources on a page.

    Raises:
        NotFound: The cursor is malformed.
    """
    searched = DataSource.name, DataSource.account_name, vendor_title(host, DataSource.plugin)
    rows = select(DataSource).where(SHOWN, *mentions(query.text, *searched))
    if query.state:
        rows = rows.where(DataSource.state == query.state)
    found = paging.page(session, rows, ORDER, cursor, size)
    return found.map(lambda sources: _summaries(session, host, sources))


def _summaries(session: Session, host: Host, sources: Sequence[DataSource]) -> list[Summary]:
    theirs = Run.source_id.in_([source.id for source in sources])
    last = select(func.max(Run.id)).where(theirs, since_connected()).group_by(Run.source_id)
    runs = {run.source_id: run for run in session.scalars(select(Run).where(Run.id.in_(last)))}
    numbers = numbers_of(session, host, sources)
    return [Summary(source, title(host, source), numbers[source.id], runs.get(source.id)) for source in sources]


def runs(session: Session, source_id: int, before: int | None = None, size: int = 20) -> Batch[Run]:
    """Return the runs of a data source since it was connected, the last first, from before run ``before`` on."""
    rows = select(Run).where(Run.source_id == source_id, since_connected())
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


@dataclass(frozen=True, slots=True)
class Received:
    """The webhooks of a data source that are kept, which those worked off are for :data:`core.services.inbox.KEPT`.

    Attributes:
        number: How many came in during that time.
        last_at: When the last came in; None when none did.
        lag: How long it took, at most, from coming in to being worked off, of the last hundred.
        waiting: How many are to be worked off.
        waiting_since: When the eldest of these came in.
    """

    number: int
    last_at: datetime | None
    lag: timedelta | None
    waiting: int
    waiting_since: datetime | None


def received(session: Session, source_id: int) -> Received:
    """Return how a data source's webhooks come in."""
    theirs = WebhookDelivery.source_id == source_id
    waits = WebhookDelivery.state == "pending"
    recent = func.count().filter(WebhookDelivery.received_at >= now_utc() - KEPT)
    number, last_at = session.execute(select(recent, func.max(WebhookDelivery.received_at)).where(theirs)).one()
    waiting, since = session.execute(
        select(func.count(), func.min(WebhookDelivery.received_at)).where(theirs, waits)
    ).one()
    settled = WebhookDelivery.processed_at.is_not(None)
    done = select(WebhookDelivery).where(theirs, settled).order_by(WebhookDelivery.id.desc()).limit(100).subquery()
    moments = session.execute(select(done.c.received_at, done.c.processed_at))
    lags = [end - begin for begin, end in moments]
    return Received(number, last_at, max(lags, default=None), waiting, since)


def is_at_work(session: Session, source_id: int) -> bool:
    """Tell whether a sync of a data source goes on."""
    goes_on = select(Run.id).where(Run.source_id == source_id, Run.state.in_(("queued", "running")))
    return session.scalar(select(goes_on.exists())) or False


def refused_count(session: Session, source_id: int) -> int:
    """Return how many records of a data source are refused and wait to be mended, counted up to a limit."""
    waiting = RefusedRecord.source_id == source_id, RefusedRecord.resolved_at.is_(None)
    return paging.count_up_to_limit(session, select(RefusedRecord.id).where(*waiting))


def waiting_fields(session: Session, source: DataSource, manifest: Manifest) -> list[Field]:
    """Return the fields of chosen objects that the vendor lists since the admin chose last, and that stay out so far.

    Raises:
        core.services.errors.Invalid: The plugin no longer offers what was chosen.
    """
    theirs = (Field.source_id == source.id, Field.is_new, ~Field.selected, Field.retired_at.is_(None))
    config, _ = read_config(source.config, manifest)
    found = session.scalars(select(Field).where(*theirs).order_by(Field.position))
    return [field for field in found if field.object in config.objects]


def events(session: Session, host: Host, source: DataSource, cursor: str | None) -> paging.Page[entities.Event]:
    """Return what a data source brought of the last :data:`RECENT_DAYS`, the newest first.

    Raises:
        NotFound: The cursor is malformed.
    """
    since = now_utc() - timedelta(days=RECENT_DAYS)
    recent = select(Activity).where(Activity.source_id == source.id, Activity.occurred_at >= since)
    return entities.events(session, recent, {source.id: source}, host, cursor)


def log_of(session: Session, run: RunProgress) -> Iterator[dict[str, Any]]:
    """Return what a run did: how many records of each object came to what, why it waits or failed, what was refused.

    Returns:
        Rows of ``object, outcome, count, remote_id, reason``; what does not apply is None.
    """
    for progress in run.objects.values():
        for outcome, count in progress.counts.items():
            yield {"object": progress.key, "outcome": outcome, "count": count, "remote_id": None, "reason": None}
        for outcome, reason in (("waits", progress.waits), ("failed", progress.error)):
            if reason:
                yield {"object": progress.key, "outcome": outcome, "count": None, "remote_id": None, "reason": reason}
    columns = (RefusedRecord.object, RefusedRecord.remote_id, RefusedRecord.reason)
    of_run = select(*columns).where(RefusedRecord.source_id == run.source_id, RefusedRecord.run_id == run.run)
    rows = session.execute(of_run.order_by(RefusedRecord.object, RefusedRecord.id).execution_options(yield_per=1_000))
    for object, remote_id, reason in rows:
        yield {"object": object, "outcome": "refused", "count": 1, "remote_id": remote_id, "reason": reason}
