"""The builder of filters: a form of nested conditions that works by submit buttons alone.

A form names every part by its place: ``people.join``, ``people.0.field``, ``people.0.op``, ``people.0.value``,
``people.1.join``, ``people.1.0.field``. The hidden ``people.of`` lists the parts of a group in order; a group with
``people.1.organization`` is about an organization of the person. An activity has ``people.2.activity``, ``.op``,
``.times``, ``.count``, ``.when`` and ``.value``; what is asked of its attributes is the group ``people.2.where``.
Buttons send ``do=add:people``, ``do=group:people``, ``do=activity:people``, ``do=organization:people`` or
``do=remove:people.1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from core.web.builder.parts import WHERE, Activity, Condition, Group, Part, at

_DEEPEST = 10


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
        group = at(group, step)
    if not isinstance(group, Group):
        return
    if action == "remove" and at(group, last) is not None:
        del group.of[int(last)]
    elif made := _MADE.get(action):
        group.of.append(made(group))


_MADE: Mapping[str, Any] = {
    "add": lambda group: Condition(),
    "group": lambda group: Group("any" if group.join == "all" else "all"),
    "activity": lambda group: Activity(),
    "organization": lambda group: Group(organization=True),
}
