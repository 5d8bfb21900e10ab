"""Two people, or two organizations, become one; and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, String, Table, bindparam, select

from core.db.bulk import rows_in, table_of
from core.db.models import (
    Activity,
    ActivityPast,
    Identity,
    Link,
    Membership,
    Merge,
    Organization,
    Participant,
    Person,
    Tagging,
)
from core.pipeline.ids import own_tag_id
from core.pipeline.policy import Policy
from core.pipeline.schemas import as_text

MERGE = table_of(Merge)
LINK = table_of(Link)
IDENTITY = table_of(Identity)

# (table, column that names the entity, column of the link it hangs on)
_FOLLOWERS: Mapping[str, tuple[tuple[Table, str, str], ...]] = {
    "person": (
        (table_of(Membership), "person_id", "person_link_id"),
        (table_of(Tagging), "entity_id", "link_id"),
        (table_of(Activity), "person_id", "person_link_id"),
        (table_of(Participant), "person_id", "person_link_id"),
        # After the activities: what is being swept is waited for there.
        (table_of(ActivityPast), "person_id", "person_link_id"),
    ),
    "organization": (
        (table_of(Membership), "organization_id", "organization_link_id"),
        (table_of(Tagging), "entity_id", "link_id"),
        (table_of(Activity), "organization_id", "organization_link_id"),
    ),
}


def merge_entities(
    connection: Connection, kind: str, table: Table, pairs: Sequence[tuple[Row[Any], Row[Any]]], policy: Policy
) -> None:
    """Let everything of the absorbed ones follow to the survivors, and write down what both were before.

    The rows of the survivors themselves are written by the caller.

    Args:
        connection: A write transaction that holds both rows of each pair.
        kind: ``"person"`` or ``"organization"``.
        table: The table of this kind.
        pairs: Rows (survivor, absorbed).
        policy: The data source that made them one.
    """
    if not pairs:
        return
    absorbed = [gone.id for _, gone in pairs]
    links, identities = _belongings(connection, absorbed)
    journal = [
        {
            "kind": kind,
            "survivor_id": survivor.id,
            "absorbed_id": gone.id,
            "source_id": policy.source_id,
            "reason": "same identity",
            "before": {
                "survivor": snapshot(survivor),
                "absorbed": snapshot(gone),
                "links": links.get(gone.id, []),
                "identities": identities.get(gone.id, []),
            },
            "merged_at": policy.now,
        }
        for survivor, gone in pairs
        if not gone.stub
    ]
    if journal:
        connection.execute(MERGE.insert(), journal)
    moves = [{"survivor": survivor.id, "gone": gone.id} for survivor, gone in pairs]
    follow = [(LINK, "entity_id"), (IDENTITY, "entity_id"), *((t, c) for t, c, _ in _FOLLOWERS[kind])]
    for follower, column in follow:
        statement = follower.update().where(follower.c[column] == bindparam("gone"))
        connection.execute(statement.values({column: bindparam("survivor")}), moves)
    statement = table.update().where(table.c.id == bindparam("gone"))
    connection.execute(statement.values(merged_into=bindparam("survivor"), updated_at=policy.now), moves)


def _belongings(
    connection: Connection, entities: Sequence[UUID]
) -> tuple[dict[UUID, list[str]], dict[UUID, list[str]]]:
    found: list[dict[UUID, list[str]]] = []
    for table in (LINK, IDENTITY):
        belongings: dict[UUID, list[str]] = {}
        for row in rows_in(connection, [table.c.id, table.c.entity_id], table.c.entity_id, entities):
            belongings.setdefault(row.entity_id, []).append(row.id.hex)
        found.append(belongings)
    return found[0], found[1]


def snapshot(row: Row[Any]) -> dict[str, Any]:
    """Return a row as JSON."""
    return {key: _plain(value) for key, value in row._mapping.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return as_text(value) if isinstance(value, datetime) else value


class UndoError(Exception):
    """The merge cannot be undone; the message says why."""


def undo(connection: Connection, merge_id: int, now: datetime) -> None:
    """Take a merge apart: the absorbed one is back as it was, with all that hangs on its links.

    The survivor gets back the values that it had before, where they have not changed since. What joined the two does
    not join them again: see :class:`core.db.models.Link`.

    Args:
        connection: A write transaction.
        merge_id: Which merge.
        now: The present moment.

    Raises:
        UndoError: There is no such merge, it is undone, or a later one must be undone first.
    """
    merge = connection.execute(select(MERGE).where(MERGE.c.id == merge_id).with_for_update()).one_or_none()
    if merge is None or merge.undone_at is not None:
        raise UndoError("There is no such merge to undo")
    table = table_of(Person if merge.kind == "person" else Organization)
    survivor = connection.execute(select(table).where(table.c.id == merge.survivor_id).with_for_update()).one()
    if survivor.merged_into is not None:
        raise UndoError("The survivor was merged again later: undo that merge first")
    _give_back(connection, merge)
    _keep_apart(connection, merge.survivor_id, merge.absorbed_id)
    connection.execute(table.update().where(table.c.id == merge.absorbed_id).values(merged_into=None, updated_at=now))
    connection.execute(
        table.update()
        .where(table.c.id == survivor.id)
        .values(_without(table, survivor, merge.before) | {"updated_at": now})
    )
    connection.execute(MERGE.update().where(MERGE.c.id == merge_id).values(undone_at=now))


def _give_back(connection: Connection, merge: Row[Any]) -> None:
    """Let the absorbed one have its links again, what hangs on them, and its identities."""
    links = [UUID(id) for id in merge.before["links"]]
    hangers = [*links, own_tag_id(merge.absorbed_id)]
    for follower, column, link_column in _FOLLOWERS[merge.kind]:
        of_links = follower.c[link_column].in_(hangers)
        connection.execute(follower.update().where(of_links).values({column: merge.absorbed_id}))
    # Its values are those of the time of the merge: what its records brought since must be read again.
    back = {"entity_id": merge.absorbed_id, "content_hash": None}
    connection.execute(LINK.update().where(LINK.c.id.in_(links)).values(back))
    identities = [UUID(id) for id in merge.before["identities"]]
    back = {"entity_id": merge.absorbed_id}
    connection.execute(IDENTITY.update().where(IDENTITY.c.id.in_(identities)).values(back))


def _keep_apart(connection: Connection, one: UUID, other: UUID) -> None:
    """Let no link of either claim an identity of the other any more, nor be merged with its links by the vendor."""
    links = rows_in(connection, [LINK.c.id, LINK.c.entity_id, LINK.c.apart_from], LINK.c.entity_id, [one, other])
    identities = rows_in(connection, [IDENTITY.c.id, IDENTITY.c.entity_id], IDENTITY.c.entity_id, [one, other])
    for link in links:
        foreign = {row.id.hex for row in (*links, *identities) if row.entity_id != link.entity_id}
        apart = {"apart_from": sorted(foreign.union(link.apart_from))}
        connection.execute(LINK.update().where(LINK.c.id == link.id).values(apart))


def _without(table: Table, survivor: Row[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the survivor's columns without what the merge filled in."""
    was, gave, now = before["survivor"], before["absorbed"], survivor._mapping
    texts = [column.name for column in table.columns if isinstance(column.type, String)]
    columns = {key for key in texts if was[key] is None and now[key] is not None and now[key] == gave[key]}
    fields = {
        key for key, value in now["fields"].items() if key not in was["fields"] and value == gave["fields"].get(key)
    }
    filled = columns | fields
    restored: dict[str, Any] = dict.fromkeys(columns)
    restored["fields"] = {key: value for key, value in now["fields"].items() if key not in filled}
    lineage = {key: entry for key, entry in now["lineage"].items() if key not in filled}
    restored["lineage"] = lineage | {key: was["lineage"][key] for key in filled & was["lineage"].keys()}
    for channel in {"email_subscribed", "sms_subscribed"} & was.keys():
        # An unsubscribe that the absorbed one did not bring was made since, and stays.
        restored[channel] = was[channel] and (now[channel] or not gave[channel])
    return restored
