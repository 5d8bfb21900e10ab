"""Webhooks as they are in operation: the sandbox delivers over HTTP to the web admin, workers do the rest."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from core.db.models import DataSource, Person, WebhookDelivery
from plugins.intercom.sandbox import Sandbox, SandboxOptions
from tests.services.conftest import rows
from tests.webhooks.conftest import Install
from tests.webhooks.snapshot import differences, snapshot
from tests.webhooks.topics import TOPICS, Changes

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def sandbox() -> Sandbox:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{free_port}/webhooks/intercom"
    sandbox = Sandbox(SandboxOptions(people=220, companies=20, conversations=60, rpm=0, webhook_url=url))
    sandbox.store.webhooks.uninstall_url = url
    return sandbox


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start commands of Mainstem as processes, and end them."""
    with ExitStack() as stack:

        def start(environ: dict[str, str], *command: str) -> subprocess.Popen[str]:
            log = stack.enter_context((tmp_path / f"{command[0]}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", "core.cli", *command, "--json"],
                env={**os.environ, **environ},
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.terminate)
            assert process.stdout
            # It prints one line when it is ready to begin.
            json.loads(process.stdout.readline())
            return process

        yield start


def until(condition: Callable[[], Any]) -> None:
    while not condition():
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return requests.head(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_what_happens_at_the_vendor_happens_here(
    install: Install, start: Start, sandbox: Sandbox, postgres_url: str, valkey_url: str, fresh_url: str
):
    mainstem = install(postgres_url, REDIS_URL=valkey_url)
    webhooks = sandbox.store.webhooks
    assert webhooks.url
    environ = dict(mainstem.environ)
    start(environ, "serve", "--port", webhooks.url.split(":")[2].split("/")[0])
    start(environ, "worker")
    until(lambda: answers(str(webhooks.url)))
    changes = Changes(sandbox)
    webhooks.start()
    for topic in TOPICS:
        changes.make(topic)
    assert webhooks.settle(60)
    assert webhooks.head_status == 200
    assert {status for delivery in webhooks.log for status in delivery.statuses} == {200}

    def states() -> list[str]:
        return [row["state"] for row in rows(mainstem.engine, WebhookDelivery)]

    until(lambda: states() and set(states()) == {"done"})
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []
    assert any(row["first_name"] == "Nova" for row in rows(mainstem.engine, Person))

    # The app is removed: the vendor ends the token and tells of it.
    sandbox.store.revoke_token()
    webhooks.uninstalled()
    until(lambda: rows(mainstem.engine, DataSource)[0]["state"] == "needs_attention")
