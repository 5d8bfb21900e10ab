"""Reading the audit log: who did what to what, when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.db.models import AuditEntry, DataSource, Team, User

MOST = 500
"""How many things of one name are looked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries are asked for; all of it may be left empty.

    Attributes:
        actor: Part of who did it.
        action: Part of what was done.
        target: Part of what it was done to, or of what that is called.
        since: First day.
        until: Last day.
        zone: Whose days these are.
    """

    actor: str = ""
    action: str = ""
    target: str = ""
    since: date | None = None
    until: date | None = None
    zone: tzinfo = UTC


def entries(
    session: Session, query: Query, before: int | None = None, size: int = 50
) -> tuple[Sequence[AuditEntry], bool]:
    """Return entries, the last first, from before entry ``before`` on, and whether there are older ones."""
    rows = select(AuditEntry)
    for column, part in ((AuditEntry.actor, query.actor), (AuditEntry.action, query.action)):
        if part:
            rows = rows.where(column.icontains(part, autoescape=True))
    if query.target:
        named = AuditEntry.target.in_(_called(session, query.target))
        rows = rows.where(or_(AuditEntry.target.icontains(query.target, autoescape=True), named))
    if query.since:
        rows = rows.where(AuditEntry.at >= datetime.combine(query.since, time(), query.zone))
    if query.until:
        rows = rows.where(AuditEntry.at < datetime.combine(query.until + timedelta(days=1), time(), query.zone))
    if before is not None:
        rows = rows.where(AuditEntry.id < before)
    found = session.scalars(rows.order_by(AuditEntry.id.desc()).limit(size + 1)).all()
    return found[:size], len(found) > size


_NAMED: Mapping[str, tuple[type[Any], InstrumentedAttribute[str]]] = {
    "data source": (DataSource, DataSource.name),
    "user": (User, User.email),
    "team": (Team, Team.name),
}
"""What is targeted by number, and what it is called."""


def _called(session: Session, part: str) -> list[str]:
    """Return the targets whose names have this part."""
    found: list[str] = []
    for kind, (model, name) in _NAMED.items():
        ids = session.scalars(select(model.id).where(name.icontains(part, autoescape=True)).limit(MOST))
        found += [f"{kind} {id}" for id in ids]
    return found


def names(session: Session, entries: Iterable[AuditEntry]) -> dict[str, str]:
    """Return what is called how that the entries name by number: ``{"user 7": "ann@example.com"}``."""
    ids: dict[str, set[int]] = {kind: set() for kind in _NAMED}
    for entry in entries:
        kind, _, id = entry.target.rpartition(" ")
        told = {"user": [*entry.detail.get("users", ()), entry.detail.get("user")], "team": _teams(entry)}
        for named, numbers in [(kind, [int(id)] if id.isdecimal() else []), *told.items()]:
            ids.get(named, set()).update(number for number in numbers if isinstance(number, int))
    return {
        f"{kind} {id}": called
        for kind, (model, name) in _NAMED.items()
        if ids[kind]
        for id, called in session.execute(select(model.id, name).where(model.id.in_(ids[kind])))
    }


def _teams(entry: AuditEntry) -> list[Any]:
    return [*entry.detail.get("teams", ()), entry.detail.get("moved_to")]
