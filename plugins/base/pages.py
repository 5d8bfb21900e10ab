"""Where a listing goes on: from the body of one page to the cursor of the next, for the usual shapes.

Pure functions; None always means that the listing has ended.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from core.contract.types import JSON


def dig(body: JSON, *path: str) -> Any:
    """Return what lies at ``path`` in nested objects; None when any step is missing."""
    for step in path:
        if not isinstance(body, dict):
            return None
        body = body.get(step)
    return body


def next_cursor(body: JSON, *path: str) -> str | None:
    """Return the vendor's cursor at ``path``: ``next_cursor(body, "pages", "next", "starting_after")``."""
    cursor = dig(body, *path)
    return None if cursor in (None, "") else str(cursor)


def next_link(body: JSON, *path: str) -> str | None:
    """Return the link at ``path``, to be given to :meth:`ApiClient.get`, which ignores its host."""
    link = dig(body, *path)
    return link if isinstance(link, str) and link else None


def query_value(link: str, name: str) -> str | None:
    """Return one value of a link's query: of vendors whose links must not be followed as they are."""
    return next(iter(parse_qs(urlsplit(link).query).get(name, ())), None)


def next_page(page: int, total_pages: int | None) -> int | None:
    """Return the number of the following page, counted from 1."""
    return page + 1 if page < (total_pages or 0) else None


def next_offset(offset: int, received: int, size: int, total: int | None = None) -> int | None:
    """Return the offset of the following page.

    Args:
        offset: Of this page.
        received: Rows in it.
        size: Rows asked for; a shorter page is the last where the vendor tells no total.
        total: Rows of the whole listing, if the vendor tells.
    """
    following = offset + received
    more = received == size if total is None else following < total
    return following if received and more else None


def next_scroll(body: JSON, rows: str, *path: str) -> str | None:
    """Return the scroll's handle at ``path``; a page without ``rows`` is the end.

    A scroll dies soon and cannot be resumed: its partition must be ``unbroken``.
    """
    return next_cursor(body, *path) if dig(body, rows) else None
