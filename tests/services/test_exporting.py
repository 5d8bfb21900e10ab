"""Records as plain JSON and CSV, on both databases."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from core.db.bulk import table_of
from core.db.engine import make_engine, writing
from core.db.models import (
    Activity,
    Article,
    Collection,
    DataSource,
    Link,
    Membership,
    Organization,
    Person,
    Tagging,
    Team,
    TeamMember,
    User,
)
from core.services import exporting
from core.services.exporting import EXPORTS, count, export, write_csv

NOON = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
TIMES = {"created_at": NOON, "updated_at": NOON}
TEXT_TIMES = {"archived_at": None, "created_at": "2026-05-01T12:00:00Z", "updated_at": "2026-05-01T12:00:00Z"}
ANN, BOB, STUB, GONE = (UUID(int=number) for number in (1, 2, 3, 4))
ACME, BETA, GHOST = (UUID(int=number) for number in (11, 12, 13))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def put(engine: Engine, model: type[Any], *rows: dict[str, Any]) -> None:
    with writing(engine) as connection:
        connection.execute(table_of(model).insert(), list(rows))


def person(id: UUID, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        **dict.fromkeys(("email", "phone", "external_id", "first_name", "last_name")),
        "id": id,
        "email_subscribed": True,
        "sms_subscribed": False,
        "fields": {},
        "lineage": {},
        "stub": False,
        "merged_into": None,
        "archived_at": None,
    }
    return row | TIMES | values


def organization(id: UUID, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id,
        "name": None,
        "domain": None,
        "fields": {},
        "lineage": {},
        "stub": False,
        "merged_into": None,
    }
    return row | TIMES | values


def link(number: int, entity_id: UUID, remote_id: str, object: str = "contact", source: int = 1) -> dict[str, Any]:
    return {
        "id": UUID(int=number),
        "source_id": source,
        "object": object,
        "remote_id": remote_id,
        "entity_id": entity_id,
        "keys": [],
    }


def membership(number: int, person_id: UUID, organization_id: UUID, position: int) -> dict[str, Any]:
    links = {"person_link_id": UUID(int=number), "organization_link_id": organization_id}
    return links | {"person_id": person_id, "organization_id": organization_id, "position": position}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    put(
        engine,
        Person,
        person(ANN, email="ann@example.com", first_name="Ann", fields={"city": "Ulm", "shop.tags": ["a", "b"]}),
        person(BOB, archived_at=NOON, fields={"shop.bonus": 7, "shop.loyal": True}),
        person(STUB, stub=True),
        person(GONE, merged_into=ANN),
    )
    put(
        engine,
        Organization,
        organization(ACME, name="Acme; Sons", domain="acme.example", fields={"shop.size": 3}),
        organization(BETA),
        organization(GHOST, stub=True),
    )
    put(engine, Link, link(101, ANN, "c2"), link(102, ANN, "c1"), link(103, ANN, "x", source=2), link(104, ACME, "o1"))
    put(
        engine,
        Tagging,
        {"link_id": UUID(int=101), "name": "vip", "kind": "person", "entity_id": ANN},
        {"link_id": UUID(int=102), "name": "vip", "kind": "person", "entity_id": ANN},
        {"link_id": UUID(int=102), "name": "beta", "kind": "person", "entity_id": ANN},
        {"link_id": UUID(int=104), "name": "big", "kind": "organization", "entity_id": ACME},
    )
    put(
        engine,
        Membership,
        membership(101, ANN, BETA, 1),
        membership(102, ANN, ACME, 0),
        membership(103, ANN, BETA, 2),
        membership(104, ANN, GHOST, 3),
    )
    return engine


def test_people_have_the_promised_shape(filled: Engine):
    ann, bob = export(filled, "people")
    assert ann == {
        "id": str(ANN),
        "email": "ann@example.com",
        "phone": None,
        "external_id": None,
        "first_name": "Ann",
        "last_name": None,
        "email_subscribed": True,
        "sms_subscribed": False,
        **TEXT_TIMES,
        "fields": {"city": "Ulm", "shop.tags": ["a", "b"]},
        "tags": ["beta", "vip"],
        "organizations": [str(ACME), str(BETA)],
        "sources": [
            {"source": 1, "remote_id": "c1"},
            {"source": 1, "remote_id": "c2"},
            {"source": 2, "remote_id": "x"},
        ],
    }
    assert list(ann) == list(EXPORTS["people"].columns)
    assert (bob["archived_at"], bob["tags"], bob["organizations"]) == ("2026-05-01T12:00:00Z", [], [])


def test_organizations_have_the_promised_shape(filled: Engine):
    acme, beta = export(filled, "organizations")
    assert acme == {
        "id": str(ACME),
        "name": "Acme; Sons",
        "domain": "acme.example",
        **TEXT_TIMES,
        "fields": {"shop.size": 3},
        "tags": ["big"],
        "sources": [{"source": 1, "remote_id": "o1"}],
    }
    assert list(acme) == list(EXPORTS["organizations"].columns)
    assert beta["id"] == str(BETA)


def activity(number: int, **values: Any) -> dict[str, Any]:
    row = {
        "id": UUID(int=number),
        "source_id": 1,
        "type": "purchase",
        "remote_id": f"part:{number}",
        "record_link_id": UUID(int=9),
        "person_id": None,
        "organization_id": None,
        "occurred_at": NOON,
        "historical": False,
        "attributes": {},
        "content_hash": b"0" * 16,
    }
    return row | values


def test_activities_point_to_records_alone(filled: Engine):
    put(
        filled,
        Activity,
        activity(201, person_id=ANN, organization_id=ACME, attributes={"total": 9.5}),
        activity(202, person_id=STUB, organization_id=GHOST),
        activity(203),
    )
    first, second, third = export(filled, "activities")
    assert first == {
        "id": str(UUID(int=201)),
        "type": "purchase",
        "person": str(ANN),
        "organization": str(ACME),
        "source": 1,
        "remote_id": "part:201",
        "occurred_at": "2026-05-01T12:00:00Z",
        "attributes": {"total": 9.5},
    }
    assert list(first) == list(EXPORTS["activities"].columns)
    assert (second["person"], second["organization"], third["person"]) == (None, None, None)


def test_articles_name_their_collection(engine: Engine):
    shelf = {"id": UUID(int=301), "name": "Start", "position": 0, "translations": {}}
    put(engine, Collection, shelf | TIMES)
    row = {"source_id": 1, "title": "Hello", "body": "<p>Hi</p>", "state": "published", "translations": {"de": {}}}
    put(
        engine,
        Article,
        row | TIMES | {"id": UUID(int=302), "collection_id": UUID(int=301), "remote_id": "a1"},
        row | TIMES | {"id": UUID(int=303), "collection_id": None, "remote_id": "a2"},
    )
    first, second = export(engine, "articles")
    assert list(first) == list(EXPORTS["articles"].columns)
    assert (first["title"], first["collection"], first["translations"]) == ("Hello", "Start", {"de": {}})
    assert (second["remote_id"], second["collection"], second["created_at"]) == ("a2", None, "2026-05-01T12:00:00Z")


def test_users_and_teams_name_each_other(engine: Engine):
    source = {"id": 1, "plugin": "shop", "name": "Shop", "state": "connected", "remote_id": "s", "created_at": NOON}
    put(engine, DataSource, source)
    put(
        engine,
        User,
        {"id": 1, "email": "ann@example.com", "role": "owner", "state": "active", "created_at": NOON},
        {"id": 2, "email": "bob@example.com", "role": "agent", "state": "invited", "created_at": NOON},
    )
    put(
        engine,
        Team,
        {"id": 5, "name": "Support", "source_id": 1, "remote_id": "t", "created_at": NOON, "gone_at": NOON},
    )
    put(engine, TeamMember, {"team_id": 5, "user_id": 2, "source_id": 1}, {"team_id": 5, "user_id": 1, "source_id": 1})
    ann, bob = export(engine, "users")
    (team,) = export(engine, "teams")
    assert (ann["email"], ann["teams"], bob["teams"]) == ("ann@example.com", [5], [5])
    assert "password_hash" not in ann
    assert (team["members"], team["gone_at"]) == ([1, 2], "2026-05-01T12:00:00Z")
    assert list(ann) == list(EXPORTS["users"].columns)
    assert list(team) == list(EXPORTS["teams"].columns)


def test_any_number_comes_in_batches_each_record_once(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "BATCH", 10)
    put(engine, Person, *[person(UUID(int=number), email=f"{number}@example.com") for number in range(25)])
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    emails = [record["email"] for record in export(engine, "people")]
    assert emails == [f"{number}@example.com" for number in range(25)]
    # Three batches, each with its people, tags, data sources and memberships; nobody is in an organization.
    assert sum(statement.startswith("SELECT") for statement in statements) == 12


def test_a_number_of_records_that_fills_the_last_batch_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "BATCH", 5)
    put(engine, Person, *[person(UUID(int=number)) for number in range(10)])
    assert len(list(export(engine, "people"))) == 10


def test_counts_are_of_what_is_exported(filled: Engine):
    assert {kind: count(filled, kind) for kind in EXPORTS} == {
        "people": 2,
        "organizations": 2,
        "activities": 0,
        "articles": 0,
        "users": 0,
        "teams": 0,
    }


def written(engine: Engine, kind: str) -> list[list[str]]:
    stream = io.StringIO(newline="")
    write_csv(engine, kind, stream)
    return list(csv.reader(io.StringIO(stream.getvalue(), newline="")))


def test_csv_has_a_column_for_every_field(filled: Engine):
    header, ann, bob = written(filled, "people")
    fixed = [column for column in EXPORTS["people"].columns if column != "fields"]
    assert header == [*fixed, "city", "shop.bonus", "shop.loyal", "shop.tags"]
    row = dict(zip(header, ann, strict=True))
    assert row["tags"] == "beta; vip"
    assert row["organizations"] == f"{ACME}; {BETA}"
    assert row["sources"] == "1:c1; 1:c2; 2:x"
    assert (row["email_subscribed"], row["sms_subscribed"], row["phone"]) == ("true", "false", "")
    assert (row["city"], row["shop.bonus"], row["shop.tags"]) == ("Ulm", "", "a; b")
    assert dict(zip(header, bob, strict=True))["shop.bonus"] == "7"


def test_csv_keeps_an_attribute_that_is_called_like_a_fixed_column(engine: Engine):
    put(engine, Activity, activity(201, attributes={"type": "chat", "note": 'with "quotes",\nand lines'}))
    header, row = written(engine, "activities")
    assert header[-2:] == ["note", "type"]
    assert row[header.index("type")] == "purchase"
    assert row[-2:] == ['with "quotes",\nand lines', "chat"]
