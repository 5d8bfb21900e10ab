"""What the benchmarks stand on: the sandbox in a process of its own, fresh installations, and figures."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from core.db.migrate import upgrade
from tests.support.postgres import DURABILITY_OFF, PostgresServer

PLUGIN = "intercom"


def figure(name: str, value: float, unit: str, **detail: Any) -> None:
    """Print one figure as a JSON line."""
    print(json.dumps({"figure": name, "value": round(value, 3), "unit": unit, **detail}), flush=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Vendor:
    """A running sandbox: its address, what its API accepts, and the variables that point the plugin at it."""

    url: str
    credentials: Mapping[str, str]
    environment: Mapping[str, str]

    def requests(self) -> Any:
        """Return what the sandbox counted."""
        return requests.get(f"{self.url}/_sandbox/requests", timeout=30).json()


_SERVE = """
import sys
from plugins.intercom.sandbox import Sandbox, SandboxOptions
options, prerendered, port = eval(sys.argv[1]), eval(sys.argv[2]), int(sys.argv[3])
sandbox = Sandbox(SandboxOptions(**options))
if prerendered is not None:
    from benchmarks.prerendered import Prerendered
    sandbox.app.wsgi_app = Prerendered(sandbox, **prerendered)
print(__import__("json").dumps([sandbox.credentials, sandbox.environment(f"http://127.0.0.1:{port}")]), flush=True)
sandbox.serve("127.0.0.1", port)
"""


@contextmanager
def vendor(core: int | None = None, prerendered: Mapping[str, Any] | None = None, **options: Any) -> Iterator[Vendor]:
    """Serve a sandbox while the block runs.

    Args:
        core: Keep it to this processor, away from what is measured.
        prerendered: Arguments of :class:`benchmarks.prerendered.Prerendered`, if its contacts shall cost nothing.
        options: Of the sandbox.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, repr(options), repr(prerendered), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        credentials, environment = json.loads(process.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield Vendor(url, credentials, environment)
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            requests.get(f"{url}/_sandbox/requests", timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


@dataclass
class Databases:
    """Fresh databases on both engines."""

    folder: Path
    server: PostgresServer

    def cpu_seconds(self) -> float:
        """Return the processor time that PostgreSQL has taken so far."""
        # That of a session which has just ended counts once its process is gone.
        time.sleep(0.5)
        server = psutil.Process(self.server.pid)
        times = [server.cpu_times()]
        for backend in server.children():
            with suppress(psutil.NoSuchProcess):
                times.append(backend.cpu_times())
        ended = times[0].children_user + times[0].children_system
        return float(ended + sum(each.user + each.system for each in times))

    def fresh(self, kind: str) -> str:
        """Return the URL of a migrated, empty database of kind ``sqlite`` or ``postgresql``."""
        if kind == "sqlite":
            handle, name = tempfile.mkstemp(suffix=".sqlite3", dir=self.folder)
            os.close(handle)
            url = f"sqlite:///{name}"
        else:
            url = self.server.url(self.server.create())
        upgrade(url)
        return url


@contextmanager
def databases(*, roomy: bool = False) -> Iterator[Databases]:
    """Start a PostgreSQL, and remove everything afterwards.

    Args:
        roomy: Let it keep in memory what docs/operators.md advises, and tidy up only when it is told to; without it,
            what PostgreSQL does by itself.
    """
    memory = psutil.virtual_memory().total // 2**20
    settings = (f"shared_buffers={memory // 4}MB", "autovacuum=off") if roomy else ()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        server = PostgresServer((*DURABILITY_OFF, *settings))
        stack.callback(server.stop)
        server.start()
        yield Databases(Path(folder), server)


@dataclass
class Measured:
    """What a command line took."""

    output: Any
    seconds: float
    cpu_seconds: float
    peak_mb: float


def mainstem(
    command: list[str], url: str, instance: Path, at: Vendor, core: int | None = None, **environ: str
) -> Measured:
    """Run ``mainstem … --json`` in a process of its own and measure it.

    Raises:
        RuntimeError: It failed.
    """
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "MAINSTEM_INSTANCE": str(instance),
        **at.environment,
        **environ,
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "core.cli", *command, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"mainstem {' '.join(command)}: {errors.decode()[-2000:]}")
    return Measured(json.loads(output), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@dataclass
class Synced:
    """What a sync took, without the start of its process.

    Attributes:
        summary: What ``sources sync --json`` prints.
        seconds: From begin to end.
        cpu_seconds: Processor time of the process.
        database_seconds: Processor time of PostgreSQL meanwhile; 0 for SQLite, which is part of the process.
        peak_mb: The most memory that was resident.
    """

    summary: Any
    seconds: float
    cpu_seconds: float
    database_seconds: float
    peak_mb: float

    @property
    def all_cpu(self) -> float:
        """Processor time of process and database."""
        return self.cpu_seconds + self.database_seconds


_SYNC = """
import json, sys, time
from core.runtime import memory
from core.services import syncing
from core.services.mainstem import Mainstem
mainstem = Mainstem.open()
memory.tune()
began, cpu = time.perf_counter(), time.process_time()
run = syncing.start(mainstem, int(sys.argv[1]), sys.argv[2] == "full")
syncing.run_inline(mainstem, run)
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
# Of this program alone: what getrusage tells was at first the peak of whoever started it.
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([syncing.progress(mainstem, run).summary(), seconds, cpu, peak]))
"""


def synced(
    bases: Databases, source: int, url: str, instance: Path, at: Vendor, *, full: bool = False, core: int | None = None
) -> Synced:
    """Sync inline in a process of its own.

    Raises:
        RuntimeError: It did not end well.
    """
    environment = {**os.environ, "DATABASE_URL": url, "MAINSTEM_INSTANCE": str(instance), **at.environment}
    before = bases.cpu_seconds()
    process = subprocess.Popen(
        [sys.executable, "-c", _SYNC, str(source), "full" if full else "due"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-2000:])
    summary, seconds, cpu, peak = json.loads(output.splitlines()[-1])
    if summary["status"] != "succeeded":
        raise RuntimeError(f"the sync ended as {summary['status']}: {summary['error']}")
    database = bases.cpu_seconds() - before if url.startswith("postgresql") else 0.0
    return Synced(summary, seconds, cpu, database, peak)


def connect(url: str, instance: Path, at: Vendor, **config: Any) -> int:
    """Connect the sandbox to a fresh installation; return the data source's id."""
    instance.mkdir(exist_ok=True)
    file = instance / "connect.json"
    file.write_text(json.dumps({"credentials": dict(at.credentials), **config}))
    return int(mainstem(["sources", "connect", PLUGIN, "--config", str(file)], url, instance, at).output["id"])
