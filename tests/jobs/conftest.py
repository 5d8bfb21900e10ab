"""Workers in processes of their own, on real PostgreSQL and Valkey, with a plugin that is found by its entry point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from core.host import Host
from core.services.mainstem import Mainstem
from tests.services.vendor import Vendor

ROOT = Path(__file__).parents[2]
# RQ takes a second request to leave that comes within a second for the first one.
WORKER = """
from core import jobs
from core.services.mainstem import Mainstem

if __name__ == "__main__":
    jobs._PATIENCE_SECONDS = 1.5
    jobs.run_worker(Mainstem.open(), {})
"""


@dataclass
class Installation:
    """Settings that processes share, and the processes.

    Attributes:
        mainstem: This process's view.
        environ: What the others get.
    """

    mainstem: Mainstem
    environ: dict[str, str]
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, processes: int = 2) -> subprocess.Popen[bytes]:
        """Start ``mainstem worker -n``, which leaves its log in the instance folder."""
        with (self.mainstem.settings.instance / "worker.log").open("ab") as log:
            command = [sys.executable, "-c", WORKER.format(processes)]
            worker = subprocess.Popen(command, env=self.environ, cwd=ROOT, stdout=log, stderr=log)
        self._started.append(worker)
        return worker

    def processes(self) -> list[psutil.Process]:
        """All processes that work for this installation, however they were started."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("MAINSTEM_INSTANCE") == self.environ["MAINSTEM_INSTANCE"]
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill(self) -> None:
        """End all of them as a power cut would."""
        while processes := self.processes():
            for process in processes:
                try:
                    process.send_signal(signal.SIGKILL)
                    process.wait(0.1)
                except psutil.Error:
                    continue
        for worker in self._started:
            worker.wait()
        self._started.clear()

    def wait_until_gone(self) -> None:
        """Wait until none of them is left; multiprocessing's tracker leaves a moment after the worker."""
        while self.processes():
            time.sleep(0.02)

    def log(self) -> str:
        """What the workers said."""
        file = self.mainstem.settings.instance / "worker.log"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def install(postgres_url: str, valkey_url: str, tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Make an installation with these variables."""
    site = tmp_path / "site" / "acme-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (site / "entry_points.txt").write_text("[mainstem.plugins]\nacme = tests.jobs.installed:PLUGIN\n")
    made: list[Installation] = []

    def install(**variables: str) -> Installation:
        ours = {
            "DATABASE_URL": postgres_url,
            "REDIS_URL": valkey_url,
            "MAINSTEM_INSTANCE": str(tmp_path / "instance"),
            "MAINSTEM_LEASE_SECONDS": "1.5",
            **variables,
        }
        environ = {**os.environ, "PYTHONPATH": f"{site.parent}:{ROOT}", **ours}
        made.append(Installation(Mainstem.open(ours, Host([Vendor()])), environ))
        return made[-1]

    yield install
    for installation in made:
        installation.kill()
        installation.mainstem.engine.dispose()
