"""Filters as JSON, from the parts of a builder and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from core.contract.types import JSON
from core.filters import DAYS, OPERATORS, Catalogue, Operator
from core.web.builder.parts import WHERE, Activity, Condition, Group, Part, inside


def tree(root: Group, catalogue: Catalogue) -> dict[str, JSON]:
    """Return the filter as JSON. Values that are not of their type are left as texts, which its reader refuses."""
    here = inside(root, catalogue)
    group: dict[str, JSON] = {root.join: [_node(part, here) for part in root.of]}
    return {"organization": group} if root.organization else group


def _node(part: Part, catalogue: Catalogue) -> dict[str, JSON]:
    if isinstance(part, Group):
        return tree(part, catalogue)
    if isinstance(part, Activity):
        return _activity(part, catalogue)
    known = catalogue.fields.get(part.field)
    return {"field": part.field, **_compared(OPERATORS[known.type] if known else {}, part.op, part.values)}


def _activity(part: Activity, catalogue: Catalogue) -> dict[str, JSON]:
    node: dict[str, JSON] = {"activity": part.activity, "op": part.op}
    if part.times and part.op == "has_occurred":
        node["times"] = {part.times: _number(part.count.strip())}
    if part.when:
        node["when"] = _compared(DAYS, part.when, part.values)
    if part.where.of:
        node[WHERE] = tree(part.where, inside(part, catalogue))
    return node


def _compared(operators: Mapping[str, Operator], op: str, values: list[str]) -> dict[str, JSON]:
    """Return operator and value: the first operator while none that fits is chosen."""
    op = op if op in operators else next(iter(operators), op)
    if op not in operators or operators[op].operand == "none":
        return {"op": op}
    return {"op": op, "value": _value(operators[op].operand, values)}


def _value(operand: str, given: list[str]) -> JSON:
    first = given[0].strip() if given else ""
    match operand:
        case "texts":
            return [line.strip() for line in first.splitlines() if line.strip()]
        case "number" | "day_count" | "item_count":
            return _number(first)
        case "numbers":
            return [_number(text.strip()) for text in given[:2]]
        case "boolean":
            return {"true": True, "false": False}.get(first, first)
        case "days":
            return [text.strip() for text in given[:2]]
    return first


def _number(text: str) -> JSON:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def from_tree(given: JSON) -> Group:
    """Return the builder's parts of a filter; None gives one empty row."""
    return _as_group(given) if given else Group()


def _as_group(node: Mapping[str, Any]) -> Group:
    part = _part(node)
    return part if isinstance(part, Group) and not part.organization else Group("all", [part])


def _part(node: Mapping[str, Any]) -> Part:
    for join in ("all", "any"):
        if join in node:
            return Group(join, [_part(each) for each in node[join]])
    if "organization" in node:
        return dataclasses.replace(_as_group(node["organization"]), organization=True)
    if "activity" in node:
        times, count = next(iter(node.get("times", {}).items()), ("", ""))
        when = node.get("when", {})
        where = _as_group(node[WHERE]) if WHERE in node else Group(of=[])
        return Activity(
            _text(node, "activity"), _text(node, "op"), times, str(count), _text(when, "op"), _texts(when), where
        )
    return Condition(_text(node, "field"), _text(node, "op"), _texts(node))


def _text(node: Mapping[str, Any], key: str) -> str:
    # In an address, where anything can stand, it may be no text.
    return str(node.get(key, ""))


def _texts(node: Mapping[str, Any]) -> list[str]:
    """Return the value of a condition as its form sends it."""
    match node.get("value"):
        case None:
            return []
        case bool(value):
            return ["true" if value else "false"]
        case list(value):
            texts = [str(item) for item in value]
            return texts if node["op"] in _BOUNDS else ["\n".join(texts)]
        case value:
            return [str(value)]


_BOUNDS = ("between", "not_between")
