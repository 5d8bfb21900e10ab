"""What ``doctor`` and ``/readyz`` look at, each fault with its mend."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography.fernet import Fernet
from rq import Queue, Worker

from core.contract.example import Shop
from core.contract.types import EnvVar
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Partition, Run
from core.host import Host
from core.services.health import Check, configuration, examine, readiness, workers_at_work
from core.services.mainstem import Mainstem
from core.services.vault import Vault

HOUR = timedelta(hours=1)


class Variable(Shop):
    """A shop that reads two variables."""

    manifest = dataclasses.replace(
        Shop.manifest, environment=(EnvVar("SHOP_URL", "Its address.", kind="url"), EnvVar("SHOP_KEY", "Its key."))
    )


@pytest.fixture
def environ(sqlite_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": sqlite_url, "REDIS_URL": valkey_url, "MAINSTEM_INSTANCE": str(tmp_path / "instance")}


@contextmanager
def opened(environ: dict[str, str], *plugins: object) -> Iterator[Mainstem]:
    mainstem = Mainstem.open(environ, host=Host(plugins))
    try:
        yield mainstem
    finally:
        mainstem.engine.dispose()


def checks(environ: dict[str, str], *plugins: object) -> dict[str, Check]:
    with opened(environ, *plugins) as mainstem:
        return {check.name: check for check in examine(mainstem)}


@pytest.fixture
def worker(valkey_url: str) -> Iterator[None]:
    with redis.Redis.from_url(valkey_url) as client:
        worker = Worker([Queue("sync", connection=client)], connection=client)
        worker.register_birth()
        yield
        worker.register_death()


def test_an_installation_that_works(environ: dict[str, str], worker: None):
    found = checks(environ, Shop())
    assert all(check.ok and not check.mend for check in found.values()), found
    assert set(found) == {"database", "tables", "redis", "keys", "runs", "workers", "queues", "mail", "plugin shop"}
    assert found["database"].detail.startswith(f"{environ['DATABASE_URL']}, SQLite 3.")
    assert "Valkey" in found["redis"].detail
    assert found["workers"].detail == "1 at work"
    assert "outbox" in found["mail"].detail


def test_postgresql_tells_its_version(environ: dict[str, str], postgres_url: str):
    assert "PostgreSQL 18" in checks(environ | {"DATABASE_URL": postgres_url})["database"].detail


def test_a_malformed_setting_fails_the_configuration(environ: dict[str, str]):
    assert configuration(environ).ok
    check = configuration(environ | {"REDIS_URL": "http://:hush@host"})
    assert not check.ok
    assert check.detail.startswith("REDIS_URL: ")
    assert "hush" not in check.detail


def test_a_database_out_of_reach_hides_its_password_and_what_depends_on_it(environ: dict[str, str]):
    found = checks(environ | {"DATABASE_URL": "postgresql+psycopg://ann:hush@127.0.0.1:1/cdp"})
    assert not found["database"].ok
    assert "hush" not in found["database"].detail
    assert "DATABASE_URL" in found["database"].mend
    assert not {"tables", "keys", "runs"} & set(found)


def test_a_database_without_tables_asks_for_init(environ: dict[str, str], tmp_path: Path):
    found = checks(environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"})
    assert found["database"].ok
    assert (found["tables"].ok, found["tables"].mend) == (False, "run mainstem init")
    assert "runs" not in found


def test_a_redis_out_of_reach_hides_its_password(environ: dict[str, str]):
    found = checks(environ | {"REDIS_URL": "redis://:hush@127.0.0.1:1/0"})
    assert not found["redis"].ok
    assert "hush" not in found["redis"].detail
    assert "workers" not in found
    with opened(environ | {"REDIS_URL": "redis://127.0.0.1:1/0"}) as mainstem, pytest.raises(redis.ConnectionError):
        workers_at_work(mainstem.settings)


def test_the_embedded_valkey_is_looked_at_but_not_started(environ: dict[str, str]):
    del environ["REDIS_URL"]
    found = checks(environ)
    assert found["redis"].ok
    assert "does not run" in found["redis"].detail
    assert not found["workers"].ok
    assert not (Path(environ["MAINSTEM_INSTANCE"]) / "valkey" / "valkey.pid").exists()


def test_without_workers_it_asks_for_one(environ: dict[str, str]):
    check = checks(environ)["workers"]
    assert (check.ok, check.mend) == (False, "start mainstem worker")


def test_waiting_jobs_are_counted_by_queue(environ: dict[str, str], valkey_url: str):
    assert checks(environ)["queues"].detail == "no job is waiting"
    with redis.Redis.from_url(valkey_url) as client:
        Queue("sync", connection=client).enqueue("no.such.function")
        Queue("chores", connection=client).enqueue("no.such.function")
    assert checks(environ)["queues"].detail == "jobs waiting: chores 1, sync 1"


def store(mainstem: Mainstem, secrets: str = "", run: dict[str, Any] | None = None, **partition: Any) -> None:
    long_ago = _at(-HOUR)
    source = {"id": 1, "plugin": "shop", "name": "Shop", "state": "connected", "remote_id": "s", "created_at": long_ago}
    with writing(mainstem.engine) as connection:
        connection.execute(table_of(DataSource).insert(), source | {"secrets": secrets})
        if run is None:
            return
        row = {"id": 7, "source_id": 1, "kind": "initial", "state": "running", "created_at": long_ago}
        connection.execute(table_of(Run).insert(), row | _dated(run))
        part = {"run_id": 7, "source_id": 1, "object": "customer", "key": "all", "start": 0, "state": "ready"}
        connection.execute(table_of(Partition).insert(), part | _dated(partition))


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _at(value) if isinstance(value, timedelta) else value for name, value in row.items()}


def _at(distance: timedelta) -> datetime:
    return datetime.now(UTC) + distance


@pytest.mark.parametrize(
    ("run", "partition", "stuck"),
    [
        # Times are told as their distance from now.
        ({}, {}, True),
        ({}, {"lease_until": -HOUR}, True),
        ({"state": "queued"}, {}, True),
        ({}, {"lease_until": 0 * HOUR}, False),
        ({}, {"not_before": HOUR}, False),
        ({"lease_until": 0 * HOUR}, {}, False),
        ({"not_before": HOUR}, {}, False),
        ({"created_at": 0 * HOUR}, {}, False),
        ({"state": "succeeded"}, {}, False),
    ],
)
def test_a_run_on_which_nobody_works_is_stuck(
    environ: dict[str, str], run: dict[str, Any], partition: dict[str, Any], stuck: bool
):
    with opened(environ) as mainstem:
        store(mainstem, run=run, **partition)
    check = checks(environ)["runs"]
    assert check.ok is not stuck
    assert ("on run 7" in check.detail) is stuck


def test_credentials_that_no_key_opens_are_found(environ: dict[str, str]):
    foreign = Vault([Fernet.generate_key().decode()]).seal({"key": "open"})
    with opened(environ) as mainstem:
        store(mainstem, secrets=foreign)
    check = checks(environ)["keys"]
    assert not check.ok
    assert "data source 1" in check.detail
    assert "ENCRYPTION_KEYS" in check.mend


@pytest.fixture
def mail_server() -> Iterator[Controller]:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ann", b"right"), handled=False)

    controller = Controller(
        object(), hostname="127.0.0.1", port=_port(), authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    yield controller
    controller.stop()


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("user", "ok", "said"),
    [
        ("", True, "accepts mail"),
        ("ann:right@", True, "accepts mail"),
        ("ann:wrong@", False, "refuses user or password"),
    ],
)
def test_the_mail_server_is_asked(environ: dict[str, str], mail_server: Controller, user: str, ok: bool, said: str):
    check = checks(environ | {"SMTP_URL": f"smtp://{user}127.0.0.1:{mail_server.port}"})["mail"]
    assert (check.ok, said in check.detail) == (ok, True)
    assert "wrong" not in check.detail


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_mail_server_out_of_reach_is_told(environ: dict[str, str], scheme: str):
    check = checks(environ | {"SMTP_URL": f"{scheme}://127.0.0.1:1"})["mail"]
    assert not check.ok
    assert "SMTP_URL" in check.mend


def test_plugins_are_told_with_their_variables(environ: dict[str, str]):
    class Broken:
        manifest = None

    found = checks(environ | {"SHOP_URL": "https://shop.example"}, Variable(), Broken())
    assert found["plugin shop"].ok
    assert "SHOP_KEY is not set (Its key)" in found["plugin shop"].detail
    assert "SHOP_URL" not in found["plugin shop"].detail
    assert not found["plugin Broken"].ok
    assert "MAINSTEM_DISABLED_PLUGINS=Broken" in found["plugin Broken"].mend
    check = checks(environ | {"SHOP_URL": "nowhere"}, Variable())["plugin shop"]
    assert (check.ok, check.detail.startswith("SHOP_URL is not a URL")) == (False, True)


def test_plugins_that_are_no_data_source_are_told(environ: dict[str, str]):
    from core.contract.hookspecs import hookimpl

    class Wrapper:
        @hookimpl(wrapper=True)
        def sync(self) -> Any:
            return (yield)

    assert checks(environ, Wrapper())["plugin Wrapper"].detail == "wrapper"


def test_readiness_is_database_tables_and_redis(environ: dict[str, str]):
    with opened(environ) as mainstem:
        assert [(check.name, check.ok) for check in readiness(mainstem)] == [
            ("database", True),
            ("tables", True),
            ("redis", True),
        ]
