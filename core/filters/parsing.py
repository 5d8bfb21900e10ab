"""From the JSON tree of a filter to its parts, with everything checked; see docs/filters.md for the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from core.contract.types import JSON
from core.filters.catalogue import Catalogue, FilterField
from core.filters.operands import ITEM_COUNT, count, reader
from core.filters.operators import ACTIVITY_OPERATORS, DAYS, OPERATORS, TIMES, Operator
from core.filters.tree import (
    ActivityCondition,
    FieldCondition,
    Filter,
    Group,
    Node,
    OrganizationCondition,
    Times,
    Value,
    When,
)

MAX_CONDITIONS = 50
MAX_ACTIVITIES = 15
MAX_DEPTH = 10
"""How deep groups, organizations and activities may lie in each other."""

_KINDS = ("all", "any", "field", "organization", "activity")
_LISTED = 20
T = TypeVar("T")


class FilterError(ValueError):
    """A tree is no filter.

    Attributes:
        errors: What is wrong and what is allowed, by the place in the tree: ``"all[0].any[1].value"``; ``""`` for
            the whole.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in errors.items()))
        self.errors = dict(errors)


class _Wrong(Exception):
    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message


def parse(tree: JSON, catalogue: Catalogue) -> Filter:
    """Return the filter that a JSON tree describes.

    Args:
        tree: As ``json.loads`` returns it.
        catalogue: What it may name.

    Raises:
        FilterError: It is not one; every wrong condition is reported.
    """
    parser = _Parser()
    if isinstance(tree, dict) and list(tree.items()) == [("all", [])]:
        return Filter(Group("all", ()))
    root = parser.attempt(lambda: parser.node(tree, catalogue, "", MAX_DEPTH))
    if parser.conditions > MAX_CONDITIONS:
        parser.errors[""] = f"at most {MAX_CONDITIONS} conditions are allowed, not {parser.conditions}"
    elif parser.activities > MAX_ACTIVITIES:
        parser.errors[""] = f"at most {MAX_ACTIVITIES} conditions on activities are allowed, not {parser.activities}"
    if root is None or parser.errors:
        raise FilterError(parser.errors)
    return Filter(root)


@dataclass(slots=True)
class _Parser:
    """Reads nodes, counts conditions, and gathers what is wrong so that one mistake does not hide the next."""

    errors: dict[str, str] = field(default_factory=dict)
    conditions: int = 0
    activities: int = 0

    def attempt(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except _Wrong as wrong:
            self.errors.setdefault(wrong.path, wrong.message)
            return None

    def node(self, tree: JSON, catalogue: Catalogue, path: str, depth: int) -> Node:
        kinds = [kind for kind in _KINDS if kind in tree] if isinstance(tree, dict) else []
        if len(kinds) != 1:
            raise _Wrong(path, f"must be an object with exactly one of the keys {', '.join(_KINDS)}")
        if depth == 0:
            raise _Wrong(path, f"conditions may lie at most {MAX_DEPTH} deep in each other")
        match kinds[0]:
            case "field":
                return self._field(tree, catalogue, path)
            case "activity":
                return self._activity(tree, catalogue, path, depth)
            case "organization":
                return self._organization(tree, catalogue, path, depth)
            case join:
                return self._group(tree, catalogue, path, depth, join)

    def _group(self, tree: dict[str, JSON], catalogue: Catalogue, path: str, depth: int, join: str) -> Node:
        _check_keys(tree, path, (join,))
        members, here = tree[join], _below(path, join)
        if not isinstance(members, list) or not members:
            raise _Wrong(here, "must be a list of at least one condition or group")
        found = [
            self.attempt(lambda each=each, i=i: self.node(each, catalogue, f"{here}[{i}]", depth - 1))  # type: ignore[misc]
            for i, each in enumerate(members)
        ]
        return Group("all" if join == "all" else "any", tuple(node for node in found if node is not None))

    def _field(self, tree: dict[str, JSON], catalogue: Catalogue, path: str) -> Node:
        self.conditions += 1
        key = tree["field"]
        known = _choice(key, catalogue.fields, _below(path, "field"), "field")
        operators = OPERATORS[known.type]
        operator = _choice(tree.get("op"), operators, _below(path, "op"), f"operator for {_described(key, known)}")
        value = _value(tree, path, operator, known.type, ("field", "op"))
        return FieldCondition(key, known, tree["op"], value)

    def _organization(self, tree: dict[str, JSON], catalogue: Catalogue, path: str, depth: int) -> Node:
        _check_keys(tree, path, ("organization",))
        if catalogue.organization is None:
            raise _Wrong(path, "conditions on organizations are only allowed on people")
        inner = self.node(tree["organization"], catalogue.organization, _below(path, "organization"), depth - 1)
        return OrganizationCondition(inner)

    def _activity(self, tree: dict[str, JSON], catalogue: Catalogue, path: str, depth: int) -> Node:
        self.conditions += 1
        self.activities += 1
        _check_keys(tree, path, ("activity", "op", "times", "when", "where"))
        key = tree["activity"]
        activity = _choice(key, catalogue.activities, _below(path, "activity"), "activity")
        op = tree.get("op")
        _choice(op, ACTIVITY_OPERATORS, _below(path, "op"), "operator for activities")
        if "times" in tree and op != "has_occurred":
            raise _Wrong(_below(path, "times"), "is only allowed with has_occurred")
        if "when" not in tree and op in ("first_occurred", "last_occurred"):
            raise _Wrong(_below(path, "when"), f"is needed with {op}")
        where = None
        if "where" in tree:
            inside = Catalogue(activity.attributes)
            where = self.node(tree["where"], inside, _below(path, "where"), depth - 1)
        return ActivityCondition(
            key=key,
            activity=activity,
            op=cast("str", op),
            times=_times(tree["times"], _below(path, "times")) if "times" in tree else None,
            when=_when(tree["when"], _below(path, "when")) if "when" in tree else None,
            where=where,
        )


def _times(tree: JSON, path: str) -> Times:
    if not isinstance(tree, dict) or len(tree) != 1:
        raise _Wrong(path, f"must be an object with exactly one of the keys {', '.join(TIMES)}")
    ((op, number),) = tree.items()
    _choice(op, TIMES, path, "key")
    lowest = 1 if op == "at_least" else 0
    return Times(op, _checked(count(lowest, ITEM_COUNT), number, _below(path, op)))


def _when(tree: JSON, path: str) -> When:
    if not isinstance(tree, dict):
        raise _Wrong(path, "must be an object with the keys op and value")
    operator = _choice(tree.get("op"), DAYS, _below(path, "op"), "operator for when")
    return When(tree["op"], _value(tree, path, operator, "datetime", ("op",)))


def _value(tree: dict[str, JSON], path: str, operator: Operator, type: str, beside: tuple[str, ...]) -> Value:
    op = tree["op"]
    if operator.operand == "none":
        if "value" in tree:
            raise _Wrong(_below(path, "value"), f"is not allowed with {op}")
        _check_keys(tree, path, beside)
        return None
    _check_keys(tree, path, (*beside, "value"))
    if "value" not in tree:
        raise _Wrong(_below(path, "value"), f"is needed with {op}")
    return _checked(reader(op, operator.operand, type), tree["value"], _below(path, "value"))


def _checked(read: Callable[[JSON], T], value: JSON, path: str) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise _Wrong(path, str(error)) from None


def _choice(given: Any, offered: Mapping[str, T], path: str, noun: str) -> T:
    if isinstance(given, str) and given in offered:
        return offered[given]
    near = get_close_matches(given, offered, n=1) if isinstance(given, str) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    raise _Wrong(path, f"unknown {noun} {_shortened(given)}{hint}; allowed: {_listed(offered)}")


def _check_keys(tree: dict[str, JSON], path: str, allowed: tuple[str, ...]) -> None:
    for key in tree:
        if key not in allowed:
            raise _Wrong(path, f"unknown key {_shortened(key)}; allowed: {', '.join(allowed)}")


def _described(key: str, known: FilterField) -> str:
    return f"{key}, which is of type {known.type}:"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return (", ".join(every[:_LISTED]) or "none") + more


def _shortened(given: Any) -> str:
    text = "(missing)" if given is None else repr(given)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
