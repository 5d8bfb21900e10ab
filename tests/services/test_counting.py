"""What a data source brought is counted beside the requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from core.db.models import DataSource, WebhookDelivery
from core.services.counting import Numbers, numbers_of, recount, series, stale
from core.services.mainstem import Mainstem
from tests.web.factories import Desk, Factory

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def vendor() -> Desk:
    return Desk()


def numbers(mainstem: Mainstem, source: DataSource) -> Numbers:
    with Session(mainstem.engine) as session:
        found = session.get_one(DataSource, source.id)
        return numbers_of(session, mainstem.host, [found])[source.id]


def test_a_source_of_two_objects_counts_a_person_once(mainstem: Mainstem, factory: Factory):
    source = factory.source()
    person = factory.person(source)
    factory.link(source, person.id, "contact", "second")
    factory.organization(source)
    factory.article(source)
    factory.activity(source, person)
    found = numbers(mainstem, source)
    assert (found.people, found.organizations, found.activities, found.articles) == (1, 1, 1, 1)


def test_what_was_counted_stays_until_it_is_counted_again(mainstem: Mainstem, factory: Factory):
    source = factory.source()
    factory.person(source)
    recount(mainstem, source.id)
    factory.person(source)
    assert numbers(mainstem, source).people == 1
    recount(mainstem, source.id)
    assert numbers(mainstem, source).people == 2


@time_machine.travel(NOON, tick=False)
def test_the_days_end_today_and_count_by_utc(mainstem: Mainstem, factory: Factory):
    source = factory.source()
    midnight = NOON.replace(hour=0)
    for moment in (midnight, midnight - timedelta(microseconds=1), midnight - timedelta(days=29), NOON):
        factory.activity(source, None, occurred_at=moment)
    factory.activity(source, None, occurred_at=midnight - timedelta(days=29, microseconds=1))
    person = factory.person(source, created_at=midnight)
    factory.person(None, initial_source_id=source.id, created_at=midnight, merged_into=person.id)
    factory.person(None, initial_source_id=source.id, created_at=midnight, stub=True)
    factory.person(None, created_at=midnight)
    found = numbers(mainstem, source)
    assert found.activity_days == {"2026-11-24": 2, "2026-11-23": 1, "2026-10-26": 1}
    assert (found.people, found.people_days) == (1, {"2026-11-24": 1})
    assert found.activities == 5
    assert found.last_30_days == 4
    assert [count for _, count in series([found.activity_days, found.people_days], 2)] == [1, 3]


def test_numbers_grow_old_and_sooner_while_a_sync_is_at_work(mainstem: Mainstem, factory: Factory):
    with time_machine.travel(NOON, tick=False) as clock:
        quiet, busy = factory.source(), factory.source()
        factory.source(state="disconnected")
        factory.run(busy, "running")
        assert stale(mainstem) == [quiet.id, busy.id]
        for source in (quiet, busy):
            recount(mainstem, source.id)
        assert stale(mainstem) == []
        clock.shift(timedelta(seconds=61))
        assert stale(mainstem) == [busy.id]
        clock.shift(timedelta(minutes=5))
        assert stale(mainstem) == [quiet.id, busy.id]


def test_webhooks_that_were_worked_off_make_numbers_old_sooner(mainstem: Mainstem, factory: Factory):
    with time_machine.travel(NOON, tick=False) as clock:
        source, other = factory.source(), factory.source()
        for each in (source, other):
            recount(mainstem, each.id)
        for each, seconds in ((source, 1), (other, -1)):
            done = {"state": "done", "received_at": NOON, "processed_at": NOON + timedelta(seconds=seconds)}
            factory.add_all(
                [WebhookDelivery(source_id=each.id, dedupe_key="1", topic="t", body={}, attempts=1, **done)]
            )
        clock.shift(timedelta(seconds=61))
        assert stale(mainstem) == [source.id]
