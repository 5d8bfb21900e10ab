"""Writes docs/types.md from the docstrings of what a plugin imports: ``make docs``."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from core.contract import errors, types
from core.contract.fields import ARTICLE, COLLECTION, SYSTEM_FIELDS
from docs.generate_hooks import markdown, signature

TARGET = Path(__file__).with_name("types.md")
BASE = ("source", "client", "oauth", "pages", "mapping", "lookup", "selecting", "webhooks", "answers", "sandbox")
HEADER = """\
<!-- Made by docs/generate_types.py from core/contract and plugins/base: change it there, then run make docs. -->

# What a plugin imports

The [cookbook](cookbook.md) shows how these fit together, [hooks](hooks.md) where the host asks for them.

- [System fields](#system-fields): the keys of `Record.values`
- [Values](#values): `core.contract.types`
- [Errors](#errors): `core.contract.errors`
- [Help for data sources](#help-for-data-sources): `plugins.base`
"""
ATTRIBUTES = re.compile(r"^Attributes:\n((?: {4}.*\n)+)", re.MULTILINE)


def public(module: ModuleType) -> list[Any]:
    """Return the classes and functions of a module that are its own and not private, as they are written."""
    named = [one for name, one in vars(module).items() if not name.startswith("_")]
    shown = [one for one in named if inspect.isclass(one) or inspect.isfunction(one)]
    return [one for one in shown if one.__module__ == module.__name__]


def render() -> str:
    """Return the whole page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield HEADER
    yield "## System fields\n"
    yield "They exist whatever is connected. Those that identify may be merge keys.\n"
    yield "| of | key | type | identifies |\n|---|---|---|---|"
    for entity, known in SYSTEM_FIELDS.items():
        yield from (f"| {entity} | `{one.key}` | {one.type} | {'yes' if one.identifier else ''} |" for one in known)
    for several, keys in (("Articles", ARTICLE), ("Collections", COLLECTION)):
        yield f"\n{several} have the fixed values {', '.join(f'`{key}`' for key in keys)}."
    literals = {name: value for name, value in vars(types).items() if getattr(value, "__module__", "") == "typing"}
    yield "\n## Values\n\n| name | one of |\n|---|---|"
    for name in ("Kind", "FieldType", "Channel", "Question", "Comparison", "MatchMode"):
        yield f"| `{name}` | {', '.join(f'`{value}`' for value in literals[name].__args__)} |"
    yield "\n`Cursor` and `JSON` are anything that `json.dumps` takes.\n"
    yield from map(_entry, (one for one in public(types) if isinstance(one, type)))
    yield "## Errors\n"
    yield from map(_entry, public(errors))
    yield "## Help for data sources\n"
    for name in BASE:
        module = importlib.import_module(f"plugins.base.{name}")
        yield f"### `plugins.base.{name}`\n\n{markdown(module)}"
        yield from (_entry(one).replace("### ", "#### ", 1) for one in public(module))


def _entry(documented: Any) -> str:
    """Return a class with its attributes and methods, or a function."""
    if not isinstance(documented, type):
        return f"### `{documented.__name__}`\n\n```python\n{_function(documented)}\n```\n\n{markdown(documented)}"
    text = ATTRIBUTES.sub(lambda found: _attributes(documented, found[1]), markdown(documented))
    if dataclasses.is_dataclass(documented) and "Attributes:" not in str(documented.__doc__):
        text += "\n" + "\n".join(f"- {_typed(one)}" for one in dataclasses.fields(documented)) + "\n"
    methods = "\n".join(_methods(documented))
    return f"### `{documented.__name__}`\n\n{text}" + (f"\n{methods}\n" if methods else "")


def _attributes(documented: Any, block: str) -> str:
    """Turn ``Attributes:`` into a list; of a dataclass with types and defaults."""
    typed = (
        {one.name: _typed(one) for one in dataclasses.fields(documented)}
        if dataclasses.is_dataclass(documented)
        else {}
    )
    entries = re.split(r"\n(?=\S)", dedent(block).strip())
    told = [" ".join(entry.split()).partition(": ")[::2] for entry in entries]
    return "\n".join(f"- {typed.get(name, f'`{name}`')}: {text}" for name, text in told) + "\n"


def _typed(one: dataclasses.Field[Any]) -> str:
    default = "" if one.default is dataclasses.MISSING else f" = {one.default!r}"
    return f"`{one.name}: {one.type}{default}`"


def _methods(documented: type) -> Iterator[str]:
    for name, function in vars(documented).items():
        shown = name == "__call__" or not name.startswith("_")
        if shown and inspect.isfunction(function) and inspect.getdoc(function):
            first = re.sub(r":\w+:`([^`]+)`", r"`\1`", str(inspect.getdoc(function)).splitlines()[0])
            yield f"- `{signature(name, function).removeprefix('def ')}`: {first.replace('``', '`')}"


def _function(function: Any) -> str:
    found = inspect.signature(function)
    arguments = (_argument(one) for one in found.parameters.values())
    return f"def {function.__name__}({', '.join(arguments)}) -> {found.return_annotation}"


def _argument(one: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(one.kind.name, "")
    default = "" if one.default is inspect.Parameter.empty else f" = {one.default!r}"
    return f"{stars}{one.name}: {one.annotation}{default}"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
