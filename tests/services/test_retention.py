"""Activities go when they are past their retention; what they did to counters stays."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.contract.types import Activity, Record, Ref
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Activity as ActivityRow
from core.db.models import ActivityPast, Link, Merge, Participant, Person
from core.pipeline.ids import link_id
from core.pipeline.merges import undo
from core.services import retention
from core.services.mainstem import Mainstem
from core.services.retention import Total, activity_counts, joined, sweep, to_sweep, totals
from core.services.sources import SOURCE
from tests.services.conftest import run
from tests.services.vendor import LONG_AGO, Vendor, user

NOW = datetime.now(UTC).replace(microsecond=0)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def chat(number: int, *days: float, of: int = 1, type: str = "said") -> Record:
    """A chat in which user ``of`` said something so many days ago, and user 9 listened."""
    people = (Ref("user", f"u{of}"), Ref("user", "u9"))
    said = [Activity(type, f"{number}:{day}", ago(day), people) for day in days]
    return Record("chat", f"c{number}", LONG_AGO, activities=tuple(said))


def keep(mainstem: Mainstem, source_id: int, days: int | None, **activities: int | None) -> None:
    config: Mapping[str, Any] = {"retention": {"days": days, "activities": activities}}
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(config=config))


def make_due(mainstem: Mainstem) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().values(next_sweep_at=NOW))


def sweep_all(mainstem: Mainstem, source_id: int) -> int:
    """Sweep to the end; return how many batches were full."""
    full = 0
    while sweep(mainstem, source_id):
        full += 1
    return full


def said(mainstem: Mainstem, source_id: int, number: int = 1) -> Total | None:
    with mainstem.engine.connect() as connection:
        link = table_of(Link)
        one = link.c.id == link_id(source_id, "user", f"u{number}")
        return totals(connection, connection.execute(select(link.c.entity_id).where(one)).scalar_one()).get("said")


def kept(mainstem: Mainstem) -> list[float]:
    with mainstem.engine.connect() as connection:
        moments = connection.scalars(select(table_of(ActivityRow).c.occurred_at)).all()
    return sorted((NOW - moment) / timedelta(days=1) for moment in moments)


def brought(mainstem: Mainstem, source_id: int) -> int:
    with mainstem.engine.connect() as connection:
        ever, now = activity_counts(connection, source_id)
    assert now == len(kept(mainstem))
    return ever


def test_what_is_past_its_retention_goes_and_is_still_counted(mainstem: Mainstem, vendor: Vendor, source: int):
    vendor.data = {"user": [user(1), user(9)], "chat": [chat(1, 80, 40, 10), chat(2, 40, of=2)]}
    assert to_sweep(mainstem) == []
    run(mainstem, source)
    assert to_sweep(mainstem) == []
    keep(mainstem, source, 30)
    make_due(mainstem)
    assert to_sweep(mainstem) == [source]
    assert sweep_all(mainstem, source) == 0
    assert kept(mainstem) == [10]
    assert said(mainstem, source) == Total(ago(80), ago(10), 3)
    assert said(mainstem, source, 2) == Total(ago(40), ago(40), 1)
    assert brought(mainstem, source) == 4
    with mainstem.engine.connect() as connection:
        assert len(connection.execute(table_of(Participant).select()).all()) == 1
    assert to_sweep(mainstem) == []


def test_each_type_has_its_own_retention(mainstem: Mainstem, vendor: Vendor, source: int):
    seen = Activity("seen", "s", ago(50), (Ref("user", "u1"),))
    vendor.data = {
        "user": [Record("user", "u1", LONG_AGO, values={"email": "a@b.example"}, activities=(seen,))],
        "chat": [chat(1, 80, 20)],
    }
    run(mainstem, source)
    keep(mainstem, source, 30, seen=None)
    sweep_all(mainstem, source)
    assert kept(mainstem) == [20, 50]
    keep(mainstem, source, None, seen=40)
    sweep_all(mainstem, source)
    assert kept(mainstem) == [20]
    keep(mainstem, source, None)
    assert not sweep(mainstem, source)
    assert kept(mainstem) == [20]


def test_old_activities_that_come_again_are_refused_and_not_counted_twice(
    mainstem: Mainstem, vendor: Vendor, source: int
):
    vendor.data = {"user": [user(1), user(9)], "chat": [chat(1, 80, 40, 10)]}
    run(mainstem, source)
    keep(mainstem, source, 30)
    sweep_all(mainstem, source)
    vendor.data["chat"] = [chat(1, 80, 40, 10, 5)]
    run(mainstem, source, full=True)
    assert kept(mainstem) == [5, 10]
    sweep_all(mainstem, source)
    assert said(mainstem, source) == Total(ago(80), ago(5), 4)
    assert brought(mainstem, source) == 4


def test_a_longer_retention_shows_them_again_without_counting_them_twice(
    mainstem: Mainstem, vendor: Vendor, source: int
):
    vendor.data = {"user": [user(1), user(9)], "chat": [chat(1, 300, 200, 80, 40, 10)]}
    keep(mainstem, source, 90)
    run(mainstem, source)
    keep(mainstem, source, 30)
    sweep_all(mainstem, source)
    keep(mainstem, source, 250)
    run(mainstem, source, full=True)
    # What is 200 days old comes in for the first time, what is 80 and 40 days old was counted when it went.
    assert kept(mainstem) == [10, 40, 80, 200]
    assert said(mainstem, source) == Total(ago(200), ago(10), 4)
    keep(mainstem, source, 100)
    sweep_all(mainstem, source)
    assert kept(mainstem) == [10, 40, 80]
    assert said(mainstem, source) == Total(ago(200), ago(10), 4)
    keep(mainstem, source, 20)
    sweep_all(mainstem, source)
    assert said(mainstem, source) == Total(ago(200), ago(10), 4)
    assert brought(mainstem, source) == 4


def test_a_sweep_goes_in_batches_and_may_stop_after_each(
    mainstem: Mainstem, vendor: Vendor, source: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "BATCH", 2)
    vendor.data = {"user": [user(1), user(9)], "chat": [chat(1, 80, 70, 60, 50, 40, 10), chat(2, 60), chat(3, 60)]}
    run(mainstem, source)
    keep(mainstem, source, 30)
    for left in (6, 4, 2):
        assert sweep(mainstem, source)
        assert len(kept(mainstem)) == left
        assert said(mainstem, source) == Total(ago(80), ago(10), 8)
        assert brought(mainstem, source) == 8
    assert not sweep(mainstem, source)
    assert said(mainstem, source) == Total(ago(80), ago(10), 8)


def test_workers_that_sweep_together_count_each_once(
    mainstem: Mainstem, vendor: Vendor, source: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "BATCH", 5)
    vendor.data = {"user": [user(1), user(9)], "chat": [chat(1, *(40 + n / 10 for n in range(100)))]}
    run(mainstem, source)
    keep(mainstem, source, 30)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sweep_all(mainstem, source), range(4)))
    assert kept(mainstem) == []
    assert said(mainstem, source) == Total(ago(49.9), ago(40), 100)


def test_what_went_follows_a_merge_and_goes_back(mainstem: Mainstem, vendor: Vendor, source: int):
    vendor.data = {"user": [user(1), user(2)], "chat": [chat(1, 80, 40), chat(2, 60, of=2)]}
    run(mainstem, source)
    keep(mainstem, source, 30)
    sweep_all(mainstem, source)
    vendor.data["user"] = [user(1), user(2, NOW, email="u1@example.com")]
    run(mainstem, source, full=True)
    assert said(mainstem, source) == Total(ago(80), ago(40), 3)
    with writing(mainstem.engine) as connection:
        undo(connection, connection.execute(select(table_of(Merge).c.id)).scalar_one(), NOW)
    assert said(mainstem, source) == Total(ago(80), ago(40), 2)
    assert said(mainstem, source, 2) == Total(ago(60), ago(60), 1)


def test_activities_of_nobody_are_counted_for_the_data_source(mainstem: Mainstem, vendor: Vendor, source: int):
    vendor.data = {"chat": [Record("chat", "c", LONG_AGO, activities=(Activity("said", "p", ago(50)),))]}
    run(mainstem, source)
    keep(mainstem, source, 30)
    sweep_all(mainstem, source)
    assert kept(mainstem) == []
    assert brought(mainstem, source) == 1
    with mainstem.engine.connect() as connection:
        (past,) = connection.execute(table_of(ActivityPast).select()).all()
        assert past.person_id is None
        assert not connection.execute(select(table_of(Person).c.id)).all()


def test_a_deleted_data_source_is_left_alone_and_a_disconnected_one_is_swept(mainstem: Mainstem, source: int):
    make_due(mainstem)
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().values(state="disconnected"))
    assert to_sweep(mainstem) == [source]
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().values(state="deleted"))
    assert to_sweep(mainstem) == []


@pytest.mark.parametrize(
    ("spans", "added", "result"),
    [
        ([], (5, 9), [(5, 9)]),
        ([(5, 9)], (9, 12), [(5, 12)]),
        ([(5, 9)], (10, 12), [(5, 12)]),
        ([(5, 9)], (1, 3), [(1, 3), (5, 9)]),
        ([(1, 3), (5, 9)], (3, 5), [(1, 9)]),
        ([(1, 3), (5, 9)], (4, 6), [(1, 9)]),
        ([(1, 9)], (3, 5), [(1, 9)]),
        ([(3, 4), (6, 7)], (1, 9), [(1, 9)]),
    ],
)
def test_spans_are_joined(spans: Any, added: tuple[int, int], result: Any):
    def moments(pairs: Any) -> list[tuple[datetime, datetime]]:
        return [(ago(-a), ago(-b)) for a, b in pairs]

    assert joined(moments(spans), ago(-added[0]), ago(-added[1])) == moments(result)
