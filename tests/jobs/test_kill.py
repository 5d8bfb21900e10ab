"""Power cuts during a sync: nothing is lost, nothing is there twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from redis import Redis

from core import jobs
from core.db.models import Activity
from core.db.models import Partition as PartitionRow
from core.services import syncing
from core.services.connecting import connect
from tests.jobs.conftest import Installation
from tests.jobs.installed import SIZE
from tests.jobs.test_worker import wait_for_end
from tests.services.conftest import CONFIG, emails, rows

PARTITIONS, PAGES = 4, 40


def wait_for_pages(installation: Installation, pages: int) -> None:
    """Wait until so many pages are written."""
    while sum(row["pages"] for row in rows(installation.mainstem.engine, PartitionRow)) < pages:
        time.sleep(0.02)


def test_workers_killed_again_and_again_and_a_queue_that_forgets(install: Callable[..., Installation], valkey_url: str):
    installation = install(VENDOR_PARTITIONS=str(PARTITIONS), VENDOR_PAGES=str(PAGES), VENDOR_SECONDS="0.04")
    source = connect(installation.mainstem, "acme", CONFIG, "test")
    installation.start_worker(2)
    run_id = jobs.start_sync(installation.mainstem, source)
    for pages in (10, 60):
        wait_for_pages(installation, pages)
        installation.kill()
        installation.start_worker(2)
    wait_for_pages(installation, 90)
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    wait_for_pages(installation, 110)
    installation.kill()
    installation.start_worker(2)
    check_every_page_is_there_once(installation, run_id)


def test_workers_that_are_asked_to_leave_amid_a_job(install: Callable[..., Installation]):
    installation = install(VENDOR_PARTITIONS=str(PARTITIONS), VENDOR_PAGES=str(PAGES), VENDOR_SECONDS="0.15")
    source = connect(installation.mainstem, "acme", CONFIG, "test")
    worker = installation.start_worker(2)
    run_id = jobs.start_sync(installation.mainstem, source)
    wait_for_pages(installation, 10)
    worker.terminate()
    assert worker.wait() == 0
    installation.wait_until_gone()
    assert syncing.progress(installation.mainstem, run_id).state == "running"
    installation.start_worker(2)
    check_every_page_is_there_once(installation, run_id)


def check_every_page_is_there_once(installation: Installation, run_id: int) -> None:
    """Wait for the end of the run, and compare what is here with what the vendor has."""
    engine = installation.mainstem.engine
    progress = wait_for_end(installation, run_id)
    assert progress.state == "succeeded", installation.log()
    assert progress.objects["user"].counts["read"] == PARTITIONS * PAGES * SIZE
    assert progress.objects["user"].counts["created"] == PARTITIONS * PAGES * SIZE
    assert len(emails(engine)) == len(set(emails(engine))) == PARTITIONS * PAGES * SIZE
    assert [row["pages"] for row in rows(engine, PartitionRow)] == [PAGES] * PARTITIONS
    written = Counter(row["remote_id"].rsplit(":", 1)[0] for row in rows(engine, Activity))
    assert len(written) == PARTITIONS * PAGES
    assert set(written.values()) == {1}
