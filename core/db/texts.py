"""Comparing texts in upper or lower case, so that the indexes on ``lower(…)`` of the models can answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

Text = ColumnElement[Any] | InstrumentedAttribute[Any]

_ESCAPE = "/"


def equals(text: Text, other: str) -> ColumnElement[bool]:
    """Return whether ``text`` is ``other``."""
    return func.lower(text) == func.lower(other)


def begins(text: Text, start: str) -> ColumnElement[bool]:
    """Return whether ``text`` begins with ``start``, which stands for itself: ``%`` has no special meaning."""
    return func.lower(text).startswith(func.lower(_escaped(start)), escape=_ESCAPE)


def ends(text: Text, end: str) -> ColumnElement[bool]:
    """Return whether ``text`` ends with ``end``, which stands for itself."""
    return func.lower(text).endswith(func.lower(_escaped(end)), escape=_ESCAPE)


def contains(text: Text, part: str) -> ColumnElement[bool]:
    """Return whether ``text`` holds ``part``, which stands for itself."""
    return func.lower(text).contains(func.lower(_escaped(part)), escape=_ESCAPE)


def _escaped(text: str) -> str:
    for character in (_ESCAPE, "%", "_"):
        text = text.replace(character, _ESCAPE + character)
    return text
