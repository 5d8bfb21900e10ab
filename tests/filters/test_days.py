from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.filters.days import Days, anniversaries, days_of, in_years, neighbours, start_of, today
from core.filters.operators import ANNIVERSARIES, DAYS
from tests.filters.test_operators import check, having
from tests.filters.world import Entity, as_text, ids

LAST_MOMENT = time(23, 59, 59, 999_999, UTC)
NOVEMBER = date(2026, 11, 24)
DAY_CASES: dict[Any, str] = {
    ("on", "2026-11-24"): "today",
    ("before", "2026-11-24"): "years week yesterday",
    ("after", "2026-11-24"): "tomorrow week_on",
    ("between", ("2026-11-17", "2026-11-24")): "week yesterday today",
    ("in_the_last", 1): "today",
    ("in_the_last", 2): "yesterday today",
    ("in_the_last", 7): "yesterday today",
    ("in_the_last", 8): "week yesterday today",
    ("exactly_days_ago", 0): "today",
    ("exactly_days_ago", 7): "week",
    ("more_than_days_ago", 6): "years week",
    ("more_than_days_ago", 7): "years",
    ("in_the_next", 1): "today",
    ("in_the_next", 2): "today tomorrow",
    ("exactly_days_from_now", 7): "week_on",
    ("more_than_days_from_now", 0): "tomorrow week_on",
    ("more_than_days_from_now", 1): "week_on",
    "anniversary_today": "years today",
    ("anniversary_in_the_next", 2): "years today tomorrow",
    "has_value": "years week yesterday today tomorrow week_on",
    "has_no_value": "none",
}
STORED = {
    "years": date(1980, 11, 24),
    "week": date(2026, 11, 17),
    "yesterday": date(2026, 11, 23),
    "today": NOVEMBER,
    "tomorrow": date(2026, 11, 25),
    "week_on": date(2026, 12, 1),
}


def test_dates(find):
    people = having("shop.renewal", **{name: day.isoformat() for name, day in STORED.items()}, none=None)
    check(find, "shop.renewal", people, DAY_CASES)


@pytest.mark.parametrize("hour", [0, 23])
def test_moments(find, hour):
    moments = {name: as_text(datetime.combine(day, time(hour, tzinfo=UTC))) for name, day in STORED.items()}
    check(find, "shop.seen_at", having("shop.seen_at", **moments, none=None), DAY_CASES)


def test_moments_in_a_column(find):
    moments = {name: datetime.combine(day, LAST_MOMENT) for name, day in STORED.items()}
    cases = {case: names for case, names in DAY_CASES.items() if case != "has_no_value"}
    check(find, "created_at", having("created_at", **moments), cases, complete=False)


def test_a_day_begins_at_midnight_of_the_zone(find):
    berlin = ZoneInfo("Europe/Berlin")
    before, at = datetime(2026, 11, 23, 22, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    people = having("shop.seen_at", before=as_text(before), at=as_text(at))
    tree = {"field": "shop.seen_at", "op": "in_the_last", "value": 1}
    assert find(tree, people, zone=berlin) == "at"
    assert find(tree, people, zone=UTC) == ""
    assert find(tree, people, now=at, zone=berlin) == "at"
    assert find(tree, people, now=before, zone=berlin) == "before"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Havana", date(2026, 3, 8), 23),  # forward at midnight: the day begins at one
        ("America/Havana", date(2026, 11, 1), 25),  # back at one: midnight comes twice
        ("America/Sao_Paulo", date(2018, 2, 17), 25),  # back at midnight: the evening comes twice
        ("Pacific/Apia", date(2011, 12, 30), 0),  # a day that was left out
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_days_are_as_long_as_clocks_say(find, zone, day, hours):
    place = ZoneInfo(zone)
    first, next_first = start_of(day, place), start_of(day + timedelta(days=1), place)
    assert next_first - first == timedelta(hours=hours)
    people = having(
        "shop.seen_at",
        before=as_text(first - timedelta(seconds=1)),
        first=as_text(first),
        last=as_text(next_first - timedelta(seconds=1)),
        after=as_text(next_first),
    )
    if hours:
        tree = {"field": "shop.seen_at", "op": "on", "value": day.isoformat()}
        assert find(tree, people, zone=place) == "first last"
        ago = {"field": "shop.seen_at", "op": "exactly_days_ago", "value": 3}
        assert find(ago, people, now=first + timedelta(days=3, hours=2), zone=place) == "first last"


def test_anniversaries_of_moments_follow_the_clocks_of_their_own_year(find):
    # 31 March began at 22:00 UTC in 2025, but at 23:00 UTC in 2024, when clocks were put forward later that day.
    people = having(
        "shop.seen_at",
        summer="2025-03-30T22:30:00Z",
        winter="2024-03-30T22:30:00Z",
        midnight="2024-03-30T23:30:00Z",
    )
    tree = {"field": "shop.seen_at", "op": "anniversary_today"}
    berlin = ZoneInfo("Europe/Berlin")
    assert find(tree, people, now=datetime(2026, 3, 31, 12, tzinfo=UTC), zone=berlin) == "summer midnight"
    assert find(tree, people, now=datetime(2026, 3, 30, 12, tzinfo=UTC), zone=berlin) == "winter"


def test_new_year_in_another_zone(find):
    people = having("shop.seen_at", old="1999-12-31T23:30:00Z", new="2001-01-01T00:30:00Z")
    tree = {"field": "shop.seen_at", "op": "anniversary_today"}
    january = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert find(tree, people, now=january, zone=ZoneInfo("Europe/Berlin")) == "old new"
    assert find(tree, people, now=january, zone=UTC) == "new"


@pytest.mark.parametrize(
    ("now", "count", "expected"),
    [
        ("2025-02-28", 1, "leap 28th"),
        ("2024-02-28", 1, "28th"),
        ("2024-02-29", 1, "leap"),
        ("2025-03-01", 1, "1st"),
        ("2025-02-27", 3, "leap 28th 1st"),
        ("2025-12-31", 61, "leap 28th 1st"),
    ],
)
def test_leap_days_come_with_the_28th_in_other_years(find, now, count, expected):
    people = having("shop.renewal", leap="2000-02-29", **{"28th": "2001-02-28", "1st": "1996-03-01"})
    tree = {"field": "shop.renewal", "op": "anniversary_in_the_next", "value": count}
    found = find(tree, people, now=datetime.fromisoformat(f"{now}T12:00:00Z"))
    # From 31 December, 61 days reach 1 March.
    assert found == expected


def test_every_day_is_in_the_last_days_or_so_many_ago_or_longer_ago():
    for offset in range(20):
        day = NOVEMBER - timedelta(days=offset)
        where = [day in days_of(op, 7, NOVEMBER) for op in ("in_the_last", "exactly_days_ago", "more_than_days_ago")]
        assert sum(where) == 1


def test_every_operator_of_days_means_some_days():
    for op, operator in DAYS.items():
        value: Any = {"day": NOVEMBER, "days": (NOVEMBER, NOVEMBER), "day_count": 1}[operator.operand]
        assert days_of(op, value, NOVEMBER) != Days(None, None)
    assert set(ANNIVERSARIES).isdisjoint(DAYS)


def test_today_is_a_matter_of_the_zone():
    now = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert today(now, UTC) == NOVEMBER
    assert today(now, ZoneInfo("Europe/Berlin")) == NOVEMBER + timedelta(days=1)


def test_runs_of_days_are_joined():
    found = in_years(anniversaries(date(2025, 12, 31), 2), range(2023, 2026))
    assert found == [
        Days(date(2023, 1, 1), date(2023, 1, 1)),
        Days(date(2023, 12, 31), date(2024, 1, 1)),
        Days(date(2024, 12, 31), date(2025, 1, 1)),
        Days(date(2025, 12, 31), date(2025, 12, 31)),
    ]


def test_neighbours_reach_over_the_end_of_february():
    assert neighbours({(2, 28)}) >= {(2, 27), (2, 28), (2, 29), (3, 1)}
    assert neighbours({(3, 1)}) >= {(2, 28), (2, 29), (3, 1), (3, 2)}
    assert neighbours({(1, 1)}) == {(12, 31), (1, 1), (1, 2)}


def test_a_whole_year_of_anniversaries_has_every_day(find):
    people = {"leap": Entity(next(ids()), {"shop.seen_at": "2000-02-29T12:00:00Z", "shop.renewal": "2000-02-29"})}
    for key in ("shop.seen_at", "shop.renewal"):
        assert find({"field": key, "op": "anniversary_in_the_next", "value": 366}, people) == "leap"
