"""A filter put to one record in memory; means exactly what :mod:`core.filters.compiling` means in a database."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from typing import Any

from core.contract.types import JSON
from core.filters.days import anniversaries, days_of, today
from core.filters.operators import ANNIVERSARIES, COMPARISONS, OPERATORS
from core.filters.tree import ActivityCondition, FieldCondition, Filter, Group, Node, OrganizationCondition, Times


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An activity of a :class:`Subject`."""

    type: str
    occurred_at: datetime
    attributes: Mapping[str, JSON] = field(default_factory=dict)
    source_id: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person or organization as a filter sees it.

    Attributes:
        values: By the key of the catalogue, as stored: moments as RFC 3339 text or datetime, days as ``YYYY-MM-DD``.
        tags: Names.
        organizations: What a person belongs to.
        activities: Those it takes part in.
    """

    values: Mapping[str, JSON]
    tags: Collection[str] = ()
    organizations: Sequence[Subject] = ()
    activities: Sequence[Occurrence] = ()


def matches(filter: Filter, subject: Subject, now: datetime, zone: tzinfo) -> bool:
    """Tell whether ``subject`` meets the filter; ``now`` and ``zone`` as in :func:`core.filters.where`."""
    return _Matcher(today(now, zone), zone).meets(filter.root, subject)


@dataclass(frozen=True, slots=True)
class _Matcher:
    today: date
    zone: tzinfo

    def meets(self, node: Node, subject: Subject) -> bool:
        match node:
            case Group("all", of):
                return all(self.meets(each, subject) for each in of)
            case Group(_, of):
                return any(self.meets(each, subject) for each in of)
            case OrganizationCondition(of=inner):
                return any(self.meets(inner, each) for each in subject.organizations)
            case ActivityCondition():
                return self._activity(node, subject.activities)
            case FieldCondition():
                return self._field(node, subject)

    def _activity(self, node: ActivityCondition, activities: Sequence[Occurrence]) -> bool:
        found = [each for each in activities if self._is(node, each)]
        if node.op in ("first_occurred", "last_occurred"):
            moments = sorted(each.occurred_at for each in found)
            return bool(moments) and self._within(node, moments[0 if node.op == "first_occurred" else -1])
        count = sum(self._within(node, each.occurred_at) for each in found)
        times = node.times or Times("at_least", 1)
        if node.op == "has_not_occurred":
            return count == 0
        return bool(COMPARISONS[times.op](count, times.count))

    def _is(self, node: ActivityCondition, each: Occurrence) -> bool:
        wanted = node.activity
        return (
            wanted.type in (None, each.type)
            and (wanted.source_ids is None or each.source_id in wanted.source_ids)
            and (node.where is None or self.meets(node.where, Subject(each.attributes)))
        )

    def _within(self, node: ActivityCondition, moment: datetime) -> bool:
        return node.when is None or self._day(moment) in days_of(node.when.op, node.when.value, self.today)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def _field(self, node: FieldCondition, subject: Subject) -> bool:
        operator = OPERATORS[node.field.type][node.op]
        if operator.negates:
            return not self._field(replace(node, op=operator.negates), subject)
        if node.field.type == "tags":
            return _tags(node, subject.tags)
        value = self._read(subject.values.get(node.key), node.field.type)
        if node.field.type == "list":
            return _list(node, value or [])
        if value is None or node.op == "has_value":
            return value is not None
        match node.field.type:
            case "text":
                return _text(node, value)
            case "integer" | "decimal":
                return _number(node, value)
            case "boolean":
                return bool(value == node.value)
        return self._days(node, value)

    def _read(self, value: Any, type: str) -> Any:
        """Return a value as the field's type, None when there is none."""
        if value is None:
            return None
        match type:
            case "text":
                return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            case "integer" | "decimal":
                return value if isinstance(value, int | float) and not isinstance(value, bool) else None
            case "boolean":
                return value if isinstance(value, bool) else None
            case "list":
                return value if isinstance(value, list | tuple) else None
        try:
            if type == "date":
                return value if isinstance(value, date) else date.fromisoformat(value)
            return self._day(value if isinstance(value, datetime) else datetime.fromisoformat(value))
        except (TypeError, ValueError):
            return None

    def _days(self, node: FieldCondition, day: date) -> bool:
        given: Any = node.value
        if node.op in ANNIVERSARIES:
            return (day.month, day.day) in anniversaries(self.today, 1 if given is None else given)
        return day in days_of(node.op, given, self.today)


def _tags(node: FieldCondition, tags: Collection[str]) -> bool:
    if node.value is None:
        return bool(tags)
    names = node.value if isinstance(node.value, tuple) else (node.value,)
    return any(name in tags for name in names)


def _list(node: FieldCondition, items: Sequence[str]) -> bool:
    if node.op == "has_value":
        return bool(items)
    if node.op in COMPARISONS:
        return bool(COMPARISONS[node.op](len(items), node.value))
    texts = node.value if isinstance(node.value, tuple) else (node.value,)
    return not {str(text).lower() for text in texts}.isdisjoint(item.lower() for item in items)


def _text(node: FieldCondition, value: str) -> bool:
    value, given = value.lower(), str(node.value).lower()
    match node.op:
        case "is":
            return value == given
        case "starts_with":
            return value.startswith(given)
        case "ends_with":
            return value.endswith(given)
    return given in value


def _number(node: FieldCondition, value: int | float) -> bool:
    given: Any = node.value
    if node.op == "between":
        return bool(given[0] <= value <= given[1])
    return bool(COMPARISONS[node.op](value, given))
