"""What JSON documents hold, as an index of PostgreSQL has it; SQLite has no such index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, cast, func, literal, literal_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement


def held(document: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the list of a document's values in lower case; keys that differ in case only lose none of them."""
    values = func.jsonb_path_query_array(document, literal_column("'$.*'"))
    return cast(func.lower(cast(values, Text)), JSONB)


def holds(document: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """Return whether a document holds ``value``, written as JSON, under any key, in upper or lower case.

    A list is held where one with all of its items is.
    """
    return held(document).contains(cast(func.lower(literal(f"[{value}]", Text())), JSONB))
