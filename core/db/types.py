"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

JsonColumn = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON; JSONB on PostgreSQL. None is SQL NULL."""

Plain = String().with_variant(String(collation="C"), "postgresql")
"""Text compared letter by letter, whatever the language of the database: one index finds beginnings and orders."""


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


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. A naive one is refused: it would mean another moment on every server."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def bind_processor(self, dialect: Dialect) -> Any:
        """On SQLite write the dialect's own format, in one call: pages have thousands of moments."""
        return super().bind_processor(dialect) if dialect.name == "postgresql" else _written

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else _in_utc(moment).replace(tzinfo=None).isoformat(" ", "microseconds")
