"""Real workers: from the bell to the end of a run, and out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil
import pytest

from core import jobs
from core.services import syncing
from core.services.connecting import connect
from tests.jobs.conftest import Installation
from tests.services.conftest import CONFIG, counts, emails


def wait_for_end(installation: Installation, run_id: int) -> syncing.RunProgress:
    """Wait for other processes to end a run."""
    while not (progress := syncing.progress(installation.mainstem, run_id)).finished:
        time.sleep(0.05)
    return progress


def test_two_processes_work_at_a_run_and_leave_when_asked(install: Callable[..., Installation]):
    installation = install(VENDOR_PARTITIONS="4", VENDOR_PAGES="3")
    source = connect(installation.mainstem, "acme", CONFIG, "test")
    worker = installation.start_worker(2)
    run_id = jobs.start_sync(installation.mainstem, source)
    progress = wait_for_end(installation, run_id)
    assert progress.state == "succeeded", installation.log()
    assert counts(progress) == {"user": {"read": 60, "created": 60}}
    assert len(emails(installation.mainstem.engine)) == 60
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    installation.wait_until_gone()
    assert "Traceback" not in installation.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_still_starting_leaves_when_asked(
    install: Callable[..., Installation], number: signal.Signals
):
    installation = install()
    worker = installation.start_worker(1)
    while len(installation.processes()) < 2:
        time.sleep(0.01)
    worker.send_signal(number)
    assert worker.wait() == 0
    installation.wait_until_gone()


def test_children_leave_with_a_worker_that_was_killed(install: Callable[..., Installation]):
    installation = install()
    worker = installation.start_worker(1)
    while len(installation.processes()) < 2:
        time.sleep(0.01)
    worker.kill()
    worker.wait()
    installation.wait_until_gone()


def test_a_job_ends_with_the_process_that_works_at_it(install: Callable[..., Installation]):
    installation = install(VENDOR_PARTITIONS="1", VENDOR_PAGES="1000", VENDOR_SECONDS="0.1")
    source = connect(installation.mainstem, "acme", CONFIG, "test")
    worker = installation.start_worker(1)
    jobs.start_sync(installation.mainstem, source)
    while not emails(installation.mainstem.engine):
        time.sleep(0.02)
    # The worker, its child, and the job that this one has forked; the first two go at once.
    victims = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
    for victim in victims:
        victim.kill()
    worker.wait()
    installation.wait_until_gone()


def test_a_child_that_does_not_hear_is_killed(install: Callable[..., Installation]):
    installation = install()
    worker = installation.start_worker(1)
    while not (served := _served(worker.pid)):
        time.sleep(0.01)
    for child in served:
        child.suspend()
    worker.terminate()
    assert worker.wait() == 0
    installation.wait_until_gone()


def _served(worker: int) -> list[psutil.Process]:
    """The processes of a worker that serve the queues, without multiprocessing's own."""
    return [child for child in psutil.Process(worker).children() if "spawn_main" in " ".join(child.cmdline())]
