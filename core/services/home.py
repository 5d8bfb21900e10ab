"""What the first page tells: what needs attention and what is going on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.db.models import DataSource, Mail, RefusedRecord, Run, User, WebhookDelivery
from core.host import Host
from core.services.mainstem import Mainstem
from core.services.paging import counts_up_to_limit
from core.services.progress import RunProgress, progress_of, since_connected
from core.services.staff import AWAITED

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
    known = set(mainstem.host.names())
    # Without its plugin nothing goes on.
    shown = [(source, run_id) for source, run_id in rows if source.plugin in known]
    runs = progress_of(mainstem, [run_id for _, run_id in shown])
    return [(source, runs[run_id]) for source, run_id in shown]


def _of_sources(session: Session) -> Iterator[Matter]:
    shown = select(DataSource).where(DataSource.state.in_(("connected", "needs_attention"))).order_by(DataSource.id)
    last = select(func.max(Run.id)).where(Run.finished_at.is_not(None), since_connected()).group_by(Run.source_id)
    runs = {run.source_id: run for run in session.scalars(select(Run).where(Run.id.in_(last)))}
    found = session.scalars(shown).all()
    refused, dead = (counts_up_to_limit(session, [of(source.id) for source in found]) for of in (_refused, _dead))
    for source, refused_count, dead_count in zip(found, refused, dead, strict=True):
        if source.state == "needs_attention":
            yield Matter("source", f"{source.name} must be reconnected", source.error or "", source.id, True)
        run = runs.get(source.id)
        if run and run.state in ("failed", "partial") and run.error:
            how = "failed" if run.state == "failed" else "is not complete"
            yield Matter("run", f"The last sync of {source.name} {how}", run.error, source.id, run.state == "failed")
        if refused_count:
            were, them = ("was", "it") if refused_count == 1 else ("were", "them")
            title = f"{_counted(refused_count, 'record')} of {source.name} {were} refused"
            yield Matter("refused", title, f"See why and correct {them} there: the next sync takes {them}", source.id)
        if dead_count:
            title = f"{_counted(dead_count, 'webhook')} of {source.name} failed for good"
            yield Matter("webhooks", title, "Look at the reason, then replay them", source.id)


def _refused(source_id: int) -> Select[Any]:
    return select(RefusedRecord.id).where(RefusedRecord.source_id == source_id, RefusedRecord.resolved_at.is_(None))


def _dead(source_id: int) -> Select[Any]:
    return select(WebhookDelivery.id).where(WebhookDelivery.source_id == source_id, WebhookDelivery.state == "dead")


def _of_plugins(host: Host) -> Iterator[Matter]:
    for report in host.report():
        if report.state == "broken":
            yield Matter("plugin", f"The plugin {report.name} is broken", report.reason, grave=True)


def _of_users(session: Session) -> Iterator[Matter]:
    if number := session.scalar(select(func.count()).select_from(User).where(*AWAITED)):
        verb = "has" if number == 1 else "have"
        yield Matter(
            "invitations",
            f"{_counted(number, 'invited user')} {verb} not accepted yet",
            "Send the invitation again, or delete the user",
        )
    failed = select(func.count()).select_from(Mail).where(Mail.state == "failed")
    if number := session.scalar(failed):
        yield Matter("mail", f"{_counted(number, 'mail')} could not be sent", grave=True)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
