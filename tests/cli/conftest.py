"""Commands run in this process on a migrated database, or as real processes with the shop installed."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.host import Host
from tests.cli.shop import Shop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Take away the log handler that a command installs: it writes to a stream that ends with the command."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@dataclass
class Cli:
    """Runs commands with an environment; a traceback of a command is a traceback of the test."""

    environ: dict[str, str]
    host: Host = field(default_factory=lambda: Host([Shop()]))

    def __call__(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        cleared: dict[str, str | None] = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PUBLIC_URL"))
        result = CliRunner().invoke(
            main, arguments, obj=self.host, env={**cleared, **self.environ}, input=stdin, catch_exceptions=False
        )
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Return the one document that the command writes to standard output."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def error(self, *arguments: str, code: int = 1, stdin: str | None = None) -> str:
        """Return the one line that the command fails with; nothing else may be written."""
        result = self(*arguments, code=code, stdin=stdin)
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")


@pytest.fixture
def cli(sqlite_url: str, tmp_path: Path) -> Cli:
    """Runs commands on an empty, migrated database, with the shop as the only plugin."""
    return Cli({"DATABASE_URL": sqlite_url, "MAINSTEM_INSTANCE": str(tmp_path / "instance")})


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Path of a configuration that connects the shop."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"name": "Corner", "credentials": {"key": "open"}}))
    return str(file)


@pytest.fixture
def connected(cli: Cli, config: str) -> Cli:
    """Like ``cli``, with the shop connected as data source 1."""
    cli("sources", "connect", "shop", "--config", config)
    return cli


@dataclass
class Processes:
    """Starts commands as processes that see the shop as an installed plugin, and nothing of the tests' own."""

    environ: Mapping[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=dict(self.environ),
            text=True,
            cwd=ROOT,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command that ends by itself."""
        process = self.start(*arguments)
        out, err = process.communicate()
        return process.returncode, out, err


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    info = tmp_path / "site" / "corner_shop-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: corner-shop\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[mainstem.plugins]\nshop = tests.cli.shop:plugin\n")
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL")}
    covered = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    found = Processes(
        {
            **kept,
            **covered,
            "PYTHONPATH": f"{ROOT}:{info.parent}",
            "MAINSTEM_INSTANCE": str(tmp_path / "instance"),
            "MAINSTEM_DISABLED_PLUGINS": "intercom,zendesk",
        }
    )
    yield found
    for process in found.started:
        # Politely first: a demo that is killed cannot stop what it started.
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()


@pytest.fixture
def free_port() -> int:
    """A port of this machine where nobody listens, nor at the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
