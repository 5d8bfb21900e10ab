"""An installation made of real processes, each of which can be killed: servers, vendor, worker and web admin."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import redis
import requests
from redis import Redis

from core.db.migrate import upgrade
from core.host import Host
from core.runtime.valkey import EmbeddedValkey
from core.services.mainstem import Mainstem
from plugins.intercom import plugin
from plugins.intercom.sandbox import Sandbox, SandboxOptions
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
MARK = "MAINSTEM_FAULTS"
LEASE_SECONDS = 2.0
# What an answered webhook brought must outlast a crash of the server, but not one of this machine.
DURABLE_ENOUGH = ("fsync=off",)
PATIENCE_SECONDS = 150.0


def until(condition: Callable[[], Any], what: str, between: Callable[[], None] = lambda: None) -> None:
    """Wait until ``condition`` holds, doing ``between`` again and again.

    Raises:
        AssertionError: It takes far too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        between()
        time.sleep(0.1)


def free_port() -> int:
    """Return a port of 127.0.0.1 where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Vendor:
    """The sandbox over HTTP."""

    def __init__(self, stack: ExitStack, folder: Path, options: Mapping[str, Any]) -> None:
        port = free_port()
        given = json.dumps({"port": port, "parent": os.getpid(), **options})
        with (folder / "vendor.log").open("w") as log:
            command = [sys.executable, "-m", "tests.faults.vendor", given]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        # Equal options make equal workspaces, credentials included.
        twin = Sandbox(SandboxOptions(**options))
        self.url = f"http://127.0.0.1:{port}"
        self.credentials = twin.credentials
        self.environment = twin.environment(self.url)
        self._http = stack.enter_context(requests.Session())
        until(lambda: answers(f"{self.url}/_sandbox/counts"), "the sandbox answers")

    def behind(self, path: str) -> Any:
        """Return what ``/_sandbox/{path}`` shows."""
        return self._http.get(f"{self.url}/_sandbox/{path}").json()

    def change(self, method: str, **arguments: Any) -> Any:
        """Change the workspace."""
        response = self._http.post(f"{self.url}/_sandbox/{method}", json=arguments)
        assert response.ok, response.text
        return response.json()["result"]

    def simulate(self, changes: int) -> None:
        """Let so many things happen there."""
        assert self._http.post(f"{self.url}/_sandbox/simulate?changes={changes}").ok

    def ask(self, path: str, **params: Any) -> Any:
        """Return what the API answers."""
        headers = {"Authorization": f"Bearer {self.credentials['access_token']}", "Intercom-Version": "2.16"}
        response = self._http.get(f"{self.url}{path}", params=params, headers=headers)
        assert response.ok, response.text
        return response.json()


def answers(url: str) -> bool:
    """Tell whether there is an answer."""
    try:
        return requests.head(url, timeout=5).ok
    except requests.RequestException:
        return False


class Installation:
    """Mainstem with PostgreSQL, Valkey and a vendor of its own; all of it ends with ``stack``.

    Attributes:
        mainstem: This process's view of the system.
        vendor: The sandbox, which sends webhooks to the web admin.
        postgres, valkey: The servers.
    """

    def __init__(self, stack: ExitStack, options: Mapping[str, Any]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
        stack.callback(shutil.rmtree, self.folder)
        self.postgres = PostgresServer(DURABLE_ENOUGH)
        stack.callback(self.postgres.stop)
        self.postgres.start()
        self.valkey = EmbeddedValkey(self.folder / "instance")
        stack.callback(self.valkey.stop)
        port = free_port()
        webhooks = f"http://127.0.0.1:{port}/webhooks/intercom"
        self.vendor = Vendor(stack, self.folder, {**options, "webhook_url": webhooks})
        ours = {
            "DATABASE_URL": self.postgres.url(self.postgres.create()),
            "REDIS_URL": self.valkey.start(),
            "MAINSTEM_INSTANCE": str(self.folder / "instance"),
            "MAINSTEM_LEASE_SECONDS": str(LEASE_SECONDS),
            **self.vendor.environment,
        }
        upgrade(ours["DATABASE_URL"])
        self.mainstem = Mainstem.open(ours, Host([plugin]))
        stack.callback(self.mainstem.engine.dispose)
        self._environ = {**os.environ, **ours}
        self._commands = {"worker": ["worker", "-n", "2"], "web": ["serve", "--port", str(port)]}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        for role in self._commands:
            stack.callback(self.kill, role)
            self._start(role)
        until(lambda: answers(webhooks), "the web admin answers", self.keep_up)

    def _start(self, role: str) -> None:
        with (self.folder / f"{role}.log").open("ab") as log:
            self._started[role] = subprocess.Popen(
                [sys.executable, "-m", "core.cli", *self._commands[role], "--json"],
                env={**self._environ, MARK: self._mark(role)},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def keep_up(self) -> None:
        """Start again what has died, as whoever runs Mainstem has it done."""
        for role, process in list(self._started.items()):
            if process.poll() is not None:
                self._start(role)

    def _mark(self, role: str) -> str:
        return f"{self.folder}:{role}"

    def processes(self, role: str) -> list[psutil.Process]:
        """All processes of the worker or the web admin, however they were started, the oldest first."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK) == self._mark(role)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda process: process.pid)

    def kill(self, role: str) -> None:
        """End all its processes as a power cut would."""
        while processes := self.processes(role):
            for process in processes:
                try:
                    process.kill()
                    process.wait(0.1)
                except psutil.Error:
                    continue
        if started := self._started.get(role):
            started.wait()

    def leave(self, role: str) -> int:
        """Ask it to leave, and return its exit code once none of its processes is left."""
        process = self._started.pop(role)
        process.terminate()
        code = process.wait()
        until(lambda: not self.processes(role), f"no process of the {role} is left")
        return code

    def kill_valkey(self) -> None:
        """End Valkey as a power cut would."""
        with Redis.from_url(self.valkey.url) as client:
            victim = int(client.info("server")["process_id"])
            os.kill(victim, signal.SIGKILL)
            until(lambda: not _pings(client), "Valkey is dead")

    def flush(self) -> None:
        """Let Valkey forget everything."""
        with Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def stop_database(self, crash: bool) -> None:
        """Take the database away."""
        self.mainstem.engine.dispose()
        self.postgres.halt(crash)

    def log(self, role: str) -> str:
        """Return what its processes said."""
        return (self.folder / f"{role}.log").read_text(errors="replace")


def _pings(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.RedisError:
        return False
