"""How endpoints answer: JSON, made fast; cursor lists; records spoiled on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from flask import Response, request

from plugins.intercom.sandbox import pages
from plugins.intercom.sandbox.errors import bad_parameter
from plugins.intercom.sandbox.search import Query
from plugins.intercom.sandbox.shelf import Record, Shelf, sort_key
from plugins.intercom.sandbox.store import Store

S = TypeVar("S", bound=Record)
_slow = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def _encode(body: Any) -> bytes | str:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Its changes may bring what only the standard library writes, such as keys that are numbers.
        return _slow(body)


def reply(body: Any, status: int = 200) -> Response:
    return Response(_encode(body), status, mimetype="application/json")


def json_body() -> Mapping[str, Any]:
    """The request's JSON object; an empty body is an empty object."""
    body = request.get_json(silent=True, force=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise bad_parameter("the body must be a JSON object")
    return body


@dataclass(frozen=True)
class Listing:
    """How one cursor-style endpoint lists its records.

    Attributes:
        name, kind: key of the rows, and `type` of the list.
        default, most: page size without and at most with `per_page`.
        size_as_text: `per_page` comes back as a string, as list conversations does.
    """

    name: str
    kind: str
    default: int
    most: int = 150
    size_as_text: bool = False


def cursor_list(
    store: Store,
    shelf: Shelf[S],
    listing: Listing,
    query: Query,
    sort: tuple[str, bool],
    paging: Mapping[str, Any],
    show: Callable[[S], dict[str, Any]],
) -> Response:
    """One page of a cursor-style list; `paging` holds `per_page` and `starting_after`."""
    name, descending = sort
    size = pages.size_of(paging.get("per_page"), listing.default, listing.most)
    cursor = pages.decode(name, paging.get("starting_after"))
    if cursor.after is not None and store.faults.strikes("bad_cursor"):
        raise pages.broken_cursor()
    with store.lock:
        rows = shelf.page(query, name, descending, cursor.after, size + 1)
        total = shelf.count(query)
        following = None
        if len(rows) > size:
            last = rows[size - 1]
            following = pages.encode(name, sort_key(last, name), str(last.value("id")), cursor.page + 1)
        shown = [spoiled(store, show(row)) for row in rows[:size]]
    page = pages.cursor_pages(cursor, size, total, following, listing.size_as_text)
    return reply({"type": listing.kind, listing.name: shown, "total_count": total, "pages": page})


def spoiled(store: Store, shown: dict[str, Any]) -> dict[str, Any]:
    """The record, or with wrong types in it where the fault `malformed` strikes."""
    if not store.faults.spoils(str(shown["id"])):
        return shown
    wrong = {"created_at": "yesterday", "updated_at": {"oops": True}, "custom_attributes": "none", "contacts": 7}
    return {**shown, **{name: value for name, value in wrong.items() if name in shown}}
