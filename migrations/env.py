"""Runs the migrations on the connection that :mod:`core.db.migrate` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

import core.db.models  # noqa: F401 -- registers the tables
from core.db.base import Model
from core.db.types import JsonColumn, UtcDateTime


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column types by name into generated migrations."""
    if kind == "type" and (item is JsonColumn or isinstance(item, UtcDateTime)):
        name = "JsonColumn" if item is JsonColumn else "UtcDateTime"
        autogen.imports.add(f"from core.db.types import {name}")
        return name if item is JsonColumn else f"{name}()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Model.metadata,
    # SQLite cannot alter a constraint: the table is copied instead.
    render_as_batch=True,
    compare_type=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
