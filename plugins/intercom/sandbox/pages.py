"""The three ways in which Intercom's lists continue: cursor, link and page number."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from plugins.intercom.sandbox.errors import ApiError, bad_parameter
from plugins.intercom.sandbox.shelf import TIMES, Position

LINK_HOST = "https://api.intercom.io"


@dataclass(frozen=True)
class Cursor:
    """Where a cursor-style listing continues, and as which page."""

    after: Position | None = None
    page: int = 1


def size_of(given: Any, default: int, most: int) -> int:
    """`per_page` within its bounds. Intercom answers 400 above the maximum."""
    if given is None:
        return default
    try:
        size = int(given)
    except (TypeError, ValueError):
        raise bad_parameter("per_page is not a number") from None
    if not 1 <= size <= most:
        raise bad_parameter(f"per_page must be between 1 and {most}")
    return size


def number_of(given: Any, name: str = "page") -> int:
    try:
        number = int(given if given is not None else 1)
    except (TypeError, ValueError):
        raise bad_parameter(f"{name} is not a number") from None
    if number < 1:
        raise bad_parameter(f"{name} must be at least 1")
    return number


def encode(sort: str, value: Any, record_id: str, page: int) -> str:
    """Base64 of JSON `[sort value in milliseconds, id, next page]`, as Intercom's own cursors are."""
    stamp = value * 1000 if sort in TIMES else value
    return base64.b64encode(json.dumps([stamp, record_id, page]).encode()).decode()


def decode(sort: str, cursor: Any) -> Cursor:
    """Raises ApiError 400 `client_error` for anything that `encode` did not make."""
    if cursor in (None, ""):
        return Cursor()
    try:
        value, record_id, page = json.loads(base64.b64decode(str(cursor), validate=True))
        fits = type(value) is (int if sort in TIMES else str)
        if fits:
            return Cursor(Position(value // 1000 if sort in TIMES else value, str(record_id)), int(page))
    except (binascii.Error, ValueError, TypeError):
        raise broken_cursor() from None
    raise broken_cursor()


def broken_cursor() -> ApiError:
    return ApiError(400, "client_error", "The starting_after parameter is not a valid cursor")


def cursor_pages(cursor: Cursor, size: int, total: int, following: str | None, size_as_text: bool) -> dict[str, Any]:
    """The `pages` object of a cursor-style list; `next` is absent on the last page."""
    pages: dict[str, Any] = {
        "type": "pages",
        "page": cursor.page,
        "per_page": str(size) if size_as_text else size,
        "total_pages": -(-total // size),
    }
    if following is not None:
        pages["next"] = {"page": cursor.page + 1, "starting_after": following}
    return pages


def link_list(
    name: str, rows: Sequence[Any], path: str, args: Mapping[str, Any], default: int, most: int, kind: str = "list"
) -> dict[str, Any]:
    """A link-style list: `pages.next` is an address or null, always on the American host."""
    size, page = size_of(args.get("per_page"), default, most), number_of(args.get("page"))
    pages, taken = link_pages(len(rows), path, args, size, page)
    return {"type": kind, name: rows[taken], "pages": pages, "total_count": len(rows)}


def link_pages(total: int, path: str, args: Mapping[str, Any], size: int, page: int) -> tuple[dict[str, Any], slice]:
    """The `pages` object of a link-style list and the rows that it covers."""
    total_pages = -(-total // size)
    following = None
    if page < total_pages:
        following = f"{LINK_HOST}{path}?{urlencode({**args, 'per_page': size, 'page': page + 1})}"
    pages = {"type": "pages", "next": following, "page": page, "per_page": size, "total_pages": total_pages}
    return pages, slice((page - 1) * size, page * size)


def numbered_list(rows: Sequence[Any], args: Mapping[str, Any], default: int, most: int) -> dict[str, Any]:
    """A page-style list: only page numbers, no `next`."""
    size, page = size_of(args.get("per_page"), default, most), number_of(args.get("page"))
    pages = {"type": "pages", "page": page, "per_page": size, "total_pages": -(-len(rows) // size)}
    return {"type": "list", "data": rows[(page - 1) * size : page * size], "total_count": len(rows), "pages": pages}
