"""Random filters as JSON trees."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from core.filters import ACTIVITY_OPERATORS, DAYS, OPERATORS, Catalogue, FilterField
from core.filters.parsing import MAX_DEPTH
from tests.filters.world import DATES, TAGS, TEXTS

_texts = st.sampled_from([*TEXTS, "%", "_", "\\", "'", '"', "a", "5", "true", "AC", "vip", "X", "/", "{0}", "%s"])
_tags = st.sampled_from([*TAGS, "none"])
_days = st.sampled_from([*DATES, "2026-03-30", "2025-12-31", "2026-11-01", "2024-02-29", "1000-01-01", "2999-12-31"])
_integers = st.sampled_from([-3, 0, 1, 2, 5, 2**53, 2**53 + 1, 2**63 - 1])
_decimals = st.sampled_from([-1e10, 0, 0.1, 0.2, 2.5, 5, 1e300 / 1e290])


def _pairs(values: Any) -> Any:
    return st.lists(values, min_size=2, max_size=2).map(sorted)


def _value(op: str, operand: str, type: str) -> Any:
    texts = _tags if type == "tags" else _texts
    numbers = _integers if type == "integer" else _decimals
    return {
        "none": st.none(),
        "text": texts,
        "texts": st.lists(texts, min_size=1, max_size=3),
        "number": numbers,
        "numbers": _pairs(numbers),
        "boolean": st.booleans(),
        "day": _days,
        "days": _pairs(_days),
        "day_count": st.integers(1, 4) | st.sampled_from([30, 365, 366]),
        "item_count": st.integers(0, 3),
    }[operand]


@st.composite
def _compared(draw: Any, operators: Any, type: str) -> dict[str, Any]:
    op = draw(st.sampled_from(sorted(operators)))
    operand = operators[op].operand
    tree = {"op": op}
    if operand != "none":
        tree["value"] = draw(_value(op, operand, type))
    return tree


@st.composite
def _field(draw: Any, fields: dict[str, FilterField]) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(fields)))
    return {"field": key, **draw(_compared(OPERATORS[fields[key].type], fields[key].type))}


@st.composite
def _activity(draw: Any, catalogue: Catalogue) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(catalogue.activities)))
    op = draw(st.sampled_from(sorted(ACTIVITY_OPERATORS)))
    tree: dict[str, Any] = {"activity": key, "op": op}
    if op == "has_occurred" and draw(st.booleans()):
        times = draw(st.sampled_from(["at_least", "at_most", "exactly"]))
        tree["times"] = {times: draw(st.integers(1 if times == "at_least" else 0, 3))}
    if op in ("first_occurred", "last_occurred") or draw(st.booleans()):
        tree["when"] = draw(_compared(DAYS, "datetime"))
    attributes = dict(catalogue.activities[key].attributes)
    if attributes and draw(st.booleans()):
        tree["where"] = draw(_grouped(_field(attributes), 3))
    return tree


def _grouped(leaves: Any, most: int) -> Any:
    groups = lambda of: st.builds(  # noqa: E731
        lambda join, members: {join: members}, st.sampled_from(["all", "any"]), st.lists(of, min_size=1, max_size=3)
    )
    return st.recursive(leaves, groups, max_leaves=most)


def trees(catalogue: Catalogue) -> Any:
    """Return a strategy of valid trees for the catalogue."""
    leaves = _field(dict(catalogue.fields)) | _activity(catalogue)
    if catalogue.organization is not None:
        leaves |= trees(catalogue.organization).map(lambda tree: {"organization": tree})
    return _grouped(leaves, 6).filter(lambda tree: _depth(tree) <= MAX_DEPTH)


def _depth(tree: Any) -> int:
    """How deep nodes lie in each other, which has a limit."""
    members = [*tree.get("all", ()), *tree.get("any", ())]
    members += [tree[key] for key in ("organization", "where") if key in tree]
    return 1 + max(map(_depth, members), default=0)
