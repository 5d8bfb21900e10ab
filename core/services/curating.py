"""What those who work here do to people and organizations: archive, restore, tag, erase, undo merges (R34, R41)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, exists, select, update
from sqlalchemy.orm import Session

from core.contract.fields import Entity
from core.db.bulk import insert_missing, table_of
from core.db.engine import writing
from core.db.models import DataSource, Link, Merge, Tagging
from core.pipeline import erasure, merges
from core.pipeline.ids import own_tag_id
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.sources import AUDIT, audit, now_utc

TAGGING, LINK, MERGE = map(table_of, (Tagging, Link, Merge))
LONGEST_TAG = 100


@dataclass(frozen=True, slots=True)
class PastMerge:
    """A merge that made a person what she is.

    Attributes:
        id: Of the merge.
        absorbed: What the other one was called.
        email: Her email, if she had one.
        source: The data source whose record joined the two.
        merged_at: When.
        undone_at: When it was undone; None while it stands.
    """

    id: int
    absorbed: str
    email: str | None
    source: DataSource | None
    merged_at: datetime
    undone_at: datetime | None


def archive(mainstem: Mainstem, kind: Entity, id: UUID, actor: str) -> None:
    """Let a person or organization take part in nothing. Syncs go on to fill it, and do not bring it back.

    Raises:
        NotFound: There is none of this id.
        Conflict: It is archived already.
    """
    with writing(mainstem.engine) as connection:
        if _lock(connection, kind, id)["archived_at"] is not None:
            raise Conflict(f"This {kind} is archived already")
        _change(connection, kind, id, archived_at=now_utc())
        audit(connection, actor, "archive", f"{kind} {id}")


def restore(mainstem: Mainstem, kind: Entity, id: UUID, actor: str) -> None:
    """Let an archived person or organization take part again.

    Raises:
        NotFound: There is none of this id.
        Conflict: It is not archived.
    """
    with writing(mainstem.engine) as connection:
        if _lock(connection, kind, id)["archived_at"] is None:
            raise Conflict(f"This {kind} is not archived")
        _change(connection, kind, id, archived_at=None)
        audit(connection, actor, "restore", f"{kind} {id}")


def erase(mainstem: Mainstem, kind: Entity, id: UUID, actor: str) -> None:
    """Delete an archived person or organization with all that is known of it, for good: no sync brings it back.

    Raises:
        NotFound: There is none of this id.
        Conflict: It is not archived.
    """
    with writing(mainstem.engine) as connection:
        if _lock(connection, kind, id)["archived_at"] is None:
            raise Conflict(f"Archive this {kind} first: only what is archived can be deleted")
        erasure.erase(connection, kind, id)
        # Its id follows from what a vendor calls it, so the log names it no longer.
        its = update(AUDIT).where(AUDIT.c.target == f"{kind} {id}")
        connection.execute(its.values(target=f"erased {kind}", detail={}))
        audit(connection, actor, "erase", f"erased {kind}")


def add_tag(mainstem: Mainstem, kind: Entity, id: UUID, name: str, actor: str) -> None:
    """Tag a person or organization; what vendors tell does not take the tag away.

    Raises:
        NotFound: There is none of this id.
        Invalid: The name.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_TAG:
        raise Invalid({"tag": f"needs between 1 and {LONGEST_TAG} characters"})
    row = {"link_id": own_tag_id(id), "name": name, "kind": kind, "entity_id": id}
    with writing(mainstem.engine) as connection:
        _lock(connection, kind, id)
        insert_missing(connection, TAGGING, [row])
        audit(connection, actor, "tag", f"{kind} {id}", tag=name)


def remove_tag(mainstem: Mainstem, kind: Entity, id: UUID, name: str, actor: str) -> None:
    """Take away a tag that was added here.

    Raises:
        NotFound: There is no person or organization of this id.
        Conflict: The tag comes from a vendor.
    """
    with writing(mainstem.engine) as connection:
        _lock(connection, kind, id)
        if not connection.execute(TAGGING.delete().where(*_tags_of(kind, id), TAGGING.c.name == name)).rowcount:
            raise Conflict(f"The tag «{name}» was not added here: take it away where it comes from")
        audit(connection, actor, "untag", f"{kind} {id}", tag=name)


def own_tags(session: Session, kind: Entity, id: UUID) -> set[str]:
    """Return the tags of a person or organization that were added here."""
    return set(session.scalars(select(TAGGING.c.name).where(*_tags_of(kind, id))))


def _tags_of(kind: Entity, id: UUID) -> tuple[ColumnElement[bool], ...]:
    return TAGGING.c.kind == kind, TAGGING.c.entity_id == id, ~exists().where(LINK.c.id == TAGGING.c.link_id)


def merges_of(session: Session, person_id: UUID) -> Sequence[PastMerge]:
    """Return the merges into a person, the last first."""
    rows = session.scalars(
        select(Merge).where(Merge.kind == "person", Merge.survivor_id == person_id).order_by(Merge.id.desc())
    ).all()
    sources = {source.id: source for source in session.scalars(select(DataSource))} if rows else {}
    found = []
    for row in rows:
        was = row.before["absorbed"]
        name = " ".join(filter(None, (was.get("first_name"), was.get("last_name"))))
        found.append(
            PastMerge(
                id=row.id,
                absorbed=name or was.get("email") or was.get("phone") or was.get("external_id") or "Unnamed person",
                email=was.get("email"),
                source=sources.get(row.source_id) if row.source_id else None,
                merged_at=row.merged_at,
                undone_at=row.undone_at,
            )
        )
    return found


def undo_merge(mainstem: Mainstem, person_id: UUID, merge_id: int, actor: str) -> UUID:
    """Take a merge into a person apart.

    Returns:
        The id of the other one, who is back.

    Raises:
        NotFound: No such merge made this person.
        Conflict: It cannot be undone; the message says why.
    """
    with writing(mainstem.engine) as connection:
        mine = select(MERGE.c.absorbed_id).where(MERGE.c.id == merge_id, MERGE.c.survivor_id == person_id)
        absorbed: UUID | None = connection.scalar(mine)
        if absorbed is None:
            raise NotFound("There is no such merge")
        try:
            merges.undo(connection, merge_id, now_utc())
        except merges.UndoError as error:
            raise Conflict(str(error)) from None
        audit(connection, actor, "undo merge", f"person {person_id}", merge=merge_id)
    return absorbed


def _lock(connection: Connection, kind: Entity, id: UUID) -> RowMapping:
    table = erasure.TABLES[kind]
    shown = select(table).where(table.c.id == id, table.c.merged_into.is_(None), ~table.c.stub)
    row = connection.execute(shown.with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no such {kind}: it may have been merged into another one")
    return row


def _change(connection: Connection, kind: Entity, id: UUID, **values: Any) -> None:
    table = erasure.TABLES[kind]
    connection.execute(update(table).where(table.c.id == id).values(updated_at=now_utc(), **values))
