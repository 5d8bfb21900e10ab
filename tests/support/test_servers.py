"""The fixtures do what their names promise."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import psycopg
import pytest
import redis
from sqlalchemy import create_engine, inspect, select, text

from core.db.bulk import table_of
from core.db.models import AuditEntry
from tests.support.network import OutsideError, is_local
from tests.support.postgres import PostgresServer


def test_postgres_is_real_and_its_databases_are_apart(postgres_server: PostgresServer):
    names = [postgres_server.create(), postgres_server.create()]
    first, second = (create_engine(postgres_server.url(name)) for name in names)
    with first.begin() as connection:
        assert "PostgreSQL 18" in connection.execute(text("select version()")).scalar_one()
        connection.execute(text("create table only_here (id int)"))
    assert inspect(first).has_table("only_here")
    assert not inspect(second).has_table("only_here")
    for engine in (first, second):
        engine.dispose()
    for name in names:
        postgres_server.drop(name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres_server.url(names[0]).replace("+psycopg", ""))


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_gets_a_migrated_and_empty_database(database_url: str, attempt: int):
    engine = create_engine(database_url)
    entry = {"at": datetime.now(UTC), "actor": "ann", "action": "look", "target": "here", "detail": {}}
    with engine.begin() as connection:
        assert connection.execute(text("select count(*) from alembic_version")).scalar_one() == 1
        assert connection.execute(table_of(AuditEntry).insert(), entry).inserted_primary_key == (1,)
        assert len(connection.execute(select(AuditEntry)).all()) == 1
    engine.dispose()


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_gets_an_empty_valkey(valkey_url: str, attempt: int):
    with redis.Redis.from_url(valkey_url) as client:
        assert client.info("server")["server_name"] == "valkey"
        assert client.dbsize() == 0
        client.set("left", attempt)


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 443)])
def test_no_test_reaches_another_machine(address: tuple[str, int]):
    with socket.socket() as client, pytest.raises(OutsideError, match=address[0]):
        client.connect(address)


def test_this_machine_stays_in_reach():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        (None, False),
    ],
)
def test_local_hosts_are_told_from_others(host: str | None, local: bool):
    assert is_local(host) is local
