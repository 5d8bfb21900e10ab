"""Records as plain JSON, of any number in constant memory.

Rows are read in batches by their key, each batch in a transaction of its own, and what hangs on them (tags,
organizations, data sources) in one statement per batch. Times are RFC 3339 in UTC. Rows that are only referred to so
far, or that a merge absorbed, are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select

from core.db.bulk import table_of
from core.db.models import Activity, Article, Team, User
from core.services.records import (
    ORGANIZATION,
    PERSON,
    Record,
    Rows,
    activity_records,
    article_records,
    is_live,
    organization_records,
    person_records,
    team_records,
    user_records,
)

BATCH = 1000


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


_DATES = ("archived_at", "created_at", "updated_at")

EXPORTS: Mapping[str, Export] = {
    "people": Export(
        PERSON,
        is_live(PERSON),
        person_records,
        (
            *("id", "email", "phone", "external_id", "first_name", "last_name", "email_subscribed", "sms_subscribed"),
            *(*_DATES, "fields", "tags", "organizations", "sources"),
        ),
        nested="fields",
    ),
    "organizations": Export(
        ORGANIZATION,
        is_live(ORGANIZATION),
        organization_records,
        ("id", "name", "domain", *_DATES, "fields", "tags", "sources"),
        nested="fields",
    ),
    "activities": Export(
        table_of(Activity),
        (),
        activity_records,
        ("id", "type", "person", "organization", "source", "remote_id", "occurred_at", "attributes"),
        nested="attributes",
    ),
    "articles": Export(
        table_of(Article),
        (),
        article_records,
        (
            *("id", "title", "description", "body", "state", "locale", "url", "author", "collection", "source"),
            *("remote_id", *_DATES, "translations"),
        ),
    ),
    "users": Export(
        table_of(User),
        (table_of(User).c.state != "deleted",),
        user_records,
        (
            *("id", "email", "name", "role", "state", "agent", "teams", "source", "remote_id"),
            *("gone_at", "created_at", "last_login_at"),
        ),
    ),
    "teams": Export(
        table_of(Team),
        (table_of(Team).c.deleted_at.is_(None),),
        team_records,
        ("id", "name", "members", "source", "remote_id", "gone_at", "created_at"),
    ),
}
"""By kind, as ``mainstem export`` names them."""
