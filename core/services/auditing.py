"""Reading the audit log: who did what to what, when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.models import AuditEntry
from core.services.errors import Invalid


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries are asked for; all of it may be left empty.

    Attributes:
        actor: Part of who did it.
        action: Part of what was done.
        target: Part of what it was done to.
        since: First day (UTC), ``2026-11-03``.
        until: Last day (UTC).
    """

    actor: str = ""
    action: str = ""
    target: str = ""
    since: str = ""
    until: str = ""


def entries(
    session: Session, query: Query, before: int | None = None, size: int = 50
) -> tuple[Sequence[AuditEntry], bool]:
    """Return entries, the last first, from before entry ``before`` on, and whether there are older ones.

    Raises:
        Invalid: A day is none.
    """
    rows = select(AuditEntry)
    columns = ((AuditEntry.actor, query.actor), (AuditEntry.action, query.action), (AuditEntry.target, query.target))
    for column, part in columns:
        if part:
            rows = rows.where(column.icontains(part, autoescape=True))
    if query.since:
        rows = rows.where(AuditEntry.at >= _day("since", query.since))
    if query.until:
        rows = rows.where(AuditEntry.at < _day("until", query.until) + timedelta(days=1))
    if before is not None:
        rows = rows.where(AuditEntry.id < before)
    found = session.scalars(rows.order_by(AuditEntry.id.desc()).limit(size + 1)).all()
    return found[:size], len(found) > size


def _day(name: str, text: str) -> datetime:
    try:
        return datetime.combine(datetime.strptime(text, "%Y-%m-%d"), time(), UTC)  # noqa: DTZ007 -- a day, no moment
    except ValueError:
        raise Invalid({name: f"{text!r} is no day: write it like 2026-11-03"}) from None
