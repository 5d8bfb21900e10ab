"""Days of a time zone: what «in the last 3 days» means, when a day begins, and anniversaries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from core.filters.tree import Value

_DAY = timedelta(days=1)
_LEAP_DAY = (2, 29)

MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Days:
    """Days from ``first`` to ``last``, both included; None leaves that side open."""

    first: date | None
    last: date | None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    @property
    def before(self) -> Days | None:
        """All days before them; None where there are none."""
        return None if self.first is None else Days(None, self.first - timedelta(days=1))

    @property
    def after(self) -> Days | None:
        """All days after them; None where there are none."""
        return None if self.last is None else Days(self.last + timedelta(days=1), None)


EVER = Days(None, None)


def today(now: datetime, zone: tzinfo) -> date:
    """Return which day it is at ``now``, which has a time zone, in ``zone``."""
    return now.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of ``day`` in UTC.

    Where clocks are put back across midnight that is the earlier of two; where they are put forward, the moment
    of the change.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def end_of(day: date, zone: tzinfo) -> datetime:
    """Return the moment in UTC at which ``day`` is over."""
    return start_of(date.fromordinal(day.toordinal() + 1), zone)


def days_of(op: str, value: Value, today: date) -> Days:
    """Return the days that an operator of :data:`core.filters.operators.DAYS` means.

    Counts include today: the last day and the next day are both today, and every day is in the last n days, exactly
    n days ago, or more than n days ago.
    """
    given: Any = value
    match op:
        case "on":
            return Days(given, given)
        case "before":
            return Days(None, given - _DAY)
        case "after":
            return Days(given + _DAY, None)
        case "between":
            return Days(*given)
        case "in_the_last":
            return Days(today - given * _DAY + _DAY, today)
        case "exactly_days_ago":
            return Days(today - given * _DAY, today - given * _DAY)
        case "more_than_days_ago":
            return Days(None, today - given * _DAY - _DAY)
        case "in_the_next":
            return Days(today, today + given * _DAY - _DAY)
        case "exactly_days_from_now":
            return Days(today + given * _DAY, today + given * _DAY)
        case "more_than_days_from_now":
            return Days(today + given * _DAY + _DAY, None)
    raise AssertionError(op)


def anniversaries(today: date, count: int) -> frozenset[MonthDay]:
    """Return month and day of ``count`` days from ``today`` on; 29 February comes with the 28th in other years."""
    found: set[MonthDay] = set()
    for offset in range(count):
        day = today + offset * _DAY
        found.add((day.month, day.day))
        if (day.month, day.day) == (2, 28) and (day + _DAY).day == 1:
            found.add(_LEAP_DAY)
    return frozenset(found)


def in_years(month_days: Iterable[MonthDay], years: range) -> list[Days]:
    """Return all days of ``years`` with one of these months and days, runs of days as one."""
    ordered = sorted(month_days)
    days = [date(year, *each) for year in years for each in ordered if each != _LEAP_DAY or _is_leap(year)]
    runs: list[Days] = []
    for day in days:
        if runs and runs[-1].last == day - _DAY:
            runs[-1] = Days(runs[-1].first, day)
        else:
            runs.append(Days(day, day))
    return runs


def by_year(days: Days, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield first moment and end of these days in UTC, of each year of UTC by itself; both sides must be closed."""
    assert days.first is not None
    assert days.last is not None
    start, end = start_of(days.first, zone), end_of(days.last, zone)
    while start.year < end.year:
        turn = datetime(start.year + 1, 1, 1, tzinfo=UTC)
        yield start, turn
        start = turn
    if start < end:
        yield start, end


def neighbours(month_days: Iterable[MonthDay]) -> frozenset[MonthDay]:
    """Return these with the days before and after each: what they can be in another time zone."""
    near = (date(2000, *each) + offset * _DAY for each in month_days for offset in (-1, 0, 1))
    found = {(day.month, day.day) for day in near}
    # 2000 has a leap day between these two, most years have none.
    if found & {(2, 28), (3, 1)}:
        found |= {(2, 28), _LEAP_DAY, (3, 1)}
    return frozenset(found)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
