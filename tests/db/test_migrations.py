"""Every database gets to the present shape and back, and its data with it."""

from __future__ import annotations

import inspect as source
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Boolean,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    String,
    Table,
    Uuid,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import Column

import core.db.models  # noqa: F401 -- registers the tables
from core.db.base import Model
from core.db.engine import make_engine
from core.db.migrate import MIGRATIONS, downgrade, pending, upgrade
from core.db.types import UtcDateTime
from tests.support.postgres import PostgresServer

CONFIG = Config()
CONFIG.set_main_option("script_location", str(MIGRATIONS))
REVISIONS = list(ScriptDirectory.from_config(CONFIG).walk_revisions())[::-1]

# SQLite does not say what an index on an expression is, so nothing compares those there; PostgreSQL does.
NO_EXPRESSIONS = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index", "ignore:autogenerate skipping .*expression-based"
)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_up_from_nothing_and_down_to_nothing_and_up_again(empty_url: str, engine: Engine):
    assert pending(engine)
    upgrade(empty_url)
    assert tables(engine) == set(Model.metadata.tables)
    assert not pending(engine)
    downgrade(empty_url, "base")
    assert tables(engine) == set()
    assert pending(engine)
    upgrade(empty_url)
    upgrade(empty_url)
    assert tables(engine) == set(Model.metadata.tables)


@NO_EXPRESSIONS
def test_the_tables_are_those_of_the_models(empty_url: str, engine: Engine):
    upgrade(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Model.metadata) == []


@NO_EXPRESSIONS
def test_a_difference_would_be_found(empty_url: str, engine: Engine):
    upgrade(empty_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person DROP COLUMN sms_subscribed")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert len(compare_metadata(context, Model.metadata)) == 1


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.revision)
def test_every_migration_goes_back(revision: Any):
    assert [line for line in source.getsource(revision.module.downgrade).splitlines() if "op." in line]
    assert revision.doc


def test_they_follow_each_other_in_one_line():
    assert len(ScriptDirectory.from_config(CONFIG).get_heads()) == 1
    assert [revision.revision for revision in REVISIONS] == [f"{n:04}" for n in range(1, len(REVISIONS) + 1)]


def sample(column: Column[Any], n: int) -> Any:
    """A value that the column may hold, different for each ``n`` where it must be."""
    if column.foreign_keys:
        return 1
    kind = column.type
    if isinstance(kind, Uuid):
        return UUID(int=n)
    if isinstance(kind, Boolean):
        return bool(n % 2)
    if isinstance(kind, Integer):
        return n
    if isinstance(kind, UtcDateTime | DateTime):
        return datetime(2026, 1, n, 12, tzinfo=UTC)
    if isinstance(kind, LargeBinary):
        return bytes([n]) * 16
    if isinstance(kind, String):
        return f"{column.name} {n} é"
    return {"n": [n, None, "é"]}


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in Model.metadata.sorted_tables:
            # A table whose key is made of references can hold one combination only.
            count = 1 if all(column.foreign_keys for column in table.primary_key) else 2
            rows = [{column.name: sample(column, n) for column in table.columns} for n in range(1, count + 1)]
            connection.execute(insert(table), rows)


def content(engine: Engine, names: set[str]) -> Mapping[str, Any]:
    with engine.connect() as connection:
        found = {}
        for name in names:
            table: Table = Model.metadata.tables[name]
            key = list(table.primary_key.columns)
            found[name] = connection.execute(select(table).order_by(*key)).mappings().all()
        return found


def test_data_survives_every_step_but_the_first(empty_url: str, engine: Engine):
    """Down to each revision and up again: what the older shape can hold is still there."""
    upgrade(empty_url)
    fill(engine)
    names = set(Model.metadata.tables)
    before = content(engine, names)
    assert all(before.values())
    for revision in REVISIONS[-2::-1]:
        downgrade(empty_url, revision.revision)
        kept = tables(engine) & names
        upgrade(empty_url)
        after = content(engine, kept)
        assert {name: len(rows) for name, rows in after.items()} == {name: len(before[name]) for name in kept}
    downgrade(empty_url, "base")
    assert tables(engine) == set()
    upgrade(empty_url)
    assert not any(content(engine, names).values())


def test_participants_are_told_of_their_activity(empty_url: str, engine: Engine):
    upgrade(empty_url)
    fill(engine)
    told = "SELECT source_id, type, occurred_at FROM {} ORDER BY source_id"
    downgrade(empty_url, "0001")
    with engine.begin() as connection:
        # Of an activity that is gone.
        connection.execute(text("UPDATE participant SET activity_id = :id"), {"id": UUID(int=9).hex})
        ids = connection.execute(text("SELECT id FROM activity ORDER BY id")).scalars().all()
        connection.execute(text("DELETE FROM participant WHERE person_id = :id"), {"id": UUID(int=2).hex})
        row = {"activity": ids[0], "link": UUID(int=5).hex, "person": UUID(int=6).hex}
        connection.execute(text("INSERT INTO participant VALUES (:activity, :link, :person)"), row)
    upgrade(empty_url)
    with engine.connect() as connection:
        activities = connection.execute(text(told.format("activity"))).all()
        assert connection.execute(text(told.format("participant"))).all() == activities[:1]


def test_a_step_that_fails_leaves_nothing_half_done(tmp_path: Path):
    file = tmp_path / "taken.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE person (id INTEGER)")
    connection.close()
    with pytest.raises(Exception, match="already exists"):
        upgrade(f"sqlite:///{file}")
    engine = make_engine(f"sqlite:///{file}")
    assert tables(engine) == {"person"}
    engine.dispose()
