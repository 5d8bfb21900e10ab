"""Intercom's search language: parsed, refused where Intercom refuses, and made into a `Query`.

Intercom API 2.16: at most two nested levels, at most 15 filters a group; contacts match dates by
calendar day in the workspace's time zone and take only `=`, `<` and `>` on them; conversations and
tickets match to the second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from plugins.intercom.sandbox.errors import ApiError, bad_parameter
from plugins.intercom.sandbox.fields import Kind, Searchable

MAX_FILTERS, MAX_DEPTH = 15, 2
ALL = {"=", "!=", "IN", "NIN", "<", ">", "<=", ">=", "~", "!~", "^", "$"}
FOREVER = 1 << 62


class Readable(Protocol):
    def value(self, path: str) -> Any: ...


Test = Callable[[Readable], bool]


@dataclass
class Query:
    """What a search asks for, split by how it can be answered.

    Attributes:
        ranges: bounds, both included, on `created_at` and `updated_at` that every match must keep.
        ids: the only ids that can match, or None.
        rest: the test for all other conditions, or None when there are none.
        key: the same for equal queries.
    """

    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    ids: set[str] | None = None
    rest: Test | None = None
    key: str = ""

    def matches(self, record: Readable) -> bool:
        for name, (least, most) in self.ranges.items():
            if not least <= (record.value(name) or 0) <= most:
                return False
        if self.ids is not None and str(record.value("id")) not in self.ids:
            return False
        return self.rest is None or self.rest(record)


class Parser:
    """Reads the `query` of a search body for one kind of record.

    Args:
        searchable: what may be searched, see `fields`.
        zone: the workspace's time zone, in which contacts' days begin and end.
        by_day: match dates by calendar day (contacts up to 2.16) instead of by second.
    """

    def __init__(self, searchable: Searchable, zone: ZoneInfo, by_day: bool) -> None:
        self.searchable, self.zone, self.by_day = searchable, zone, by_day

    def parse(self, query: Any) -> Query:
        """Raises ApiError 400 for everything that Intercom refuses."""
        parsed = Query(key=json.dumps(query, sort_keys=True))
        if query in (None, {}):
            return parsed
        tests = self._conjuncts(query, parsed, 0)
        if tests:
            parsed.rest = _every(tests)
        return parsed

    def _conjuncts(self, node: Any, parsed: Query, depth: int) -> list[Test]:
        """The tests of a node whose conditions must all hold; ranges and ids go to `parsed`."""
        if not _is_group(node) or node["operator"] == "OR":
            return self._leaf_or_or(node, parsed, depth)
        return [test for child in self._children(node, depth) for test in self._conjuncts(child, parsed, depth + 1)]

    def _leaf_or_or(self, node: Any, parsed: Query, depth: int) -> list[Test]:
        if _is_group(node):
            return [self._test(node, depth)]
        name, operator, value, kind = self._leaf(node)
        if name == "id" and operator in ("=", "IN"):
            wanted = {str(item) for item in (value if isinstance(value, list) else [value])}
            parsed.ids = wanted if parsed.ids is None else parsed.ids & wanted
            return []
        if name in ("created_at", "updated_at") and operator in ("=", "<", ">", "<="):
            least, most = self._bounds(operator, _number(name, value))
            old = parsed.ranges.get(name, (-FOREVER, FOREVER))
            parsed.ranges[name] = (max(old[0], least), min(old[1], most))
            return []
        return [self._compare(name, operator, value, kind)]

    def _test(self, node: Any, depth: int) -> Test:
        if not _is_group(node):
            return self._compare(*self._leaf(node))
        tests = [self._test(child, depth + 1) for child in self._children(node, depth)]
        return _any(tests) if node["operator"] == "OR" else _every(tests)

    def _children(self, node: Mapping[str, Any], depth: int) -> list[Any]:
        children = node["value"]
        if depth >= MAX_DEPTH:
            raise bad_parameter(f"query: at most {MAX_DEPTH} nested levels")
        if not children or len(children) > MAX_FILTERS:
            raise bad_parameter(f"query: a group holds 1 to {MAX_FILTERS} filters")
        return list(children)

    def _leaf(self, node: Any) -> tuple[str, str, Any, Kind]:
        if not isinstance(node, Mapping) or not {"field", "operator"} <= set(node):
            raise bad_parameter("query: a filter has field, operator and value")
        name, operator, value = str(node["field"]), str(node["operator"]), node.get("value")
        kind = self.searchable.kind(name)
        if kind is None:
            raise ApiError(400, "invalid_field", f"Invalid field for search: {name}")
        if operator not in ALL:
            raise bad_parameter(f"query: invalid operator {operator}")
        if operator not in self.searchable.operators(kind):
            raise bad_parameter(f"query: operator {operator} is not supported for {name}")
        if operator in ("IN", "NIN") and not isinstance(value, list):
            raise bad_parameter(f"query: {operator} takes a list, {name}")
        if operator not in ("IN", "NIN") and isinstance(value, (list, dict)):
            raise bad_parameter(f"query: {operator} takes one value, {name}")
        return name, operator, value, kind

    def _bounds(self, operator: str, moment: int) -> tuple[int, int]:
        """The seconds that a date filter takes, both ends included."""
        first, last = self.day(moment) if self.by_day else (moment, moment)
        if operator == "=":
            return first, last
        if operator == ">":
            return last + 1, FOREVER
        return -FOREVER, last if operator == "<=" else first - 1

    def day(self, moment: int) -> tuple[int, int]:
        """First and last second of the calendar day of a moment in the workspace's time zone."""
        date = datetime.fromtimestamp(moment, self.zone).date()
        first = datetime.combine(date, time(), self.zone)
        following = datetime.combine(date + timedelta(days=1), time(), self.zone)
        return int(first.timestamp()), int(following.timestamp()) - 1

    def _compare(self, name: str, operator: str, value: Any, kind: Kind) -> Test:
        if kind is Kind.DATE:
            if operator in ("!=", "IN", "NIN"):
                return _scalar(name, operator, value, int)
            least, most = self._bounds(operator, _number(name, value))
            return lambda record: least <= _seconds(record.value(name)) <= most
        if kind in (Kind.MANY, Kind.TAG):
            return _member(name, operator, value)
        if kind is Kind.NUMBER:
            return _scalar(name, operator, value, float)
        if kind is Kind.BOOLEAN:
            return _scalar(name, operator, value, _truth)
        return _text(name, operator, value)


def sort_of(body: Mapping[str, Any], searchable: Searchable, strict: bool = False) -> tuple[str, bool]:
    """The sort field and whether it descends. Contacts are strict about the words since 2.16."""
    sort = body.get("sort") or {}
    if not isinstance(sort, Mapping):
        raise bad_parameter("sort: an object with field and order")
    order = sort.get("order", "descending")
    if order not in ("ascending", "descending") and (strict or order not in ("asc", "desc")):
        message = f"Invalid sort order '{order}'. Must be one of: ascending, descending"
        raise ApiError(400, "invalid_sort_order", message)
    name = str(sort.get("field", "updated_at"))
    if searchable.kind(name) is None:
        raise ApiError(400, "invalid_field", f"Invalid field for sort: {name}")
    return name, str(order).startswith("desc")


def _is_group(node: Any) -> bool:
    return isinstance(node, Mapping) and node.get("operator") in ("AND", "OR") and isinstance(node.get("value"), list)


def _every(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda record: any(test(record) for test in tests)


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_parameter(f"query: {name} takes a unix time in seconds, not {value!r}") from None


def _seconds(value: Any) -> int:
    """A missing date is in no range."""
    return value if isinstance(value, int) else -FOREVER - 1


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _scalar(name: str, operator: str, value: Any, cast: Callable[[Any], Any]) -> Test:
    try:
        wanted = [None if item is None else cast(item) for item in (value if isinstance(value, list) else [value])]
    except (TypeError, ValueError):
        raise bad_parameter(f"query: {name} cannot be compared with {value!r}") from None
    first = wanted[0] if wanted else None

    def test(record: Readable) -> bool:
        found = record.value(name)
        found = None if found is None else cast(found)
        if operator in ("=", "IN"):
            return found in wanted
        if operator in ("!=", "NIN"):
            return found not in wanted
        if found is None or first is None:
            return False
        return bool({"<": found < first, ">": found > first, "<=": found <= first, ">=": found >= first}[operator])

    return test


def _member(name: str, operator: str, value: Any) -> Test:
    wanted = {str(item) for item in (value if isinstance(value, list) else [value])}
    expected = operator in ("=", "IN", "~")
    return lambda record: bool(wanted & {str(item) for item in record.value(name) or ()}) is expected


def _text(name: str, operator: str, value: Any) -> Test:
    if operator in ("=", "!=", "IN", "NIN"):
        wanted = {
            None if item is None else str(item).lower() for item in (value if isinstance(value, list) else [value])
        }
        expected = operator in ("=", "IN")
        return lambda record: (_lower(record.value(name)) in wanted) is expected
    needle = str(value).lower()
    if operator in ("~", "!~"):
        words = name.endswith("body")
        return lambda record: _contains(_lower(record.value(name)), needle, words) is (operator == "~")
    if operator == "^":
        return lambda record: (_lower(record.value(name)) or "").startswith(needle)
    if operator == "$":
        return lambda record: (_lower(record.value(name)) or "").endswith(needle)
    return _scalar(name, operator, value, str)


def _lower(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _contains(text: str | None, needle: str, words: bool) -> bool:
    """Bodies are searched by whole words, other texts by any part (Intercom API 2.16, conversations search)."""
    if text is None:
        return False
    return set(re.findall(r"\w+", needle)) <= set(re.findall(r"\w+", text)) if words else needle in text
