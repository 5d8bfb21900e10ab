"""Set-based statements: the only code that knows on which database it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Row, Select, Table, and_, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite


def table_of(model: type[Any]) -> Table:
    """Return the table of a model."""
    table: Table = model.__table__
    return table


def _insert(connection: Connection, table: Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to ``table`` until the transaction ends (SQLite: nobody else writes anything)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'LOCK TABLE "{table.name}" IN SHARE ROW EXCLUSIVE MODE'))


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose primary key is not there yet; those that are stay as they are.

    Rows must come sorted by key, so that two transactions that insert the same ones wait and do not deadlock.
    """
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


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
    statement = _insert(connection, table)
    columns = [table.c[name] for name in key] if key else list(table.primary_key.columns)
    where = None if unless_equal is None else table.c[unless_equal].is_distinct_from(statement.excluded[unless_equal])
    statement = statement.on_conflict_do_update(
        index_elements=columns, set_={name: statement.excluded[name] for name in update}, where=where
    )
    connection.execute(statement, list(rows))


def rows_in(
    connection: Connection,
    columns: Sequence[ColumnElement[Any] | FromClause],
    key: Column[Any] | ColumnElement[Any],
    values: Collection[Any],
    *where: ColumnElement[bool],
    lock: bool = False,
) -> Sequence[Row[Any]]:
    """Return the rows whose ``key`` is among ``values``, in one statement.

    Args:
        connection: An open connection.
        columns: What to select.
        key: An indexed column.
        values: Any number; none gives no rows and costs nothing.
        where: Further conditions.
        lock: Lock the rows in order of ``key`` until the transaction ends (SQLite: the whole database is locked).
    """
    if not values:
        return ()
    statement = select(*columns).where(key.in_(values), *where)
    if lock:
        statement = statement.order_by(key).with_for_update()
    return connection.execute(statement).all()


def after(statement: Select[Any], columns: Sequence[ColumnElement[Any]], position: Sequence[Any]) -> Select[Any]:
    """Continue a keyset-paged statement behind ``position``, the values of ``columns`` in the last row seen."""
    alternatives = [
        and_(*(columns[j] == position[j] for j in range(i)), columns[i] > position[i]) for i in range(len(columns))
    ]
    return statement.where(or_(*alternatives))
