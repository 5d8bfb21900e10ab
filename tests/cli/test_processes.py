"""Commands that run until they are told to stop, as real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from urllib.request import urlopen

import pytest

from core.cli.sandbox import describe
from tests.cli.conftest import Processes


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_answers_once_it_says_so(processes: Processes, free_port: int, number: int):
    process = processes.start("sandbox", "shop", "--json", "--port", str(free_port), "--people", "7")
    assert process.stdout
    facts = json.loads(process.stdout.readline())
    url = f"http://127.0.0.1:{free_port}"
    assert facts == {"plugin": "shop", "url": url, "credentials": {"key": "open"}, "environment": {"SHOP_URL": url}}
    with urlopen(url) as answer:
        assert answer.read() == b"7 customers"
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out) == (0, "")
    assert "the shop is open" in err


def test_the_sandbox_says_for_people_what_to_type(processes: Processes, free_port: int):
    process = processes.start("sandbox", "shop", "--port", str(free_port))
    assert process.stdout
    text = "".join(process.stdout.readline() for _ in range(7))
    assert "  key: open\n" in text
    assert f"  export SHOP_URL=http://127.0.0.1:{free_port}\n" in text
    assert stop(process) == 0


def test_what_to_type_can_be_pasted_into_a_shell():
    facts = {"plugin": "shop", "url": "http://x", "credentials": {}, "environment": {"SECRETS": "a=1, b=2"}}
    text = describe(facts)
    assert "export SECRETS='a=1, b=2'" in text
    assert "Credentials:\n  none: consent in the web admin\n" in text


def test_a_reader_that_leaves_early_is_no_error(processes: Processes):
    assert processes.run("init")[0] == 0
    assert processes.run("users", "add", "ann@example.com", "--role", "owner")[0] == 0
    reader, writer = os.pipe()
    os.close(reader)
    process = processes.start("export", "users", stdout=writer)
    os.close(writer)
    _, err = process.communicate()
    assert err == ""


def test_the_web_admin_serves_until_told_to_stop(processes: Processes, free_port: int):
    processes.run("init")
    process = processes.start("serve", "--json", "--port", str(free_port), "--workers", "1")
    assert process.stdout
    assert process.stderr
    url = f"http://127.0.0.1:{free_port}"
    assert json.loads(process.stdout.readline()) == {"url": url, "workers": 1}
    log = process.stderr.readline()
    while "Booting worker" not in log:
        log = process.stderr.readline()
    assert json.loads(log)["logger"] == "gunicorn.error"
    with urlopen(f"{url}/healthz") as answer:
        assert answer.status == 200
    assert stop(process) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port))


def test_workers_do_what_is_queued(processes: Processes, valkey_url: str, config: str):
    processes.environ = {**processes.environ, "REDIS_URL": valkey_url}
    processes.run("init")
    processes.run("sources", "connect", "shop", "--config", config)
    worker = processes.start("worker", "-n", "2", "--json")
    assert worker.stdout
    assert json.loads(worker.stdout.readline()) == {"workers": 2}
    code, out, err = processes.run("sources", "sync", "1", "--wait", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["status"], summary["objects"]["customer"]["created"]) == ("succeeded", 3)
    assert stop(worker) == 0
