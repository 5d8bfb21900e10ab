"""Ranges of time that hold about as much each: found by counting, so that they can be read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

HALF_A_DAY = 43_200

Border = Callable[[int], int]
"""The nearest moment (unix seconds) at which a range may be cut."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of time and how much it holds.

    Attributes:
        start: Unix seconds of its first moment; None has no beginning.
        end: Unix seconds of the first moment after it; None has no end.
        count: What it holds.
    """

    start: int | None
    end: int | None
    count: int


Counter = Callable[[Sequence[Range]], Sequence[int]]
"""Asks the vendor what ranges hold."""


def divide(whole: Range, first: int, last: int, most: int, count: Counter, border: Border) -> list[Range]:
    """Cut a range in halves until none holds more than ``most``, or cannot be cut, and join small neighbours again.

    What changes while it is counted makes the counts wrong, but never the ranges: they meet without gap or overlap.

    Args:
        whole: What to cut.
        first: Where the range begins to hold something, for one that has no beginning.
        last: The last moment at which it holds something, for one that has no end.
        most: What a part should hold at most.
        count: Called with several ranges at once; their ``count`` is not looked at.
        border: Where cuts may be.
    """
    parts = [whole]
    while True:
        cuts = {part: _middle(part, first, last, border) for part in parts if part.count > most}
        halves = [replace(part, end=cut) for part, cut in cuts.items() if cut is not None]
        if not halves:
            return list(_joined(parts, most))
        held = dict(zip((half.start for half in halves), count(halves), strict=True))
        parts = [piece for part in parts for piece in _pieces(part, cuts.get(part), held)]


def _middle(part: Range, first: int, last: int, border: Border) -> int | None:
    """Return where to cut a range, or None if it lies between two borders."""
    start = first if part.start is None else part.start
    end = last + 1 if part.end is None else part.end
    middle = border((start + end) // 2)
    return middle if start < middle < end else None


def _pieces(part: Range, cut: int | None, held: dict[int | None, int]) -> list[Range]:
    if cut is None:
        return [part]
    before = held[part.start]
    return [Range(part.start, cut, before), Range(cut, part.end, max(0, part.count - before))]


def _joined(parts: Iterable[Range], most: int) -> Iterable[Range]:
    """Yield the parts, neighbours as one as long as they hold no more than ``most`` together."""
    current: Range | None = None
    for part in parts:
        if current is None:
            current = part
        elif not current.count or not part.count or current.count + part.count <= most:
            current = Range(current.start, part.end, current.count + part.count)
        else:
            yield current
            current = part
    if current is not None:
        yield current


def any_second(moment: int) -> int:
    """Allow cuts everywhere."""
    return moment


def midnights(zone: ZoneInfo) -> Border:
    """Allow cuts where a day of ``zone`` begins, whatever its clocks do then."""

    def nearest(moment: int) -> int:
        return day_start(moment + HALF_A_DAY, zone)

    return nearest


def day_start(moment: int, zone: ZoneInfo) -> int:
    """Return the first second of the day of ``zone`` that ``moment`` falls on.

    Of a midnight that clocks skip, :mod:`zoneinfo` gives the moment when they are changed; of one that comes twice, the
    first: each is where the day begins.
    """
    day = datetime.fromtimestamp(moment, zone).date()
    return int(datetime.combine(day, time(), zone).timestamp())
