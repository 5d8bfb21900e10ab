"""A filter in the words of the contract, for a plugin to put into its vendor's: few of them, and no day is relative."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from core.contract.types import AllOf, AnyOf, Comparison, Condition, Conditions
from core.filters.days import days_of, start_of, today
from core.filters.operators import DAYS, OPERATORS
from core.filters.tree import FieldCondition, Filter, Group, Node

_SAME: dict[str, Comparison] = {
    "has_value": "has_value",
    "is": "is",
    "starts_with": "starts_with",
    "ends_with": "ends_with",
    "contains": "contains",
    "has": "contains",
    "greater_than": "above",
    "less_than": "below",
    "at_least": "at_least",
    "at_most": "at_most",
}
_EACH = ("contains_any", "has_any")


def conditions_of(filter: Filter, keys: Collection[str], now: datetime, zone: tzinfo) -> Conditions:
    """Return what holds for the records that match ``filter``, as :func:`core.filters.matches` judges them.

    Args:
        filter: Of a vendor's fields.
        keys: Those that the records can have, beside tags; what is asked of others is not told.
        now: The present moment, with a time zone.
        zone: Whose days count.
    """
    return _node(filter.root, {*keys, "tags"}, today(now, zone), zone)


def _node(node: Node, keys: Collection[str], today: date, zone: tzinfo) -> Conditions:
    match node:
        case Group(join, of):
            members = tuple(_node(each, keys, today, zone) for each in of)
            return AllOf(members) if join == "all" else AnyOf(members)
        case FieldCondition() if node.key in keys:
            return _field(node, today, zone)
    return Condition(getattr(node, "key", ""), "text", "other")


def _field(node: FieldCondition, today: date, zone: tzinfo) -> Conditions:
    operator = OPERATORS[node.field.type][node.op]
    op, value, negated = operator.negates or node.op, node.value, operator.negates is not None

    def one(op: Comparison, value: Any = None) -> Condition:
        return Condition(node.key, node.field.type, op, value, negated)

    def together(*of: Condition) -> Conditions:
        """All of them, or the opposite of that."""
        return of[0] if len(of) == 1 else AnyOf(of) if negated else AllOf(of)

    if node.field.type in ("date", "datetime") and op in DAYS:
        days = days_of(op, value, today)
        moment = start_of if node.field.type == "datetime" else _same_day
        bounds = [one("from", moment(days.first, zone))] if days.first else []
        bounds += [one("before", moment(days.last + timedelta(days=1), zone))] if days.last else []
        return together(*bounds)
    if op == "between" and isinstance(value, tuple):
        return together(one("at_least", value[0]), one("at_most", value[1]))
    if op in _EACH and isinstance(value, tuple):
        each = tuple(one("contains", name) for name in value)
        return AllOf(each) if negated else AnyOf(each)
    return one(_SAME[op], value) if op in _SAME else one("other")


def _same_day(day: date, zone: tzinfo) -> date:
    return day
