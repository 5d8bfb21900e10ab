"""The set-based statements do the same on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, insert, select

from core.db.bulk import after, insert_missing, lock_table, rows_in, table_of, upsert
from core.db.engine import make_engine, writing
from core.db.models import Activity, AuditEntry, Identity, Membership, Person

IDENTITY, ACTIVITY, MEMBERSHIP, PERSON = map(table_of, (Identity, Activity, Membership, Person))
NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = make_engine(database_url)
    with writing(engine) as connection:
        yield connection
    engine.dispose()


def identity(n: int, value: str = "v", owner: int = 1) -> dict[str, Any]:
    return {"id": UUID(int=n), "kind": "person", "type": "email", "value": value, "entity_id": UUID(int=owner)}


def values(connection: Connection) -> list[str]:
    return list(connection.scalars(select(IDENTITY.c.value).order_by(IDENTITY.c.id)))


def test_only_missing_rows_are_inserted(connection: Connection):
    insert_missing(connection, IDENTITY, [identity(1, "a")])
    insert_missing(connection, IDENTITY, [identity(1, "b"), identity(2, "b")])
    insert_missing(connection, IDENTITY, [])
    assert values(connection) == ["a", "b"]


def test_an_upsert_changes_the_named_columns_alone(connection: Connection):
    upsert(connection, IDENTITY, [identity(1, "a", 1)], update=("value",))
    upsert(connection, IDENTITY, [identity(1, "b", 2), identity(2, "c")], update=("value",))
    upsert(connection, IDENTITY, [], update=("value",))
    rows = connection.execute(select(IDENTITY.c.value, IDENTITY.c.entity_id).order_by(IDENTITY.c.id)).all()
    assert rows == [("b", UUID(int=1)), ("c", UUID(int=1))]


def activity(content: bytes, text: str) -> dict[str, Any]:
    return {
        "id": UUID(int=1),
        "source_id": 1,
        "type": "said",
        "remote_id": "1",
        "record_link_id": UUID(int=9),
        "occurred_at": NOON,
        "historical": True,
        "attributes": {"text": text},
        "content_hash": content,
    }


def test_rows_that_are_equal_in_one_column_are_left_alone(connection: Connection):
    texts = []
    for content, text in ((b"1", "a"), (b"1", "b"), (b"2", "c")):
        row = activity(content, text)
        upsert(connection, ACTIVITY, [row], update=("attributes", "content_hash"), unless_equal="content_hash")
        texts.append(connection.scalar(select(ACTIVITY.c.attributes)))
    assert texts == [{"text": "a"}, {"text": "a"}, {"text": "c"}]


def test_every_type_of_column_arrives_as_it_was(connection: Connection):
    odd = "".join(chr(n) for n in range(1, 0x300)) + "\\u0000 😀 ' \" %s :x {1}"
    row = {**activity(bytes(range(16)), odd), "person_id": None, "organization_id": UUID(int=2**128 - 1)}
    row["attributes"] = {"n": 2**62, "x": 0.1, "none": None, "list": [True, odd], odd: {}}
    upsert(connection, ACTIVITY, [row], update=("attributes",))
    stored = connection.execute(select(ACTIVITY)).mappings().one()
    assert {key: stored[key] for key in row} == row
    assert stored["organization_link_id"] is None


def test_a_conflict_may_be_on_a_key_of_several_columns(connection: Connection):
    row = {name: UUID(int=1) for name in ("person_link_id", "organization_link_id", "person_id", "organization_id")}
    for position in (1, 2):
        upsert(
            connection,
            MEMBERSHIP,
            [row | {"position": position}],
            update=("position",),
            key=("person_link_id", "organization_link_id"),
        )
    assert connection.scalars(select(MEMBERSHIP.c.position)).all() == [2]


def test_rows_are_found_in_one_statement_whatever_their_number(connection: Connection):
    insert_missing(connection, IDENTITY, [identity(n, str(n % 2)) for n in range(1, 2_001)])
    sent: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *args: sent.append(args[2]))
    wanted = [UUID(int=n) for n in range(1_001, 3_001)]
    rows = rows_in(connection, [IDENTITY.c.id], IDENTITY.c.id, wanted, IDENTITY.c.value == "1", lock="update")
    assert {row.id.int for row in rows} == set(range(1_001, 2_001, 2))
    assert len(sent) == 1
    assert rows_in(connection, [IDENTITY.c.id], IDENTITY.c.id, ()) == ()
    assert len(sent) == 1


@pytest.mark.parametrize("lock", ["update", "share"])
def test_found_rows_can_be_locked(postgres_url: str, lock: Any):
    engine = make_engine(postgres_url)
    with writing(engine) as connection:
        insert_missing(connection, IDENTITY, [identity(1)])
    with writing(engine) as holder, writing(engine) as other:
        rows_in(holder, [IDENTITY], IDENTITY.c.id, [UUID(int=1)], lock=lock)
        free = select(IDENTITY.c.id).with_for_update(skip_locked=True)
        assert other.execute(free).all() == []
        shared = select(IDENTITY.c.id).with_for_update(read=True, skip_locked=True)
        assert len(other.execute(shared).all()) == (lock == "share")
    engine.dispose()


def test_a_locked_table_is_written_to_by_nobody_else(postgres_url: str):
    engine = make_engine(postgres_url)
    with writing(engine) as holder, engine.connect() as other:
        lock_table(holder, IDENTITY)
        other.exec_driver_sql("SET lock_timeout = '50ms'")
        assert other.execute(select(IDENTITY)).all() == []
        with pytest.raises(Exception, match="lock timeout"):
            insert_missing(other, IDENTITY, [identity(1)])
    engine.dispose()


def test_a_table_can_be_locked_on_any_database(connection: Connection):
    lock_table(connection, IDENTITY)
    insert_missing(connection, IDENTITY, [identity(1, "a")])
    assert values(connection) == ["a"]


def test_pages_by_position_give_every_row_once(connection: Connection):
    audit = table_of(AuditEntry)
    moments = [NOON.replace(hour=n // 3) for n in range(10)]
    rows = [{"at": at, "actor": "", "action": "", "target": "", "detail": {}} for at in moments]
    connection.execute(insert(audit), rows)
    columns = (audit.c.at, audit.c.id)
    statement = select(*columns).order_by(*columns).limit(4)
    seen: list[Any] = []
    while page := connection.execute(after(statement, columns, seen[-1]) if seen else statement).all():
        seen += page
    assert len(seen) == len(set(seen)) == 10
    assert seen == sorted(seen)
