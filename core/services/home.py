"""What the first page tells: what needs attention and what is going on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.models import DataSource, Mail, RefusedRecord, Run, User, WebhookDelivery
from core.host import Host, PluginMissing
from core.services.mainstem import Mainstem
from core.services.paging import count_up_to_limit
from core.services.progress import RunProgress, progress

Kind = Literal["source", "run", "refused", "webhooks", "invitations", "mail", "plugin"]


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that needs attention.

    Attributes:
        kind: Of what it is, which says where it is mended.
        title: In a few words.
        detail: What is wrong, or what to do; may be "".
        id: Of the data source, if it is about one.
        grave: Something has stopped; otherwise it can wait.
    """

    kind: Kind
    title: str
    detail: str = ""
    id: int | None = None
    grave: bool = False


def sources(session: Session) -> Sequence[DataSource]:
    """Return the data sources, also the deleted ones, since what they brought is here."""
    return session.scalars(select(DataSource).order_by(DataSource.id)).all()


def attention(session: Session, host: Host) -> list[Matter]:
    """Return what needs attention, the gravest first."""
    found = [*_of_sources(session), *_of_plugins(host), *_of_users(session)]
    return sorted(found, key=lambda matter: not matter.grave)


def running(mainstem: Mainstem, session: Session) -> list[tuple[DataSource, RunProgress]]:
    """Return the syncs that go on, with their data sources."""
    rows = session.execute(
        select(DataSource, Run.id)
        .join(Run, Run.source_id == DataSource.id)
        .where(Run.state.in_(("queued", "running")), DataSource.state != "deleted")
        .order_by(Run.id)
    ).all()
    found = []
    for source, run_id in rows:
        try:
            found.append((source, progress(mainstem, run_id)))
        except PluginMissing:
            # Without its plugin nothing goes on.
            continue
    return found


def _of_sources(session: Session) -> Iterator[Matter]:
    shown = select(DataSource).where(DataSource.state.in_(("connected", "needs_attention"))).order_by(DataSource.id)
    last = select(func.max(Run.id)).where(Run.finished_at.is_not(None)).group_by(Run.source_id)
    runs = {run.source_id: run for run in session.scalars(select(Run).where(Run.id.in_(last)))}
    for source in session.scalars(shown):
        if source.state == "needs_attention":
            yield Matter("source", f"{source.name} needs attention", source.error or "Reconnect it", source.id, True)
        run = runs.get(source.id)
        if run and run.state in ("failed", "partial") and run.error:
            how = "failed" if run.state == "failed" else "is not complete"
            yield Matter("run", f"The last sync of {source.name} {how}", run.error, source.id, run.state == "failed")
        waiting = select(RefusedRecord.id).where(
            RefusedRecord.source_id == source.id, RefusedRecord.resolved_at.is_(None)
        )
        if number := count_up_to_limit(session, waiting):
            title = f"{_counted(number, 'record')} of {source.name} could not be taken"
            yield Matter("refused", title, "See why, mend them there, and they come in", source.id)
        dead = select(WebhookDelivery.id).where(WebhookDelivery.source_id == source.id, WebhookDelivery.state == "dead")
        if number := count_up_to_limit(session, dead):
            title = f"{_counted(number, 'webhook')} of {source.name} failed for good"
            yield Matter("webhooks", title, "Look at the reason, then replay them", source.id)


def _of_plugins(host: Host) -> Iterator[Matter]:
    for report in host.report():
        if report.state == "broken":
            yield Matter("plugin", f"The plugin {report.name} is broken", report.reason, grave=True)


def _of_users(session: Session) -> Iterator[Matter]:
    waiting = (User.state == "invited", User.gone_at.is_(None))
    if number := session.scalar(select(func.count()).select_from(User).where(*waiting)):
        verb = "has" if number == 1 else "have"
        yield Matter("invitations", f"{_counted(number, 'invited user')} {verb} not accepted yet")
    failed = select(func.count()).select_from(Mail).where(Mail.state == "failed")
    if number := session.scalar(failed):
        yield Matter("mail", f"{_counted(number, 'mail')} could not be sent", grave=True)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
