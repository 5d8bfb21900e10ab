"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

JsonColumn = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON; JSONB on PostgreSQL. None is SQL NULL."""


def as_json(value: Any, default: Callable[[Any], Any] | None = None, options: int = 0) -> str:
    """Return ``value`` as JSON text.

    Args:
        value: Whatever the standard library takes.
        default: Makes something simpler of what is no JSON, or raises TypeError.
        options: Of :mod:`orjson`.
    """
    try:
        return orjson.dumps(value, default, options).decode()
    except TypeError:
        # Whole numbers beyond 64 bits are JSON too, but only to the slower writer.
        return json.dumps(value, default=default, separators=(",", ":"), ensure_ascii=False)


class _SqliteMoment(sqlite.DATETIME):
    """The dialect's own format, written several times as fast."""

    def bind_processor(self, dialect: Dialect) -> Any:
        return lambda value: None if value is None else value.isoformat(" ", "microseconds")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. A naive one is refused: it would mean another moment on every server."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else _SqliteMoment())  # type: ignore[no-untyped-call]

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
