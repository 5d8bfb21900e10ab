"""Checks a value against a type annotation, which Python itself does not do for dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfits(value: object, hint: Any, where: str) -> Iterator[str]:
    """Yield what in ``value`` has not the type that ``hint`` asks for, deep into tuples, mappings and dataclasses.

    Args:
        value: Anything.
        hint: A resolved annotation of the kinds that a manifest is built of.
        where: Name of the value in the messages.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in args:
            yield f"{where} is {value!r}: allowed are {', '.join(map(repr, args))}"
    elif origin in (Union, UnionType):
        alternatives = [list(misfits(value, option, where)) for option in args if option is not NoneType]
        if not (value is None and NoneType in args) and all(alternatives):
            yield from alternatives[0]
    elif origin is type:
        if not (isinstance(value, type) and issubclass(value, args[0])):
            yield f"{where} must be a subclass of {args[0].__name__}"
    elif not _is_a(value, origin or hint):
        yield f"{where} must be of type {(origin or hint).__name__}, not {type(value).__name__}"
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from misfits(item, args[0], f"{where}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from misfits(key, args[0], f"a key of {where}")
            yield from misfits(item, args[1], f"{where}[{key!r}]")
    elif is_dataclass(hint):
        for name, attribute in get_type_hints(hint).items():
            yield from misfits(getattr(value, name), attribute, f"{where}.{name}")


def _is_a(value: object, cls: type) -> bool:
    if isinstance(value, bool):
        return cls is bool
    return isinstance(value, (int, float) if cls is float else cls)
