"""Set-based statements: the only code that knows on which database it runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert


def table_of(model: type[Any]) -> Table:
    """Return the table of a model."""
    table: Table = model.__table__
    return table


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to ``table`` until the transaction ends (SQLite: nobody else writes anything)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'LOCK TABLE "{table.name}" IN SHARE ROW EXCLUSIVE MODE'))


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[Any] | None:
    """Insert the rows that violate no unique constraint; others stay as they are.

    Rows must come sorted by key, so that two transactions that insert the same ones wait and do not deadlock.

    Returns:
        The values of the first primary key column of the rows that were inserted; None where the database does not
        tell (SQLite, on which nobody else writes meanwhile: who has looked knows).
    """
    if not rows:
        return set()
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
        return None
    key = next(iter(table.primary_key.columns))
    statement = _insert_recordset(table, rows).on_conflict_do_nothing().returning(key)
    return set(connection.scalars(statement, {"rows": _as_json(rows)}))


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    update: Iterable[str],
    key: Collection[str] | None = None,
    unless_equal: str | None = None,
) -> None:
    """Insert rows, or update the named columns of those that are there.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: All with the same columns, no key twice, sorted by key (see :func:`insert_missing`).
        update: Columns that an existing row takes over.
        key: Columns of the unique constraint that decides; the primary key by default.
        unless_equal: Name of a column; rows that have the same value in it are left alone.
    """
    if not rows:
        return
    on_sqlite = connection.dialect.name == "sqlite"
    statement: Any = sqlite.insert(table) if on_sqlite else _insert_recordset(table, rows)
    columns = [table.c[name] for name in key] if key else list(table.primary_key.columns)
    where = None if unless_equal is None else table.c[unless_equal].is_distinct_from(statement.excluded[unless_equal])
    statement = statement.on_conflict_do_update(
        index_elements=columns, set_={name: statement.excluded[name] for name in update}, where=where
    )
    connection.execute(statement, list(rows) if on_sqlite else {"rows": _as_json(rows)})


def add_up(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    sums: Iterable[str],
    lowest: Iterable[str],
    highest: Iterable[str],
) -> None:
    """Insert rows, or add them to those that have their primary key.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: All with the same columns, no key twice, sorted by key (see :func:`insert_missing`).
        sums: Columns that are added.
        lowest: Columns of which the lower value stays.
        highest: Columns of which the higher value stays.
    """
    if not rows:
        return
    on_sqlite = connection.dialect.name == "sqlite"
    statement: Any = sqlite.insert(table) if on_sqlite else _insert_recordset(table, rows)
    old, new = table.c, statement.excluded
    changes: dict[str, Any] = {name: old[name] + new[name] for name in sums}
    changes |= {name: case((new[name] < old[name], new[name]), else_=old[name]) for name in lowest}
    changes |= {name: case((new[name] > old[name], new[name]), else_=old[name]) for name in highest}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)
    connection.execute(statement, list(rows) if on_sqlite else {"rows": _as_json(rows)})


def _insert_recordset(table: Table, rows: Sequence[Mapping[str, Any]]) -> postgresql.Insert:
    """Return an insert of rows that arrive as one JSON parameter.

    One statement for a page takes PostgreSQL about half the time of one for each row.
    """
    columns = [column(name, table.c[name].type) for name in rows[0]]
    given = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    source = given.table_valued(*columns, name="given").render_derived(with_types=True)
    names = [item.name for item in columns]
    return postgresql.insert(table).from_select(names, select(*(source.c[name] for name in names)))


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([dict(row) for row in rows], default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be stored")


def rows_in(
    connection: Connection,
    columns: Sequence[ColumnElement[Any] | FromClause],
    key: Column[Any] | ColumnElement[Any],
    values: Collection[Any],
    *where: ColumnElement[bool],
    lock: Literal["update", "share"] | None = None,
) -> Sequence[Row[Any]]:
    """Return the rows whose ``key`` is among ``values``, in one statement.

    Args:
        connection: An open connection.
        columns: What to select.
        key: An indexed column.
        values: Any number; none gives no rows and costs nothing.
        where: Further conditions.
        lock: Lock the rows in order of ``key`` until the transaction ends: for ``"update"``, or only against updates
            by others (SQLite: the whole database is locked).
    """
    if not values:
        return ()
    statement = select(*columns).where(key.in_(values), *where)
    if lock:
        statement = statement.order_by(key).with_for_update(read=lock == "share")
    return connection.execute(statement).all()


def after(statement: Select[Any], columns: Sequence[ColumnElement[Any]], position: Sequence[Any]) -> Select[Any]:
    """Continue a keyset-paged statement behind ``position``, the values of ``columns`` in the last row seen."""
    alternatives = [
        and_(*(columns[j] == position[j] for j in range(i)), columns[i] > position[i]) for i in range(len(columns))
    ]
    return statement.where(or_(*alternatives))


def insert_from(
    dialect: str, table: Table, columns: Sequence[str], query: Select[Any], returning: Column[Any]
) -> ReturningInsert[Any]:
    """Return the statement that inserts the rows of ``query`` which violate no unique constraint.

    Its result is the value of ``returning`` of each row that was inserted.
    """
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).from_select(list(columns), query).on_conflict_do_nothing().returning(returning)
