"""The builder of filters: a form of nested conditions that works by submit buttons alone.

A form names every part by its place: ``people.join``, ``people.0.field``, ``people.0.op``, ``people.0.value``,
``people.1.join``, ``people.1.0.field``. The hidden ``people.of`` lists the parts of a group in order. Buttons send
``do=add:people``, ``do=group:people`` or ``do=remove:people.1``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from werkzeug.datastructures import MultiDict

from core.contract.types import JSON
from core.filters import OPERATORS, Catalogue, Operator

MAX_DEPTH = 3


@dataclass
class Condition:
    """A row of the builder: what was chosen and typed, right or wrong."""

    field: str = ""
    op: str = ""
    values: list[str] = dataclasses.field(default_factory=list)


@dataclass
class Group:
    """Rows that must hold together, or one of which must hold."""

    join: str = "all"
    of: list[Part] = dataclasses.field(default_factory=lambda: [Condition()])


Part: TypeAlias = Condition | Group


@dataclass(frozen=True)
class Builder:
    """A builder to be shown.

    Attributes:
        name: Of its parts in the form.
        catalogue: What can be filtered by.
        root: What is in it.
        errors: What is wrong, by the name of the part.
    """

    name: str
    catalogue: Catalogue
    root: Group
    errors: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def operators(self, key: str) -> Mapping[str, Operator]:
        """Return the operators of a field."""
        known = self.catalogue.fields.get(key)
        return OPERATORS[known.type] if known else {}

    def operator(self, condition: Condition) -> Operator | None:
        """Return the operator of a row: the first one of its field while none that fits is chosen."""
        offered = self.operators(condition.field)
        return offered.get(condition.op) or next(iter(offered.values()), None)

    def phrase(self, operator: Operator) -> str:
        """Return how an operator reads in the list: ``is between … and …``."""
        place = {"numbers": "… and …", "days": "… and …", "day_count": "… days", "none": ""}
        return operator.phrase.format(place.get(operator.operand, "…")).strip()

    def is_deep(self, name: str) -> bool:
        """Tell whether no group may be put into the group called ``name``."""
        return name.count(".") + 1 >= MAX_DEPTH


def state(form: MultiDict[str, str], name: str) -> Group:
    """Return what the form holds, after the button that was pressed."""
    root = _group(form, name)
    action, _, target = form.get("do", "").partition(":")
    if target == name or target.startswith(f"{name}."):
        _act(root, action, [int(part) for part in target.removeprefix(name).split(".") if part.isdecimal()])
    return root


def _group(form: MultiDict[str, str], name: str) -> Group:
    parts: list[Part] = []
    for index in form.getlist(f"{name}.of")[:50]:
        here = f"{name}.{index}"
        if f"{here}.join" in form and here.count(".") < MAX_DEPTH:
            parts.append(_group(form, here))
        else:
            values = form.getlist(f"{here}.value")
            parts.append(Condition(form.get(f"{here}.field", ""), form.get(f"{here}.op", ""), values))
    return Group("any" if form.get(f"{name}.join") == "any" else "all", parts)


def _act(root: Group, action: str, path: list[int]) -> None:
    *parents, last = path if action == "remove" else [*path, -1]
    group = root
    for index in parents:
        part = group.of[index] if index < len(group.of) else None
        if not isinstance(part, Group):
            return
        group = part
    if action == "add":
        group.of.append(Condition())
    elif action == "group":
        group.of.append(Group("any" if group.join == "all" else "all"))
    elif action == "remove" and last < len(group.of):
        del group.of[last]


def tree(root: Group, catalogue: Catalogue) -> dict[str, JSON]:
    """Return the filter as JSON. Values that are not of their type are left as texts, which its reader refuses."""
    return {root.join: [_node(part, catalogue) for part in root.of]}


def _node(part: Part, catalogue: Catalogue) -> dict[str, JSON]:
    if isinstance(part, Group):
        return tree(part, catalogue)
    known = catalogue.fields.get(part.field)
    operators = OPERATORS[known.type] if known else {}
    op = part.op if part.op in operators else next(iter(operators), part.op)
    node: dict[str, JSON] = {"field": part.field, "op": op}
    if op in operators and operators[op].operand != "none":
        node["value"] = _value(operators[op].operand, part.values)
    return node


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
    """Return the builder's parts of a filter of fields and groups; None gives one empty row."""
    if not given:
        return Group()
    part = _part(given)
    return part if isinstance(part, Group) else Group("all", [part])


def _part(node: Mapping[str, Any]) -> Part:
    for join in ("all", "any"):
        if join in node:
            return Group(join, [_part(each) for each in node[join]])
    value = node.get("value")
    if isinstance(value, list):
        texts = [str(item) for item in value]
        operand = "texts" if all(isinstance(item, str) for item in value) and node["op"] not in _BOUNDS else "bounds"
        values = ["\n".join(texts)] if operand == "texts" else texts
    elif isinstance(value, bool):
        values = ["true" if value else "false"]
    else:
        values = [] if value is None else [str(value)]
    return Condition(node.get("field", ""), node.get("op", ""), values)


_BOUNDS = ("between", "not_between")


def told(name: str, root: Group, catalogue: Catalogue, errors: Mapping[str, str], section: str) -> dict[str, str]:
    """Return what is wrong by the name of the part, in words for people.

    Args:
        name: Of the builder.
        root: What is in it.
        catalogue: What can be filtered by.
        errors: By place: ``selection.people.all[0].any[1].value``.
        section: What comes before the place in the tree.
    """
    found = {}
    for where, text in errors.items():
        if where == section or where.startswith(f"{section}."):
            indices = [int(index) for index in re.findall(r"\[(\d+)\]", where.removesuffix(".value"))]
            part: Part = root
            for index in indices:
                part = part.of[index] if isinstance(part, Group) and index < len(part.of) else part
            if isinstance(part, Condition) and part.field not in catalogue.fields:
                text = "Choose a field, or remove this condition"
            elif isinstance(part, Group) and not part.of:
                text = "Add a condition"
            found[".".join([name, *map(str, indices)])] = text[:1].upper() + text[1:]
    return found
