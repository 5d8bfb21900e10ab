"""A sandbox that answers on a port, and installations of the plugin that are connected to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.host import Host
from core.runtime.valkey import stop_embedded
from core.services import syncing
from core.services.connecting import connect
from core.services.mainstem import Mainstem
from plugins.intercom import plugin
from plugins.intercom.sandbox import Sandbox, SandboxOptions
from tests.support.serving import served

# Each contact stays a person of its own: who shares an email is a matter of order, and of other tests.
CONFIG: dict[str, Any] = {"retention": {"days": None}, "merge": {"people": {"keys": []}}}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(SandboxOptions(people=220, companies=20, conversations=60, rpm=0))


@pytest.fixture
def address(sandbox: Sandbox) -> Iterator[str]:
    """Where the sandbox answers."""
    with served(sandbox.app) as url:
        yield url


Install = Callable[..., Mainstem]


@pytest.fixture
def install(sandbox: Sandbox, address: str, tmp_path: Path) -> Iterator[Install]:
    """Make an installation on a database, connect the sandbox and sync it once."""
    with ExitStack() as stack:

        def install(database_url: str, config: Mapping[str, Any] | None = None, **variables: str) -> Mainstem:
            name = f"instance-{len(list(tmp_path.iterdir()))}"
            environ = {
                "DATABASE_URL": database_url,
                "MAINSTEM_INSTANCE": str(tmp_path / name),
                **sandbox.environment(address),
                **variables,
            }
            mainstem = Mainstem.open(environ, Host([plugin]))
            stack.callback(mainstem.engine.dispose)
            stack.callback(stop_embedded, mainstem.settings)
            chosen = {**CONFIG, **(config or {}), "credentials": sandbox.credentials}
            source = connect(mainstem, "intercom", chosen, "test")
            # A scroll cannot be closed: it must have died before there can be another one.
            sandbox.store.advance(61)
            run = syncing.start(mainstem, source)
            syncing.run_inline(mainstem, run)
            assert syncing.progress(mainstem, run).status == "succeeded"
            return mainstem

        yield install


@pytest.fixture
def fresh_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of another empty database."""
    return f"sqlite:///{shutil.copy(_migrated_sqlite, tmp_path / 'fresh.sqlite3')}"
