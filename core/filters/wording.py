"""A filter as an English sentence."""

from __future__ import annotations

from datetime import date

from core.filters.operators import ACTIVITY_OPERATORS, DAYS, OPERATORS, TIMES, Operator
from core.filters.tree import (
    ActivityCondition,
    FieldCondition,
    Filter,
    Group,
    Node,
    OrganizationCondition,
    Scalar,
    Value,
)


def sentence(filter: Filter) -> str:
    """Return the filter in words: ``Email contains “acme” and (Plan is “Pro” or Tags include “vip”)``."""
    return _words(filter.root) or "No conditions: everything matches"


def _words(node: Node, *, inside: bool = False) -> str:
    match node:
        case Group(join, of):
            parts = [_words(each, inside=len(of) > 1) for each in of]
            words = (" and " if join == "all" else " or ").join(parts)
            return f"({words})" if inside and len(of) > 1 else words
        case OrganizationCondition(of=inner):
            words = f"belongs to an organization where {_words(inner)}"
        case ActivityCondition():
            words = _activity(node)
        case FieldCondition():
            return f"{node.field.label} {_compared(OPERATORS[node.field.type][node.op], node.value)}"
    # What follows «where» would otherwise seem to go on into the next condition.
    return f"({words})" if inside and " where " in words else words


def _activity(node: ActivityCondition) -> str:
    words = f"“{node.activity.label}” {ACTIVITY_OPERATORS[node.op]}"
    if node.times is not None:
        words += f" {TIMES[node.times.op]} {_count(node.times.count, 'time')}"
    if node.when is not None:
        words += f" {_compared(DAYS[node.when.op], node.when.value)}"
    if node.where is not None:
        words += f" where {_words(node.where)}"
    return words


def _compared(operator: Operator, value: Value) -> str:
    match operator.operand, value:
        case "day_count", int():
            text = _count(value, "day")
        case "item_count", int():
            text = _count(value, "item")
        case "texts", tuple():
            *others, last = map(_value, value)
            text = f"{', '.join(others)} or {last}" if others else last
        case (("numbers" | "days"), tuple()):
            text = " and ".join(map(_value, value))
        case "none", _:
            text = ""
        case _, tuple() | None:
            raise AssertionError(operator)
        case _:
            text = _value(value)
    return operator.phrase.format(text)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return f"{value.day} {value:%b %Y}"
    return f"{value:,}" if isinstance(value, int | float) else f"“{value}”"
