"""What is searched for, and searching lists that are short: they need no index, and any part of a word is found."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, or_

from core.db import texts
from core.host import Host

WORDS = 8
"""Further words of a search are not looked at."""


def words(text: str) -> list[str]:
    """Return the words of a search that are looked at."""
    return text.split()[:WORDS]


def mentions(text: str, *columns: texts.Text) -> list[ColumnElement[bool]]:
    """Return the conditions that each word of ``text`` is part of one of the columns; none for ""."""
    return [or_(*(texts.contains(column, word) for column in columns)) for word in words(text)]


def vendor_title(host: Host, plugin: texts.Text) -> texts.Text:
    """Return what the vendor of the plugin in a column is called; the plugin's name where it is gone."""
    titles = {name: host.manifest(name).title for name in host.names()}
    return case(titles, value=plugin, else_=plugin) if titles else plugin
