"""Records of one kind: computed from their number until they are changed, then kept.

A million contacts cost nothing until somebody asks for them. Because the generated times never fall
from one number to the next, a time range is a range of numbers, and a page is a merge of two ordered
streams: the generated records and the changed ones.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from plugins.intercom.sandbox.search import Query

TIMES = ("created_at", "updated_at")
SCANS_KEPT = 64


class Record(Protocol):
    """What a shelf keeps: Intercom's fields under Intercom's names, and a search value for any path."""

    fields: dict[str, Any]

    def value(self, path: str) -> Any: ...


S = TypeVar("S", bound=Record)
S_co = TypeVar("S_co", bound=Record, covariant=True)


class Maker(Protocol[S_co]):
    """Generates the records of one kind by number; both times must not fall as the number rises."""

    count: int

    def make(self, number: int) -> S_co: ...
    def id_of(self, number: int) -> str: ...
    def number_of(self, record_id: str) -> int | None: ...
    def time(self, name: str, number: int) -> int: ...


@dataclass(frozen=True)
class Position:
    """A place in a sorted listing: everything up to and including this row has been given."""

    value: Any
    id: str


@dataclass
class Shelf(Generic[S]):
    """All records of one kind."""

    maker: Maker[S]
    changed: dict[str, S] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    visible: Callable[[S], bool] = lambda record: True
    _touched: list[int] = field(default_factory=list)
    _scans: OrderedDict[str, Sequence[int]] = field(default_factory=OrderedDict)

    def get(self, record_id: str) -> S | None:
        if record_id in self.removed:
            return None
        if record_id in self.changed:
            return self.changed[record_id]
        number = self.maker.number_of(record_id)
        return None if number is None else self.maker.make(number)

    def put(self, record_id: str, record: S) -> None:
        """Keep a new or changed record."""
        self._touch(record_id)
        self.removed.discard(record_id)
        self.changed[record_id] = record

    def remove(self, record_id: str) -> None:
        self._touch(record_id)
        self.changed.pop(record_id, None)
        self.removed.add(record_id)

    def _touch(self, record_id: str) -> None:
        number = self.maker.number_of(record_id)
        if number is not None and record_id not in self.changed and record_id not in self.removed:
            insort(self._touched, number)

    def __len__(self) -> int:
        return self.maker.count - len(self._touched) + len(self.changed)

    def __iter__(self) -> Iterator[S]:
        """Every record: the generated ones by number, then the changed ones."""
        touched = set(self._touched)
        yield from (self.maker.make(number) for number in range(self.maker.count) if number not in touched)
        yield from list(self.changed.values())

    def any_id(self, draw: int) -> str | None:
        """The id of one record, chosen by `draw` among generated and changed ones; None when it is gone."""
        kept = list(self.changed)
        place = draw % max(1, self.maker.count + len(kept))
        if place >= self.maker.count:
            return kept[place - self.maker.count]
        record_id = self.maker.id_of(place)
        return None if record_id in self.removed else record_id

    def count(self, query: Query) -> int:
        numbers = self._matching(query)
        kept = sum(1 for record in self.changed.values() if query.matches(record) and self.visible(record))
        return len(numbers) - self._touched_among(numbers) + kept

    def page(self, query: Query, sort: str, descending: bool, after: Position | None, size: int) -> list[S]:
        """The next `size` records after a position, in the order of `sort`, ties by id."""
        if sort in TIMES:
            rows: Iterator[tuple[Any, str, S | int]] = heapq.merge(
                self._generated(query, sort, descending, after),
                self._kept(query, sort, descending, after),
                key=lambda row: (row[0], row[1]),
                reverse=descending,
            )
        else:
            rows = self._sorted(query, sort, descending, after)
        taken = itertools.islice(rows, size)
        return [self.maker.make(record) if isinstance(record, int) else record for _, _, record in taken]

    def _generated(
        self, query: Query, sort: str, descending: bool, after: Position | None
    ) -> Iterator[tuple[int, str, int]]:
        numbers, time, id_of = self._matching(query), self.maker.time, self.maker.id_of
        low, high = 0, len(numbers)
        if after is not None:
            place = (after.value, after.id)
            if descending:
                high = bisect_left(numbers, place, key=lambda number: (time(sort, number), id_of(number)))
            else:
                low = bisect_right(numbers, place, key=lambda number: (time(sort, number), id_of(number)))
        for index in range(high - 1, low - 1, -1) if descending else range(low, high):
            number = numbers[index]
            record_id = id_of(number)
            if record_id not in self.changed and record_id not in self.removed:
                yield time(sort, number), record_id, number

    def _kept(
        self, query: Query, sort: str, descending: bool, after: Position | None
    ) -> Iterator[tuple[Any, str, S | int]]:
        rows = (
            (record.value(sort), record_id, record)
            for record_id, record in list(self.changed.items())
            if self.visible(record)
        )
        return iter(_after(query, rows, descending, after))

    def _sorted(
        self, query: Query, sort: str, descending: bool, after: Position | None
    ) -> Iterator[tuple[Any, str, S | int]]:
        rows = ((sort_key(record, sort), str(record.value("id")), record) for record in self if self.visible(record))
        return iter(_after(query, rows, descending, after))

    def _matching(self, query: Query) -> Sequence[int]:
        """The numbers of the generated records that a query takes; scans are remembered, they never change."""
        if query.ids is not None:
            known = (self.maker.number_of(record_id) for record_id in query.ids)
            chosen = sorted({number for number in known if number is not None})
            return [number for number in chosen if query.matches(self.maker.make(number))]
        low, high = 0, self.maker.count
        everyone = range(self.maker.count)
        for name, (least, most) in query.ranges.items():
            time = functools.partial(self.maker.time, name)
            low = max(low, bisect_left(everyone, least, key=time))
            high = min(high, bisect_right(everyone, most, key=time))
        if query.rest is None:
            return range(low, max(low, high))
        if query.key not in self._scans:
            rest, make = query.rest, self.maker.make
            self._scans[query.key] = array("I", (number for number in range(low, high) if rest(make(number))))
            while len(self._scans) > SCANS_KEPT:
                self._scans.popitem(last=False)
        self._scans.move_to_end(query.key)
        return self._scans[query.key]

    def _touched_among(self, numbers: Sequence[int]) -> int:
        if isinstance(numbers, range):
            return bisect_left(self._touched, numbers.stop) - bisect_left(self._touched, numbers.start)
        places = ((bisect_left(numbers, number), number) for number in self._touched)
        return sum(1 for place, number in places if place < len(numbers) and numbers[place] == number)


def _after(
    query: Query, rows: Iterator[tuple[Any, str, S]], descending: bool, after: Position | None
) -> list[tuple[Any, str, S | int]]:
    taken: list[tuple[Any, str, S | int]] = []
    for value, record_id, record in rows:
        if after is not None:
            here, there = (value, record_id), (after.value, after.id)
            if here >= there if descending else here <= there:
                continue
        if query.matches(record):
            taken.append((value, record_id, record))
    return sorted(taken, key=lambda row: (row[0], row[1]), reverse=descending)


def sort_key(record: Record, name: str) -> Any:
    """What a record is sorted by: its time in seconds, or any other field as comparable text, missing ones first."""
    value = record.value(name)
    if name in TIMES:
        return value
    if value is None:
        return ""
    return f"{value:020.6f}" if isinstance(value, (int, float)) else str(value)
