"""Fixtures for every test: real databases, a real Valkey, a real browser, and no way out of this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis
from playwright.sync_api import BrowserContext

from core.runtime.valkey import EmbeddedValkey
from plugins.intercom.sandbox.gate import Gate
from tests.support.browser import outside_requests
from tests.support.network import only_this_machine
from tests.support.postgres import PostgresServer
from tests.support.writes import noting

CHROMIUMS = ("chromium-headless-shell", "chromium", "google-chrome")
SANDBOX_TESTS = Path(__file__).parent / "plugins" / "intercom" / "sandbox"

# A shared, slow machine is no reason for a failure.
hypothesis.settings.register_profile("mainstem", deadline=None, max_examples=50)
hypothesis.settings.load_profile("mainstem")


# Several workers: what takes long begins first, so that none is at it alone in the end.

SLOW = ("faults", "browser", "jobs", "cli", "kit")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Begin one more worker than there are processors: many tests wait for processes that they started."""
    return min((os.cpu_count() or 1) + 1, 5)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker's share, a stretch of the list until it takes over others' work, begin with slow tests."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    slow_first = sorted(items, key=lambda item: item.path.parent.name not in SLOW)
    items[:] = [item for worker in range(workers) for item in slow_first[worker::workers]]


@pytest.fixture(scope="session", autouse=True)
def _on_this_machine() -> Iterator[None]:
    with only_this_machine():
        yield


@pytest.fixture(autouse=True)
def _nothing_is_written_at_a_vendor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail each test that has a sandbox asked to write, but those of the sandbox that ask it themselves (R13)."""
    written: list[str] = []
    if not request.path.is_relative_to(SANDBOX_TESTS):
        monkeypatch.setattr(Gate, "_refuse_writes", noting(Gate._refuse_writes, written))
    yield
    assert written == []


# Databases: migrated once per session; SQLite's is copied for each test, PostgreSQL's emptied.


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL without tables."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_server: PostgresServer) -> str:
    from core.db.migrate import upgrade

    name = postgres_server.create()
    upgrade(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from core.db.migrate import upgrade

    file = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, _migrated_postgres: str) -> Iterator[str]:
    """URL of a migrated, empty PostgreSQL database that only this test uses."""
    yield postgres_server.url(_migrated_postgres)
    postgres_server.empty(_migrated_postgres)


@pytest.fixture
def sqlite_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite database of this test's own."""
    return f"sqlite:///{shutil.copy(_migrated_sqlite, tmp_path / 'test.sqlite3')}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated, empty database of this test's own: the test runs on SQLite, then on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


# Valkey


@pytest.fixture(scope="session")
def _valkey_server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="valkey-", dir="/tmp"))
    server = EmbeddedValkey(folder)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def valkey_url(_valkey_server: str) -> str:
    """URL of a real, empty Valkey."""
    with redis.Redis.from_url(_valkey_server) as client:
        client.flushall()
    return _valkey_server


# Browser: the fixtures of pytest-playwright (``page``, ``context``) with Debian's Chromium.


@pytest.fixture(scope="session")
def base_url() -> str | None:
    """Address that relative links of ``page.goto`` start from; tests with a web server override it."""
    return None


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start the Chromium of this machine, without its own calls home."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if not program:
        pytest.fail("no Chromium: make chromium installs it, or set CHROMIUM to its path")
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": program, "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Give every browser the same language, clock and window."""
    window = {"width": 1440, "height": 900}
    return {**browser_context_args, "locale": "en-GB", "timezone_id": "UTC", "viewport": window}


@pytest.fixture
def context(context: BrowserContext) -> Iterator[BrowserContext]:
    """A browser context whose pages may ask this machine alone: any other request fails the test."""
    outside = outside_requests(context)
    yield context
    assert outside == []
