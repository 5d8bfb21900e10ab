"""Records as plain JSON, of any number in constant memory.

Rows are read in batches by their key, each batch in a transaction of its own, and what hangs on them (tags,
organizations, data sources) in one statement per batch. Times are RFC 3339 in UTC. Rows that are only referred to so
far, or that a merge absorbed, are left out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, func, select

from core.db.bulk import rows_in, table_of
from core.db.models import (
    Activity,
    Article,
    Collection,
    Link,
    Membership,
    Organization,
    Person,
    Tagging,
    Team,
    TeamMember,
    User,
)
from core.pipeline.schemas import as_text

BATCH = 1000

PERSON, ORGANIZATION, COLLECTION = table_of(Person), table_of(Organization), table_of(Collection)
LINK, MEMBERSHIP, TAGGING, TEAM_MEMBER = map(table_of, (Link, Membership, Tagging, TeamMember))


Rows = Sequence[Row[Any]]
Record = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """How one kind of record is written.

    Attributes:
        table: Where its rows are; the key is called ``id``.
        where: Which of them are records.
        records: Makes records of one batch of rows, in their order.
        columns: The keys of a record, in order.
        nested: The key that holds a mapping, written as columns of its own in a table; None if there is none.
    """

    table: Table
    where: Sequence[ColumnElement[bool]]
    records: Callable[[Connection, Rows], list[Record]]
    columns: tuple[str, ...]
    nested: str | None = None


def export(engine: Engine, kind: str) -> Iterator[Record]:
    """Yield all records of a kind.

    Args:
        engine: The database.
        kind: A key of :data:`EXPORTS`.
    """
    wanted = EXPORTS[kind]
    key, last = wanted.table.c.id, None
    while True:
        statement = select(wanted.table).where(*wanted.where).order_by(key).limit(BATCH)
        if last is not None:
            statement = statement.where(key > last)
        with engine.connect() as connection:
            rows = connection.execute(statement).all()
            records = wanted.records(connection, rows)
        yield from records
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def count(engine: Engine, kind: str) -> int:
    """Return how many records of a kind there are."""
    wanted = EXPORTS[kind]
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(wanted.table).where(*wanted.where)) or 0


def write_csv(engine: Engine, kind: str, stream: TextIO) -> None:
    """Write all records of a kind as CSV (RFC 4180, with a header).

    The nested values follow the fixed columns, one column each, by name; which there are takes a reading of its own.
    Items of a list are joined by ``"; "``, the source and remote id of a data source by ``":"``.
    """
    wanted = EXPORTS[kind]
    fixed = [column for column in wanted.columns if column != wanted.nested]
    own: set[str] = set()
    if wanted.nested:
        for record in export(engine, kind):
            own.update(record[wanted.nested])
    # A field may be called like a fixed column: it stays a column of its own, after those.
    writer = csv.writer(stream, lineterminator="\r\n")
    names = sorted(own)
    writer.writerow([*fixed, *names])
    for record in export(engine, kind):
        nested = record[wanted.nested] if wanted.nested else {}
        writer.writerow([_cell(value) for value in (*map(record.get, fixed), *map(nested.get, names))])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "; ".join(map(_cell, value))
    if isinstance(value, dict):
        return ":".join(map(_cell, value.values()))
    return str(value)


# --- people and organizations -------------------------------------------------------------------------------------


def _people(connection: Connection, rows: Rows) -> list[Record]:
    ids = [row.id for row in rows]
    tags, sources = _tags(connection, "person", ids), _sources(connection, ids)
    organizations = _organizations(connection, ids)
    return [
        {
            "id": str(row.id),
            "email": row.email,
            "phone": row.phone,
            "external_id": row.external_id,
            "first_name": row.first_name,
            "last_name": row.last_name,
            "email_subscribed": row.email_subscribed,
            "sms_subscribed": row.sms_subscribed,
            **_times(row, "archived_at", "created_at", "updated_at"),
            "fields": row.fields,
            "tags": tags[row.id],
            "organizations": organizations[row.id],
            "sources": sources[row.id],
        }
        for row in rows
    ]


def _organization_records(connection: Connection, rows: Rows) -> list[Record]:
    ids = [row.id for row in rows]
    tags, sources = _tags(connection, "organization", ids), _sources(connection, ids)
    return [
        {
            "id": str(row.id),
            "name": row.name,
            "domain": row.domain,
            **_times(row, "archived_at", "created_at", "updated_at"),
            "fields": row.fields,
            "tags": tags[row.id],
            "sources": sources[row.id],
        }
        for row in rows
    ]


def _tags(connection: Connection, kind: str, ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    found: defaultdict[UUID, set[str]] = defaultdict(set)
    for row in rows_in(
        connection, [TAGGING.c.entity_id, TAGGING.c.name], TAGGING.c.entity_id, ids, TAGGING.c.kind == kind
    ):
        found[row.entity_id].add(row.name)
    return _with_default({id: sorted(names) for id, names in found.items()})


def _sources(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = rows_in(connection, [LINK.c.entity_id, LINK.c.source_id, LINK.c.remote_id], LINK.c.entity_id, ids)
    return _grouped(
        (row.entity_id, {"source": row.source_id, "remote_id": row.remote_id}) for row in sorted(rows, key=tuple)
    )


def _organizations(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    """Return the organizations of each person in the vendor's order, each once."""
    columns = [MEMBERSHIP.c.person_id, MEMBERSHIP.c.position, MEMBERSHIP.c.organization_id]
    rows = sorted(rows_in(connection, columns, MEMBERSHIP.c.person_id, ids), key=tuple)
    known = _live(connection, ORGANIZATION, {row.organization_id for row in rows})
    pairs = dict.fromkeys((row.person_id, row.organization_id) for row in rows if row.organization_id in known)
    return _grouped((person, str(organization)) for person, organization in pairs)


def _live(connection: Connection, table: Table, ids: set[UUID]) -> set[UUID]:
    """Return those of ``ids`` that are records of their own."""
    return {row.id for row in rows_in(connection, [table.c.id], table.c.id, ids, *_is_live(table))}


def _is_live(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.stub.is_(False), table.c.merged_into.is_(None)


# --- activities and articles --------------------------------------------------------------------------------------


def _activities(connection: Connection, rows: Rows) -> list[Record]:
    people = _live(connection, PERSON, {row.person_id for row in rows} - {None})
    organizations = _live(connection, ORGANIZATION, {row.organization_id for row in rows} - {None})
    return [
        {
            "id": str(row.id),
            "type": row.type,
            "person": str(row.person_id) if row.person_id in people else None,
            "organization": str(row.organization_id) if row.organization_id in organizations else None,
            "source": row.source_id,
            "remote_id": row.remote_id,
            **_times(row, "occurred_at"),
            "attributes": row.attributes,
        }
        for row in rows
    ]


def _articles(connection: Connection, rows: Rows) -> list[Record]:
    wanted = {row.collection_id for row in rows} - {None}
    names = {
        row.id: row.name for row in rows_in(connection, [COLLECTION.c.id, COLLECTION.c.name], COLLECTION.c.id, wanted)
    }
    return [
        {
            "id": str(row.id),
            "title": row.title,
            "description": row.description,
            "body": row.body,
            "state": row.state,
            "locale": row.locale,
            "url": row.url,
            "author": row.author,
            "collection": names.get(row.collection_id),
            "source": row.source_id,
            "remote_id": row.remote_id,
            **_times(row, "archived_at", "created_at", "updated_at"),
            "translations": row.translations,
        }
        for row in rows
    ]


# --- those who work here ------------------------------------------------------------------------------------------


def _users(connection: Connection, rows: Rows) -> list[Record]:
    ids = [row.id for row in rows]
    members = rows_in(
        connection, [TEAM_MEMBER.c.user_id, TEAM_MEMBER.c.team_id], TEAM_MEMBER.c.user_id, ids, ~TEAM_MEMBER.c.removed
    )
    teams = _grouped(sorted((row.user_id, row.team_id) for row in members))
    return [
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "role": row.role,
            "state": row.state,
            "agent": row.agent,
            "teams": teams[row.id],
            "source": row.source_id,
            "remote_id": row.remote_id,
            **_times(row, "gone_at", "created_at", "last_login_at"),
        }
        for row in rows
    ]


def _teams(connection: Connection, rows: Rows) -> list[Record]:
    ids = [row.id for row in rows]
    members = rows_in(
        connection, [TEAM_MEMBER.c.team_id, TEAM_MEMBER.c.user_id], TEAM_MEMBER.c.team_id, ids, ~TEAM_MEMBER.c.removed
    )
    users = _grouped(sorted((row.team_id, row.user_id) for row in members))
    return [
        {
            "id": row.id,
            "name": row.name,
            "members": users[row.id],
            "source": row.source_id,
            "remote_id": row.remote_id,
            **_times(row, "gone_at", "created_at"),
        }
        for row in rows
    ]


def _times(row: Row[Any], *names: str) -> Record:
    moments: dict[str, datetime | None] = {name: row._mapping[name] for name in names}
    return {name: None if moment is None else as_text(moment) for name, moment in moments.items()}


def _grouped(pairs: Any) -> Mapping[Any, list[Any]]:
    found: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def _with_default(found: Mapping[UUID, list[str]]) -> Mapping[UUID, list[str]]:
    return defaultdict(list, found)


_DATES = ("archived_at", "created_at", "updated_at")

EXPORTS: Mapping[str, Export] = {
    "people": Export(
        PERSON,
        _is_live(PERSON),
        _people,
        (
            *("id", "email", "phone", "external_id", "first_name", "last_name", "email_subscribed", "sms_subscribed"),
            *(*_DATES, "fields", "tags", "organizations", "sources"),
        ),
        nested="fields",
    ),
    "organizations": Export(
        ORGANIZATION,
        _is_live(ORGANIZATION),
        _organization_records,
        ("id", "name", "domain", *_DATES, "fields", "tags", "sources"),
        nested="fields",
    ),
    "activities": Export(
        table_of(Activity),
        (),
        _activities,
        ("id", "type", "person", "organization", "source", "remote_id", "occurred_at", "attributes"),
        nested="attributes",
    ),
    "articles": Export(
        table_of(Article),
        (),
        _articles,
        (
            *("id", "title", "description", "body", "state", "locale", "url", "author", "collection", "source"),
            *("remote_id", *_DATES, "translations"),
        ),
    ),
    "users": Export(
        table_of(User),
        (table_of(User).c.state != "deleted",),
        _users,
        (
            *("id", "email", "name", "role", "state", "agent", "teams", "source", "remote_id"),
            *("gone_at", "created_at", "last_login_at"),
        ),
    ),
    "teams": Export(
        table_of(Team),
        (table_of(Team).c.deleted_at.is_(None),),
        _teams,
        ("id", "name", "members", "source", "remote_id", "gone_at", "created_at"),
    ),
}
"""By kind, as ``mainstem export`` names them."""
