"""The sandbox over real HTTP, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from plugins.intercom.sandbox import Sandbox, SandboxOptions

ROOT = Path(__file__).parents[4]
RUN = """
from plugins.intercom.sandbox import Sandbox, SandboxOptions
Sandbox(SandboxOptions(people=200, latency_ms=100, rpm=0, faults={faults!r})).serve("127.0.0.1", {port})
"""


def start(faults: str = "") -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", RUN.format(port=port, faults=faults)], cwd=ROOT)
    url, pause = f"http://127.0.0.1:{port}", threading.Event()
    for _ in range(400):
        try:
            requests.get(f"{url}/_sandbox/counts", timeout=5)
            return process, url
        except requests.ConnectionError:
            assert process.poll() is None
            pause.wait(0.05)
    process.kill()
    raise AssertionError("the sandbox did not start")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process, address = start()
    yield address
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def headers() -> dict[str, str]:
    token = Sandbox(SandboxOptions(people=200)).credentials["access_token"]
    return {"Authorization": f"Bearer {token}", "Intercom-Version": "2.16"}


def test_http_and_wsgi_answer_alike(url: str, headers: dict[str, str]):
    client = Sandbox(SandboxOptions(people=200, rpm=0)).app.test_client()
    conversation = Sandbox(SandboxOptions(people=200)).store.conversation_maker.id_of(3)
    for path in (
        "/me",
        "/contacts?per_page=150",
        "/companies",
        f"/conversations/{conversation}",
        "/articles",
        "/nowhere",
    ):
        over_http = requests.get(url + path, headers=headers, timeout=20)
        inside = client.get(path, headers=headers)
        assert over_http.status_code == inside.status_code
        expected: Any = inside.json
        assert {**over_http.json(), "request_id": 0} == {**expected, "request_id": 0}
    query = {"query": {"field": "role", "operator": "=", "value": "lead"}}
    found = requests.post(f"{url}/contacts/search", json=query, headers=headers, timeout=20).json()
    assert found == client.post("/contacts/search", json=query, headers=headers).json


def test_many_slow_requests_are_in_flight_together_on_kept_connections(url: str, headers: dict[str, str]):
    requests.post(f"{url}/_sandbox/requests/reset", timeout=20)
    together = threading.Barrier(60)

    def ask(_: int) -> int:
        with requests.Session() as session:
            together.wait(20)
            return sum(session.get(f"{url}/me", headers=headers, timeout=20).status_code for _ in range(2))

    with ThreadPoolExecutor(60) as pool:
        assert list(pool.map(ask, range(60))) == [400] * 60
    seen = requests.get(f"{url}/_sandbox/requests", timeout=20).json()
    assert seen["max_in_flight"] >= 40
    assert seen["statuses"] == {"200": 120}


def test_changes_over_http_are_kept(url: str, headers: dict[str, str]):
    made = requests.post(f"{url}/_sandbox/create_contact", json={"name": "Kept"}, timeout=20).json()["result"]
    assert requests.get(f"{url}/contacts/{made}", headers=headers, timeout=20).json()["name"] == "Kept"
    requests.post(f"{url}/_sandbox/delete_contact", json={"contact_id": made}, timeout=20)
    assert requests.get(f"{url}/contacts/{made}", headers=headers, timeout=20).status_code == 404


def test_connections_are_really_reset_and_left_hanging(headers: dict[str, str]):
    process, url = start("reset:1,timeout:1,hold:30")
    try:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/me", headers=headers, timeout=20)
        with pytest.raises(requests.Timeout):
            requests.get(f"{url}/me", headers=headers, timeout=0.3)
        assert requests.get(f"{url}/me", headers=headers, timeout=20).status_code == 200
    finally:
        process.send_signal(2)
        assert process.wait(20) == 0


def test_the_environment_points_at_an_address():
    sandbox = Sandbox(SandboxOptions(people=1, client_id="app", client_secret="hush"))
    assert sandbox.environment("http://127.0.0.1:9001/") == {
        "INTERCOM_API_URL": "http://127.0.0.1:9001",
        "INTERCOM_APP_URL": "http://127.0.0.1:9001",
        "INTERCOM_CLIENT_ID": "app",
        "INTERCOM_CLIENT_SECRET": "hush",
    }
