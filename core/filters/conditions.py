"""One condition on one field, as SQL."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Exists, FromClause, String, and_, false, func, literal, or_, true

from core.db import texts
from core.db.types import UtcDateTime
from core.filters import documents
from core.filters.catalogue import FilterField
from core.filters.days import (
    Days,
    MonthDay,
    anniversaries,
    by_year,
    days_of,
    end_of,
    in_years,
    neighbours,
    start_of,
)
from core.filters.operators import ANNIVERSARIES, COMPARISONS, OPERATORS
from core.filters.tree import FieldCondition, Group, Node

_ANNIVERSARY_YEARS = 1900, 10
"""Anniversaries of moments are looked for from this year on, up to so many years from now."""

_AFTER_YEAR = "13"
"""Sorts after every moment of a year, as it is written behind the year."""

_NOT_TEXT = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def negation(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return what is true wherever ``condition`` is not: where it is false, and where a value is missing."""
    return ~condition if isinstance(condition, Exists) else condition.self_group().is_not(true())


def condition(
    of: FieldCondition, table: FromClause, document: ColumnElement[Any], today: date, zone: tzinfo
) -> ColumnElement[bool]:
    """Return the condition as SQL.

    Args:
        of: On any field but tags.
        table: Where its column is, if it has one.
        document: The JSON column where its value is otherwise.
        today: The present day in ``zone``.
        zone: Whose days count.
    """
    operator = OPERATORS[of.field.type][of.op]
    column = None if of.field.column is None else table.c[of.field.column]
    stored = documents.value_in(document, of.key, of.field.type) if column is None else column
    if of.op == "has_no_value" and of.field.type != "list":
        return stored.is_(None)
    if operator.negates:
        return negation(condition(replace(of, op=operator.negates), table, document, today, zone))
    if of.field.type == "list":
        return _list(stored, of)
    if of.op == "has_value":
        return stored.is_not(None)
    match of.field.type:
        case "text":
            return _text(stored, of)
        case "integer" | "decimal":
            return _number(stored, of)
        case "boolean":
            return stored.is_(true() if of.value else false())
        case "date":
            return _date(stored, of, today)
        case "datetime":
            return _datetime(stored, of, today, zone, in_column=column is not None)
    raise AssertionError(of.field.type)


def hint(node: Node, document: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return what an index of what documents hold can answer: true at least wherever ``node`` is met."""
    match node:
        case Group("all", of):
            return and_(true(), *(hint(each, document) for each in of))
        case FieldCondition(field=FilterField(type="text"), op="is"):
            written = _written(str(node.value))
        case FieldCondition(field=FilterField(type="integer" | "decimal"), op="is"):
            written = [json.dumps(node.value)]
        case FieldCondition(field=FilterField(type="list"), op="contains" | "contains_any"):
            items = node.value if isinstance(node.value, tuple) else (node.value,)
            written = [json.dumps([item], ensure_ascii=False) for item in items]
        case _:
            written = []
    return documents.may_hold(document, written) if written else true()


def _written(text: str) -> list[str]:
    """Return how JSON may write what reads as ``text``; nothing where it may be a whole list or object."""
    if text.startswith(("[", "{")):
        return []
    other = [text.lower()] if _NOT_TEXT.fullmatch(text.lower()) else []
    return [json.dumps(text, ensure_ascii=False), *other]


def moments(column: ColumnElement[datetime], days: Days, zone: tzinfo) -> ColumnElement[bool]:
    """Return whether a column of moments lies within ``days``."""
    return and_(*(_moment_bound(column, days, zone, _as_moment)))


def _list(items: ColumnElement[Any], of: FieldCondition) -> ColumnElement[bool]:
    value: Any = of.value
    if of.op == "has_value":
        return documents.item_count(items) > 0
    if of.op in COMPARISONS:
        return _compared(of.op, documents.item_count(items), value)
    return documents.has_item(items, value if isinstance(value, tuple) else [value])


def _text(stored: ColumnElement[Any], of: FieldCondition) -> ColumnElement[bool]:
    value = str(of.value)
    match of.op, of.field.lowercase:
        case "is", True:
            return stored == value.lower()
        case "is", False:
            return texts.equals(stored, value)
        case "starts_with", True:
            return stored.startswith(value.lower(), autoescape=True)
        case "starts_with", False:
            return texts.begins(stored, value)
        case "ends_with", _:
            return texts.ends(stored, value)
    return texts.contains(stored, value)


def _number(stored: ColumnElement[Any], of: FieldCondition) -> ColumnElement[bool]:
    value: Any = of.value
    if of.op == "between":
        return and_(
            _compared("at_least", stored, value[0]),
            _compared("at_most", stored, value[1]),
        )
    return _compared(of.op, stored, value)


def _compared(op: str, stored: ColumnElement[Any], value: int | float) -> ColumnElement[bool]:
    return documents.compared(stored, COMPARISONS[op], value)


def _date(stored: ColumnElement[Any], of: FieldCondition, today: date) -> ColumnElement[bool]:
    if of.op in ANNIVERSARIES:
        return _has_month_day(stored, _month_days(of, today))
    days = days_of(of.op, of.value, today)
    bounds = []
    if days.first is not None:
        bounds.append(stored >= days.first.isoformat())
    if days.last is not None:
        bounds.append(stored <= days.last.isoformat())
    return and_(*bounds)


def _datetime(
    stored: ColumnElement[Any], of: FieldCondition, today: date, zone: tzinfo, in_column: bool
) -> ColumnElement[bool]:
    bound = _as_moment if in_column else _as_text
    if of.op not in ANNIVERSARIES:
        return and_(*_moment_bound(stored, days_of(of.op, of.value, today), zone, bound))
    # The zone's distance from UTC differs from year to year, so every year has bounds of its own.
    month_days = _month_days(of, today)
    first, further = _ANNIVERSARY_YEARS
    runs = in_years(month_days, range(first, today.year + further + 1))
    if in_column:
        return or_(*(and_(*_moment_bound(stored, days, zone, bound)) for days in runs))
    return and_(_has_month_day(stored, neighbours(month_days)), _is_in_years(stored, runs, zone))


def _is_in_years(stored: ColumnElement[Any], runs: Iterable[Days], zone: tzinfo) -> ColumnElement[bool]:
    """Return whether a moment in a document is on one of these days; most years differ in nothing but the year."""
    years: dict[tuple[str, str], list[str]] = defaultdict(list)
    for days in runs:
        for first, end in by_year(days, zone):
            years[_within_year(first), _within_year(end) if end.year == first.year else _AFTER_YEAR].append(
                _year(first)
            )
    year, rest = func.substr(stored, 1, 4, type_=String()), func.substr(stored, 6, type_=String())
    return or_(*(and_(rest >= first, rest < end, year.in_(found)) for (first, end), found in years.items()))


def _year(moment: datetime) -> str:
    return _as_text(moment)[:4]


def _within_year(moment: datetime) -> str:
    return _as_text(moment)[5:]


def _month_days(of: FieldCondition, today: date) -> frozenset[MonthDay]:
    count: Any = of.value
    return anniversaries(today, 1 if count is None else count)


def _has_month_day(stored: ColumnElement[Any], month_days: frozenset[MonthDay]) -> ColumnElement[bool]:
    return func.substr(stored, len("2026-") + 1, len("01-31")).in_([f"{m:02}-{d:02}" for m, d in sorted(month_days)])


def _moment_bound(stored: ColumnElement[Any], days: Days, zone: tzinfo, bound: Any) -> list[ColumnElement[bool]]:
    bounds = []
    if days.first is not None:
        bounds.append(stored >= bound(start_of(days.first, zone)))
    if days.last is not None:
        bounds.append(stored < bound(end_of(days.last, zone)))
    return bounds


def _as_moment(moment: datetime) -> ColumnElement[datetime]:
    return literal(moment, UtcDateTime())


def _as_text(moment: datetime) -> str:
    # As the pipeline writes moments into JSON documents.
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
