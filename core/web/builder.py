"""The builder of filters: a form of nested conditions that works by submit buttons alone.

A form names every part by its place: ``people.join``, ``people.0.field``, ``people.0.op``, ``people.0.value``,
``people.1.join``, ``people.1.0.field``. The hidden ``people.of`` lists the parts of a group in order; a group with
``people.1.organization`` is about an organization of the person. An activity has ``people.2.activity``, ``.op``,
``.times``, ``.count``, ``.when`` and ``.value``; what is asked of its attributes is the group ``people.2.where``.
Buttons send ``do=add:people``, ``do=group:people``, ``do=activity:people``, ``do=organization:people`` or
``do=remove:people.1``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from werkzeug.datastructures import MultiDict

from core.contract.types import JSON
from core.filters import (
    ACTIVITY_OPERATORS,
    DAYS,
    OPERATORS,
    TIMES,
    Catalogue,
    FilterError,
    Operator,
    parse,
    sentence,
)

MAX_DEPTH = 3
"""How deep groups are offered in each other; deeper ones, which a filter may have, are shown and kept."""

WHERE = "where"
_DEEPEST = 10


@dataclass
class Condition:
    """A row of the builder: what was chosen and typed, right or wrong."""

    field: str = ""
    op: str = ""
    values: list[str] = dataclasses.field(default_factory=list)


@dataclass
class Activity:
    """What somebody did, or did not: how often, when, and where its attributes are such.

    ``times`` is empty for once or more, ``when`` for ever; ``values`` belong to ``when``.
    """

    activity: str = ""
    op: str = "has_occurred"
    times: str = ""
    count: str = ""
    when: str = ""
    values: list[str] = dataclasses.field(default_factory=list)
    where: Group = dataclasses.field(default_factory=lambda: Group(of=[]))


@dataclass
class Group:
    """Rows that must hold together, or one of which must hold; of one organization of the person if so said."""

    join: str = "all"
    of: list[Part] = dataclasses.field(default_factory=lambda: [Condition()])
    organization: bool = False


Part: TypeAlias = Condition | Activity | Group


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

    def within(self, part: Part) -> Builder:
        """Return the builder that the rows of a group, or those about an activity, are shown with."""
        return dataclasses.replace(self, catalogue=_inside(part, self.catalogue))

    @property
    def activity_operators(self) -> Mapping[str, str]:
        """How it may have occurred, with what each is called."""
        return ACTIVITY_OPERATORS

    @property
    def times(self) -> Mapping[str, str]:
        """How its count may be bounded, with what each is called."""
        return TIMES

    @property
    def days(self) -> Mapping[str, Operator]:
        """When it may have occurred."""
        return DAYS

    @property
    def sentence(self) -> str:
        """The filter in English; empty while it is not complete."""
        try:
            return sentence(parse(tree(self.root, self.catalogue), self.catalogue)) if self.root.of else ""
        except FilterError:
            return ""


def _inside(part: Part, catalogue: Catalogue) -> Catalogue:
    """Return what the rows within ``part`` may name."""
    match part:
        case Activity():
            known = catalogue.activities.get(part.activity)
            return Catalogue(known.attributes if known else {})
        case Group(organization=True):
            return catalogue.organization or Catalogue({})
    return catalogue


def state(form: MultiDict[str, str], name: str) -> Group:
    """Return what the form holds, after the button that was pressed."""
    root = _group(form, name)
    action, _, target = form.get("do", "").partition(":")
    if target == name or target.startswith(f"{name}."):
        _act(root, action, target.removeprefix(name).split(".")[1:])
    return root


def _group(form: MultiDict[str, str], name: str, depth: int = 1) -> Group:
    parts = [_read(form, f"{name}.{index}", depth + 1) for index in form.getlist(f"{name}.of")[:50]]
    join = "any" if form.get(f"{name}.join") == "any" else "all"
    return Group(join, parts, organization=f"{name}.organization" in form)


def _read(form: MultiDict[str, str], here: str, depth: int) -> Part:
    def one(key: str) -> str:
        return form.get(f"{here}.{key}", "")

    values = form.getlist(f"{here}.value")
    if f"{here}.join" in form and depth <= _DEEPEST:
        return _group(form, here, depth)
    if f"{here}.activity" in form:
        where = _group(form, f"{here}.{WHERE}", depth + 1)
        return Activity(one("activity"), one("op"), one("times"), one("count"), one("when"), values, where)
    return Condition(one("field"), one("op"), values)


def _act(root: Group, action: str, path: list[str]) -> None:
    *above, last = path if action == "remove" else [*path, ""]
    group: Part | None = root
    for step in above:
        group = _at(group, step)
    if not isinstance(group, Group):
        return
    if action == "remove" and _at(group, last) is not None:
        del group.of[int(last)]
    elif made := _MADE.get(action):
        group.of.append(made(group))


_MADE: Mapping[str, Any] = {
    "add": lambda group: Condition(),
    "group": lambda group: Group("any" if group.join == "all" else "all"),
    "activity": lambda group: Activity(),
    "organization": lambda group: Group(organization=True),
}


def _at(part: Part | None, step: str) -> Part | None:
    """Return what a step of a place leads to: a row of a group, or what is asked of an activity's attributes."""
    if isinstance(part, Activity):
        return part.where if step == WHERE else None
    if isinstance(part, Group) and step.isdecimal() and int(step) < len(part.of):
        return part.of[int(step)]
    return None


def tree(root: Group, catalogue: Catalogue) -> dict[str, JSON]:
    """Return the filter as JSON. Values that are not of their type are left as texts, which its reader refuses."""
    inside = _inside(root, catalogue)
    group: dict[str, JSON] = {root.join: [_node(part, inside) for part in root.of]}
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
        node[WHERE] = tree(part.where, _inside(part, catalogue))
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


def told(name: str, root: Group, catalogue: Catalogue, errors: Mapping[str, str], section: str) -> dict[str, str]:
    """Return what is wrong by the name of the part, in words for people.

    Args:
        name: Of the builder.
        root: What is in it.
        catalogue: What can be filtered by.
        errors: By place: ``selection.people.all[0].any[1].value``.
        section: What comes before the place in the tree.
    """
    found: dict[str, str] = {}
    for where, text in errors.items():
        if where != section and not where.startswith(f"{section}."):
            continue
        part: Part = root
        place, here = [name], catalogue
        for step in _STEP.findall(where.removeprefix(section)):
            if (inner := _at(part, step)) is not None:
                place.append(step)
                here, part = _inside(part, here), inner
        found.setdefault(".".join(place), _in_words(part, here, where.rpartition("]")[2], text))
    return found


_STEP = re.compile(rf"(?<=\[)\d+(?=\])|(?<=\.){WHERE}\b")


def _in_words(part: Part, catalogue: Catalogue, aspect: str, text: str) -> str:
    match part:
        case Condition() if part.field not in catalogue.fields:
            return "Choose a field, or remove this condition"
        case Activity() if part.activity not in catalogue.activities:
            return "Choose an activity, or remove this condition"
        case Group(of=[]):
            return "Add a condition"
    if aspect == ".when":
        return "Choose when"
    for beginning, question in ((".times", "How often: "), (".when.", "When: ")):
        if aspect.startswith(beginning):
            return question + text
    return text[:1].upper() + text[1:]
