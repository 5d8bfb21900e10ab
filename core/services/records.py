"""Records as plain JSON: what is told of each kind of row, and what hangs on it, one statement for a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table

from core.db.bulk import rows_in, table_of
from core.db.models import Collection, Link, Membership, Organization, Person, Tagging, TeamMember
from core.pipeline.schemas import as_text

PERSON, ORGANIZATION, COLLECTION = table_of(Person), table_of(Organization), table_of(Collection)
LINK, MEMBERSHIP, TAGGING, TEAM_MEMBER = map(table_of, (Link, Membership, Tagging, TeamMember))

Rows = Sequence[Row[Any]]
Record = dict[str, Any]


# --- people and organizations -------------------------------------------------------------------------------------


def person_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of people, in the order of their rows."""
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


def organization_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of organizations, likewise."""
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
    return {row.id for row in rows_in(connection, [table.c.id], table.c.id, ids, *is_live(table))}


def is_live(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Return which rows of people or organizations are records: neither only referred to nor absorbed by a merge."""
    return table.c.stub.is_(False), table.c.merged_into.is_(None)


# --- activities and articles --------------------------------------------------------------------------------------


def activity_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of activities, likewise."""
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


def article_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of articles, likewise."""
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


def user_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of users, likewise."""
    teams = _membership(connection, TEAM_MEMBER.c.user_id, TEAM_MEMBER.c.team_id, rows)
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


def team_records(connection: Connection, rows: Rows) -> list[Record]:
    """Return the records of teams, likewise."""
    members = _membership(connection, TEAM_MEMBER.c.team_id, TEAM_MEMBER.c.user_id, rows)
    return [
        {
            "id": row.id,
            "name": row.name,
            "members": members[row.id],
            "source": row.source_id,
            "remote_id": row.remote_id,
            **_times(row, "gone_at", "created_at"),
        }
        for row in rows
    ]


def _membership(
    connection: Connection, of: ColumnElement[int], other: ColumnElement[int], rows: Rows
) -> Mapping[int, list[int]]:
    """Return the teams of each user, or the users of each team."""
    members = rows_in(connection, [of, other], of, [row.id for row in rows], ~TEAM_MEMBER.c.removed)
    return _grouped(sorted(map(tuple, members)))


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
