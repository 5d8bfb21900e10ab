"""Engines: who writes at the same time, which moments are stored, and what an error gives away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from core.db.bulk import table_of
from core.db.engine import make_engine, writing
from core.db.models import AuditEntry, User

AUDIT, USER = table_of(AuditEntry), table_of(User)
NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def entry(at: datetime = NOON, actor: str = "ann") -> dict[str, object]:
    return {"at": at, "actor": actor, "action": "a", "target": "t", "detail": {}}


def test_nobody_loses_an_update_who_reads_and_then_writes(engine: Engine):
    with writing(engine) as connection:
        connection.execute(insert(AUDIT), [entry(actor="0")])

    def increment(_: int) -> None:
        with writing(engine) as connection:
            count = int(connection.execute(select(AUDIT.c.actor).with_for_update()).scalar_one())
            connection.execute(AUDIT.update().values(actor=str(count + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(increment, range(40)))
    with engine.connect() as connection:
        assert connection.execute(select(AUDIT.c.actor)).scalar_one() == "40"


def test_on_sqlite_a_transaction_that_will_write_holds_the_lock_from_its_start(sqlite_url: str):
    engine, other = make_engine(sqlite_url), make_engine(sqlite_url)
    with writing(engine), other.connect() as reader:
        assert reader.execute(select(AUDIT)).all() == []
        reader.rollback()
        reader.exec_driver_sql("PRAGMA busy_timeout = 0")
        with pytest.raises(OperationalError, match="database is locked"):
            reader.execute(insert(AUDIT), [entry()])
    engine.dispose()
    other.dispose()


def test_an_exception_undoes_what_was_written(engine: Engine):
    with pytest.raises(StatementError), writing(engine) as connection:  # noqa: PT012 -- the first statement succeeds
        connection.execute(insert(AUDIT), [entry()])
        connection.execute(insert(AUDIT), [entry(NOON.replace(tzinfo=None))])
    with engine.connect() as connection:
        assert connection.execute(select(AUDIT)).all() == []


def test_sqlite_enforces_foreign_keys_and_writes_ahead(sqlite_url: str):
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()


def test_moments_come_back_as_they_were_in_utc(engine: Engine):
    east = timezone(timedelta(hours=5, minutes=30))
    with writing(engine) as connection:
        connection.execute(insert(AUDIT), [entry(NOON.astimezone(east)), entry(NOON - timedelta(days=1))])
        (first, second) = connection.scalars(select(AUDIT.c.at).order_by(AUDIT.c.at))
        found = connection.scalars(select(AUDIT.c.id).where(AUDIT.c.at >= NOON.astimezone(east))).all()
    assert (first, second) == (NOON - timedelta(days=1), NOON)
    assert second.tzinfo is UTC
    assert len(found) == 1


def test_a_moment_without_a_time_zone_is_refused(engine: Engine):
    with pytest.raises(StatementError, match="has no time zone"), writing(engine) as connection:
        connection.execute(insert(AUDIT), [entry(NOON.replace(tzinfo=None))])


def test_no_moment_is_null(engine: Engine):
    user = {"email": "a@example.com", "role": "owner", "state": "active", "created_at": NOON, "last_login_at": None}
    with writing(engine) as connection:
        connection.execute(insert(USER), [user])
        assert connection.execute(select(USER.c.last_login_at, USER.c.preferences)).one() == (None, {})


def test_errors_do_not_show_what_was_to_be_stored(engine: Engine):
    user = {"email": "secret@example.com", "role": "owner", "state": "active", "created_at": NOON}
    with pytest.raises(DBAPIError) as caught, writing(engine) as connection:
        connection.execute(insert(USER), [user | {"email": None, "name": "a secret name"}])
    assert "hide_parameters" in str(caught.value)
    assert "SQL parameters" in str(caught.value)
    assert "[parameters:" not in str(caught.value)
