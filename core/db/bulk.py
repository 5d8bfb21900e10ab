"""Set-based statements: the only code that knows on which database it runs.

Rows of a page go to the driver past SQLAlchemy's handling of parameters (:mod:`core.db.rows`), and the text of a
statement is made once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import (
    JSON,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    Text,
    Uuid,
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
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.dml import ReturningInsert

from core.db.rows import Rows, as_recordset, as_tuples, with_defaults

_DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": psycopg.dialect()}  # type: ignore[no-untyped-call]


def table_of(model: type[Any]) -> Table:
    """Return the table of a model."""
    table: Table = model.__table__
    return table


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to ``table`` until the transaction ends (SQLite: nobody else writes anything)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'LOCK TABLE "{table.name}" IN SHARE ROW EXCLUSIVE MODE'))


def insert_missing(connection: Connection, table: Table, rows: Rows) -> set[Any] | None:
    """Insert the rows that violate no unique constraint; others stay as they are.

    Rows must come sorted by key, so that two transactions that insert the same ones wait and do not deadlock.

    Returns:
        The values of the first primary key column of the rows that were inserted; None where the database does not
        tell (SQLite, if some were there already; nobody else writes meanwhile: who has looked knows).
    """
    if not rows:
        return set()
    rows = with_defaults(table, rows)
    sql = _insert_missing(connection.dialect.name, table, tuple(rows[0]))
    if connection.dialect.name == "sqlite":
        inserted = connection.exec_driver_sql(sql, as_tuples(table, rows)).rowcount
        return {row[_key(table).name] for row in rows} if inserted == len(rows) else None
    return set(connection.exec_driver_sql(sql, {"rows": as_recordset(rows)}).scalars())


@lru_cache
def _insert_missing(dialect: str, table: Table, names: tuple[str, ...]) -> str:
    statement = _insert(dialect, table, names).on_conflict_do_nothing()
    if dialect == "postgresql":
        statement = statement.returning(_key(table))
    return _compiled(dialect, statement)


def _key(table: Table) -> Column[Any]:
    return next(iter(table.primary_key.columns))


def upsert(
    connection: Connection,
    table: Table,
    rows: Rows,
    update: Iterable[str],
    key: Collection[str] | None = None,
    unless_equal: str | None = None,
) -> None:
    """Insert rows, or update the named columns of those that are there.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: No key twice, sorted by key (see :func:`insert_missing`).
        update: Columns that an existing row takes over.
        key: Columns of the unique constraint that decides; the primary key by default.
        unless_equal: Name of a column; rows that have the same value in it are left alone.
    """
    if rows:
        rows = with_defaults(table, rows)
        keys = None if key is None else tuple(key)
        sql = _upsert(connection.dialect.name, table, tuple(rows[0]), tuple(update), keys, unless_equal)
        _write(connection, sql, table, rows)


@lru_cache
def _upsert(
    dialect: str,
    table: Table,
    names: tuple[str, ...],
    update: tuple[str, ...],
    key: tuple[str, ...] | None,
    unless_equal: str | None,
) -> str:
    statement = _insert(dialect, table, names)
    where = None if unless_equal is None else table.c[unless_equal].is_distinct_from(statement.excluded[unless_equal])
    statement = statement.on_conflict_do_update(
        index_elements=[table.c[name] for name in key] if key else list(table.primary_key.columns),
        set_={name: statement.excluded[name] for name in update},
        where=where,
    )
    return _compiled(dialect, statement)


def add_up(
    connection: Connection,
    table: Table,
    rows: Rows,
    *,
    sums: Iterable[str],
    lowest: Iterable[str],
    highest: Iterable[str],
) -> None:
    """Insert rows, or add them to those that have their primary key.

    Args:
        connection: A write transaction.
        table: Where to.
        rows: No key twice, sorted by key (see :func:`insert_missing`).
        sums: Columns that are added.
        lowest: Columns of which the lower value stays.
        highest: Columns of which the higher value stays.
    """
    if not rows:
        return
    rows = with_defaults(table, rows)
    dialect = connection.dialect.name
    statement = _insert(dialect, table, tuple(rows[0]))
    old, new = table.c, statement.excluded
    changes: dict[str, Any] = {name: old[name] + new[name] for name in sums}
    changes |= {name: case((new[name] < old[name], new[name]), else_=old[name]) for name in lowest}
    changes |= {name: case((new[name] > old[name], new[name]), else_=old[name]) for name in highest}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)
    _write(connection, _compiled(dialect, statement), table, rows)


def _insert(dialect: str, table: Table, names: Sequence[str]) -> Any:
    """Return an insert: of one row on SQLite; on PostgreSQL, of rows that arrive as one JSON parameter.

    One statement for a page takes PostgreSQL about half the time of one for each row.
    """
    if dialect == "sqlite":
        return sqlite.insert(table).values({name: bindparam(name) for name in names})
    columns = [column(name, table.c[name].type) for name in names]
    given = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    source = given.table_valued(*columns, name="given").render_derived(with_types=True)
    return postgresql.insert(table).from_select(
        list(names), select(*(source.c[name] for name in names)), include_defaults=False
    )


def _compiled(dialect: str, statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECTS[dialect]))


def _write(connection: Connection, sql: str, table: Table, rows: Rows) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(sql, as_tuples(table, rows))
    else:
        connection.exec_driver_sql(sql, {"rows": as_recordset(rows)})


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
    if not isinstance(key.type, Uuid):
        return connection.execute(_locked(select(*columns).where(key.in_(values), *where), key, lock)).all()
    statement = _rows_of_ids(connection.dialect.name, tuple(columns), key, lock)
    given = {"ids": _given(connection.dialect.name, values)}
    return connection.execute(statement.where(*where) if where else statement, given).all()


def is_one_of(dialect: str, key: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    """Return whether ``key``, a column of ids, is any of ``ids``: with thousands it takes half as long as ``IN``."""
    return _is_among(dialect, key, bindparam("ids", _given(dialect, ids), Text))


@lru_cache(256)
def _rows_of_ids(
    dialect: str, columns: tuple[Any, ...], key: ColumnElement[Any], lock: Literal["update", "share"] | None
) -> Select[Any]:
    """Return a select by ids that arrive as one parameter: its text is the same for any number of them."""
    return _locked(select(*columns).where(_is_among(dialect, key, bindparam("ids", type_=Text))), key, lock)


def _is_among(dialect: str, key: Any, given: BindParameter[str]) -> ColumnElement[bool]:
    among: ColumnElement[bool]
    if dialect == "sqlite":
        among = key.in_(select(func.json_each(given).table_valued("value").c.value))
    else:
        # As text it would be no constant to the planner, who then compares each row with one id after the other.
        among = key == func.any(text("CAST(:ids AS UUID[])").bindparams(given))
    return among


def _given(dialect: str, ids: Collection[UUID]) -> str:
    texts = [id.hex for id in ids]
    return orjson.dumps(texts).decode() if dialect == "sqlite" else f"{{{','.join(texts)}}}"


def _locked(statement: Select[Any], key: ColumnElement[Any], lock: Literal["update", "share"] | None) -> Select[Any]:
    return statement.order_by(key).with_for_update(read=lock == "share") if lock else statement


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
