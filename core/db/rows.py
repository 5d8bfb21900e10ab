"""Rows on their way to a driver, past SQLAlchemy's handling of parameters: converted column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import JSON, Column, Table, Uuid
from sqlalchemy.dialects import sqlite

from core.db.types import as_json

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows to be written: all with the same columns."""

_SQLITE = sqlite.dialect(json_serializer=as_json)


def with_defaults(table: Table, rows: Rows) -> Rows:
    """Add the columns that get a value of their own when none is given."""
    defaults = {name: default for name, default in _defaults(table).items() if name not in rows[0]}
    return [{**row, **{name: make() for name, make in defaults.items()}} for row in rows] if defaults else rows


@lru_cache
def _defaults(table: Table) -> Mapping[str, Callable[[], Any]]:
    def maker(default: Any) -> Callable[[], Any]:
        return (lambda: default.arg(None)) if default.is_callable else (lambda: default.arg)

    return {column.name: maker(column.default) for column in table.columns if column.default is not None}


def as_tuples(table: Table, rows: Rows) -> list[tuple[Any, ...]]:
    """Return the rows as SQLite stores them."""
    converters = _converters(table)
    columns = []
    # In the order in which the statement names them, which is the table's.
    for name in (each.name for each in table.columns if each.name in rows[0]):
        values, convert = [row[name] for row in rows], converters[name]
        columns.append(values if convert is None else list(map(convert, values)))
    return list(zip(*columns, strict=True))


@lru_cache
def _converters(table: Table) -> Mapping[str, Callable[[Any], Any] | None]:
    return {column.name: _converter(column) for column in table.columns}


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    """Return what SQLAlchemy does with a value of the column, in one call for the types that every row has."""
    if isinstance(column.type, Uuid):
        return _hex if column.nullable else attrgetter("hex")
    if isinstance(column.type, JSON) and not column.nullable:
        return as_json
    return column.type.dialect_impl(_SQLITE).bind_processor(_SQLITE)


def _hex(id: UUID | None) -> str | None:
    return None if id is None else id.hex


def as_recordset(rows: Rows) -> str:
    """Return the rows as the JSON that PostgreSQL reads them from."""
    return as_json(rows, _plain, orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be stored")
