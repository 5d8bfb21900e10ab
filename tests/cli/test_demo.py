"""The whole of Mainstem on one machine, and nothing of it left afterwards."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from core.cli.demo import ADMIN, Facts, connect, free_port, web_address
from core.contract.types import SandboxOptions
from core.host import Host
from core.services.mainstem import Mainstem
from core.services.sources import list_sources
from core.services.users import authenticate
from tests.cli.conftest import Cli, Processes
from tests.kit import depot
from tests.support.serving import served


@pytest.fixture
def instance(processes: Processes, tmp_path: Path) -> Iterator[Path]:
    """The instance folder of the demo; at the end no process may have anything to do with it."""
    folder = tmp_path / "instance"
    yield folder
    assert left(folder) == []


def left(folder: Path) -> list[str]:
    """Return the command lines of the processes that belong to an instance folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get("MAINSTEM_INSTANCE", "")]
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


def test_once_brings_everything_in_and_leaves_nothing_running_twice(processes: Processes, instance: Path):
    port = str(free_port(0))
    code, out, err = processes.run("demo", "--once", "--json", "--port", port)
    assert code == 0, err
    told = json.loads(out)
    assert (told["plugin"], told["sync"]["status"], told["counts"]["people"]) == ("shop", "succeeded", 3)
    assert left(instance) == []

    code, out, err = processes.run("demo", "--once", "shop", "--port", port)
    assert code == 0, err
    assert "3 unchanged" in out
    assert f"Web admin: http://127.0.0.1:{port}" in out
    password = out.split("Password:")[1].strip()
    mainstem = Mainstem.open({"MAINSTEM_INSTANCE": str(instance)})
    assert authenticate(mainstem, ADMIN, password)
    assert not authenticate(mainstem, ADMIN, told["password"])
    mainstem.engine.dispose()
    assert {file.name for file in (instance / "logs").iterdir()} == {"sandbox.log", "worker.log", "web-admin.log"}


def start(processes: Processes) -> tuple[subprocess.Popen[str], str]:
    """Start a demo and return it with the web admin's address, which no other demo takes, once all of it is up."""
    process = processes.start("demo", "--json", "--port", str(free_port(0)))
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.communicate()
    url = json.loads(line)["url"]
    with urlopen(f"{url}/healthz") as answer:
        assert answer.status == 200
    return process, url


def test_it_stops_all_it_started_when_told_to(processes: Processes, instance: Path):
    process, url = start(processes)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 0, err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))


def test_it_stops_all_it_started_when_told_to_during_the_first_sync(processes: Processes, instance: Path):
    process = processes.start("demo", "--port", str(free_port(0)))
    assert process.stderr
    while "bringing its data in" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode in (0, 1)  # the sync may have been quicker


def test_a_child_that_dies_is_named_and_the_others_are_stopped(processes: Processes, instance: Path):
    process, _ = start(processes)
    (sandbox,) = [child for child in psutil.Process(process.pid).children() if "sandbox" in child.cmdline()]
    sandbox.kill()
    _, err = process.communicate()
    assert process.returncode == 1
    assert "The sandbox ended by itself (signal SIGKILL); the end of" in err
    assert "the shop is open" in err


def test_data_sources_of_ones_own_never_meet_a_sandbox(connected: Cli):
    assert connected.error("demo", "shop").startswith("This installation has data sources of its own: ")


def test_the_web_admin_is_where_public_url_says_if_that_is_here():
    assert web_address({"PUBLIC_URL": "http://localhost:8123"}, None).port == 8123
    chosen = web_address({"PUBLIC_URL": "https://cdp.example.com"}, 8124)
    assert (chosen.port, chosen.public) == (8124, "https://cdp.example.com")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = free_port(port)
        assert other not in (0, port)
    assert free_port(port) == port
    address = web_address({}, None)
    assert address.public == f"http://127.0.0.1:{address.port}"


class Consenting(depot.Depot):
    """Knows no other way in than consent."""

    manifest = replace(depot.Depot.manifest, auth="oauth")


def test_a_vendor_without_credentials_is_connected_by_consent_and_again(sqlite_url: str, tmp_path: Path):
    sandbox = depot.Sandbox(SandboxOptions(people=3))
    with served(sandbox.app) as url:
        environ = {"DATABASE_URL": sqlite_url, "MAINSTEM_INSTANCE": str(tmp_path), **sandbox.environment(url)}
        mainstem = Mainstem.open(environ, Host([Consenting()]))
        facts = Facts(url, {}, sandbox.environment(url))
        source = connect(mainstem, "depot", facts, None)
        assert connect(mainstem, "depot", facts, source) == source
        (row,) = list_sources(mainstem)
        assert (row["state"], row["remote_id"]) == ("connected", "depot-1")
        mainstem.engine.dispose()
