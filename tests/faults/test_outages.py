"""Servers that are out of reach for a while, with real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import func, select

from core import jobs
from core.db.bulk import table_of
from core.db.models import Link, WebhookDelivery
from core.services import syncing
from core.services.connecting import connect
from tests.faults.installation import Installation, until
from tests.services.conftest import rows
from tests.webhooks.conftest import CONFIG

LINK = table_of(Link)


@pytest.fixture
def installation() -> Iterator[Installation]:
    with ExitStack() as stack:
        size = {"people": 300, "companies": 20, "conversations": 100, "rpm": 0, "latency_ms": 100}
        yield Installation(stack, size)


@pytest.fixture
def run(installation: Installation) -> int:
    """Id of a run that is being read."""
    config = {**CONFIG, "credentials": installation.vendor.credentials}
    run_id = jobs.start_sync(installation.mainstem, connect(installation.mainstem, "intercom", config, "test"))
    until(lambda: syncing.progress(installation.mainstem, run_id).read, "the first page is there")
    return run_id


def end(installation: Installation, run_id: int) -> None:
    """Wait for the end of a run, and see that everybody is there, with what webhooks told."""
    progress = syncing.progress
    until(lambda: progress(installation.mainstem, run_id).finished, "the run is over", installation.keep_up)
    assert progress(installation.mainstem, run_id).state == "succeeded", installation.log("worker")
    engine = installation.mainstem.engine
    until(lambda: {row["state"] for row in rows(engine, WebhookDelivery)} == {"done"}, "webhooks are worked off")
    read = (LINK.c.object == "contact", LINK.c.content_hash.is_not(None))
    with engine.connect() as connection:
        here = connection.scalar(select(func.count()).select_from(LINK).where(*read))
    assert here == installation.vendor.behind("counts")["contacts"]


def statuses(installation: Installation) -> list[list[int]]:
    """What the web admin answered to each webhook about contacts."""
    deliveries = installation.vendor.behind("webhooks")["deliveries"]
    return [one["statuses"] for one in deliveries if one["topic"].startswith("contact.")]


def says(installation: Installation, role: str, text: str) -> bool:
    return text in installation.log(role)


def test_the_database_is_away_for_a_while(installation: Installation, run: int):
    vendor = installation.vendor
    installation.stop_database(crash=True)
    until(lambda: says(installation, "worker", "is out of reach, trying again"), "the worker has noticed")
    vendor.change("create_contact", name="Meanwhile", email="meanwhile@example.com")
    until(lambda: statuses(installation) and statuses(installation)[0], "the web admin has answered")
    # It must not take what it cannot store.
    assert statuses(installation)[0][0] >= 500
    installation.postgres.resume()
    until(lambda: statuses(installation)[0][-1] == 200, "the webhook was sent again")
    end(installation, run)


def test_redis_is_away_for_a_while(installation: Installation, run: int):
    installation.kill_valkey()
    installation.vendor.change("create_contact", name="Meanwhile", email="meanwhile@example.com")
    until(lambda: statuses(installation) and statuses(installation)[0], "the web admin has answered")
    # Nobody can be told of it now; it is stored all the same.
    assert statuses(installation)[0] == [200]
    until(lambda: says(installation, "worker", "is out of reach, trying again"), "the worker has noticed")
    installation.valkey.start()
    end(installation, run)
    # Told once, however often it was tried.
    assert installation.log("worker").count("is out of reach, trying again") == 1
