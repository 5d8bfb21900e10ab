"""How fast webhooks are answered, and how soon what they tell is in the database: all of it as operators run it.

``mainstem serve`` answers on PostgreSQL, ``mainstem worker`` works off, the sandbox is read; each is a process of its
own, and so is who delivers. Deliveries leave at set times, whether or not earlier ones were answered, and the time of
an answer counts from the set time: a server that falls behind cannot hide it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import requests
from sqlalchemy import Engine, text

from benchmarks.support import Databases, Vendor, connect, databases, figure, free_port, vendor
from core.db.engine import make_engine

UNLIMITED = 100_000_000
CONNECTIONS = 32


def run() -> None:
    """Print the figures of answers at 500 deliveries a second, and of changes at 100 a second."""
    with databases() as bases, vendor(people=6_000, companies=0, conversations=0, rpm=UNLIMITED) as at:
        contacts = _contacts(at, 6_000)
        answers(bases, at, contacts, rate=500, seconds=10)
        changes(bases, at, contacts, rate=100, seconds=20)


def answers(bases: Databases, at: Vendor, contacts: Sequence[str], rate: int, seconds: int) -> None:
    """Answer times at a sustained rate, and what was stored of what was answered."""
    with _installation(bases, at, "answers", workers=0) as (port, engine, serve):
        _deliver(port, _bodies(at, contacts[:rate], "warm"), rate)
        bodies, before = _bodies(at, contacts[: rate * seconds], "load"), _cpu_seconds(serve)
        times, statuses = _deliver(port, bodies, rate)
        # What it costs does not depend on what else the machine has to do.
        figure("webhooks.answer.cpu", (_cpu_seconds(serve) - before) / len(bodies) * 1000, "ms", rate=rate)
        _show_times("webhooks.answer", times, statuses, rate=rate, seconds=seconds)
        with engine.connect() as connection:
            stored = connection.execute(text("SELECT count(*) FROM webhook_delivery")).scalar_one()
        figure("webhooks.stored", stored, "deliveries", sent=rate + rate * seconds)


def changes(bases: Databases, at: Vendor, contacts: Sequence[str], rate: int, seconds: int) -> None:
    """Time from a delivery's set time until another process sees its change in the database."""
    with _installation(bases, at, "changes", workers=1) as (port, engine, _):
        bodies = _bodies(at, contacts[: rate * seconds], "change")
        seen: dict[str, float] = {}
        watcher = threading.Thread(target=_watch, args=(engine, len(bodies), seen))
        watcher.start()
        began = time.perf_counter() + 1
        times, statuses = _deliver(port, bodies, rate, began)
        watcher.join()
        late = [seen[f"change-{number}"] - (began + number / rate) for number in range(len(bodies))]
        _show_times("webhooks.answer", times, statuses, rate=rate, seconds=seconds)
        _show_times("webhooks.change", late, statuses, rate=rate, seconds=seconds)


def _show_times(name: str, times: Sequence[float], statuses: Mapping[int, int], **detail: Any) -> None:
    cuts = quantiles(times, n=100)
    errors = sum(count for status, count in statuses.items() if status != 200)
    for percent in (50, 95, 99):
        figure(f"{name}.p{percent}", cuts[percent - 1] * 1000, "ms", errors=errors, **detail)


@contextmanager
def _installation(bases: Databases, at: Vendor, name: str, workers: int) -> Iterator[tuple[int, Engine, int]]:
    """Serve a fresh installation with the sandbox connected; give its port, its database and its process."""
    url, instance, port = bases.fresh("postgresql"), bases.folder / name, free_port()
    connect(url, instance, at, objects={"contact": "all"})
    environ = {**os.environ, **at.environment, "DATABASE_URL": url, "MAINSTEM_INSTANCE": str(instance)}
    with ExitStack() as stack:
        engine = make_engine(url)
        stack.callback(engine.dispose)
        serve = stack.enter_context(_process(["serve", "--port", str(port)], environ, instance))
        if workers:
            stack.enter_context(_process(["worker", "-n", str(workers)], environ, instance))
        _wait_for(port)
        yield port, engine, serve


@contextmanager
def _process(command: list[str], environ: Mapping[str, str], instance: Path) -> Iterator[int]:
    with (instance / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "core.cli", *command], env=environ, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _cpu_seconds(pid: int) -> float:
    """Return what a process and its children have used of the processors."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            if requests.head(f"http://127.0.0.1:{port}/webhooks/intercom", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise RuntimeError("mainstem serve does not answer")


def _contacts(at: Vendor, count: int) -> list[str]:
    headers = {"Authorization": f"Bearer {at.credentials['access_token']}", "Intercom-Version": "2.16"}
    found: list[str] = []
    after: dict[str, Any] = {}
    while len(found) < count:
        page = requests.get(f"{at.url}/contacts", params={"per_page": 150, **after}, headers=headers, timeout=60).json()
        found += [row["id"] for row in page["data"]]
        if not page["pages"].get("next"):
            break
        after = {"starting_after": page["pages"]["next"]["starting_after"]}
    return found


def _bodies(at: Vendor, contacts: Sequence[str], name: str) -> list[bytes]:
    """Return requests, ready to be sent, that tell of these contacts."""
    token = f"Bearer {at.credentials['access_token']}"
    workspace = requests.get(f"{at.url}/me", headers={"Authorization": token}, timeout=60).json()["app"]["id_code"]
    return [_request(at, workspace, f"{name}-{number}", contact) for number, contact in enumerate(contacts)]


def _request(at: Vendor, workspace: str, id: str, contact: str) -> bytes:
    item = {"type": "contact", "id": contact, "workspace_id": workspace, "role": "user", "name": "Ann Example"}
    item |= {f"attribute_{number}": "a value of usual length" for number in range(40)}
    told = {
        "type": "notification_event",
        "app_id": workspace,
        "data": {"type": "notification_event_data", "item": item},
        "id": id,
        "topic": "contact.user.updated",
        "created_at": int(time.time()),
    }
    body = json.dumps(told).encode()
    signature = hmac.new(at.environment["INTERCOM_CLIENT_SECRET"].encode(), body, hashlib.sha1).hexdigest()
    head = (
        "POST /webhooks/intercom HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature: sha1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _deliver(
    port: int, bodies: Sequence[bytes], rate: int, began: float | None = None
) -> tuple[list[float], dict[int, int]]:
    """Send requests at a fixed rate over kept connections; return the time of each answer, and counts by status."""
    began = began or time.perf_counter() + 0.2
    times, statuses = [0.0] * len(bodies), [0] * len(bodies)

    def work(first: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(first, len(bodies), CONNECTIONS):
                due = began + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                statuses[number], connection = _send(port, connection, bodies[number])
                times[number] = time.perf_counter() - due

    threads = [threading.Thread(target=work, args=(first,)) for first in range(min(CONNECTIONS, len(bodies)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, {status: statuses.count(status) for status in set(statuses)}


def _send(port: int, connection: socket.socket, request: bytes) -> tuple[int, socket.socket]:
    """Return the status of the answer, 0 for none, and the connection to go on with: a server may close it."""
    for _ in range(2):
        try:
            connection.sendall(request)
            answer = _answer(connection)
        except OSError:
            answer = b""
        if b"connection: close" in answer.lower() or not answer:
            connection.close()
            connection = socket.create_connection(("127.0.0.1", port))
        if answer:
            return int(answer[9:12]), connection
    return 0, connection


def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65_536):
        answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            return answer
    return b""


def _watch(engine: Engine, count: int, seen: dict[str, float]) -> None:
    """Note when each delivery is seen to be done."""
    last = 0
    done = text("SELECT id, dedupe_key FROM webhook_delivery WHERE state = 'done' AND id > :last ORDER BY id")
    while len(seen) < count:
        with engine.connect() as connection:
            rows = connection.execute(done, {"last": last}).all()
        now = time.perf_counter()
        for row in rows:
            seen.setdefault(row.dedupe_key, now)
        # Batches are worked off in order of arrival.
        last = rows[-1].id if rows else last
        time.sleep(0.02)
