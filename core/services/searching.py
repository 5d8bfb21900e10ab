"""Searching lists that are short, so that no index is needed: any part of a word is found."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, case, or_
from sqlalchemy.orm import InstrumentedAttribute

from core.host import Host

Text: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[str]

WORDS = 8
"""Further words of a search are not looked at."""


def mentions(text: str, *columns: Text) -> list[ColumnElement[bool]]:
    """Return the conditions that each word of ``text`` is part of one of the columns; none for ""."""
    return [or_(*(column.icontains(word, autoescape=True) for column in columns)) for word in text.split()[:WORDS]]


def vendor_title(host: Host, plugin: Text) -> ColumnElement[Any] | Text:
    """Return what the vendor of the plugin in a column is called; the plugin's name where it is gone."""
    titles = {name: host.manifest(name).title for name in host.names()}
    return case(titles, value=plugin, else_=plugin) if titles else plugin
