"""Reads the parameters of an address."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, abort, request
from werkzeug.routing import IntegerConverter, Map

from core.services.errors import Invalid, NotFound
from core.services.paging import LARGEST
from core.services.tables import State
from core.web.formats import YEARS


class _Id(IntegerConverter):
    """A number in a path, which a database takes."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=LARGEST)


def install(app: Flask) -> None:
    """Let no request of ``app`` come to a page with what is no text, or no number, to a database."""
    app.url_map.converters["int"] = _Id
    app.before_request(_refuse_nul)


def _refuse_nul() -> None:
    # A delivery's signature is of its bytes, which a form that was looked at has no more.
    form = [] if request.blueprint == "webhooks" else request.form.items(multi=True)
    sent = [*request.args.items(multi=True), *form]
    if any("\0" in name or "\0" in text for name, text in sent):
        abort(400)


def number(name: str) -> int | None:
    """Return the number in the parameter ``name``; None when it is absent, or none that a database takes."""
    found = request.args.get(name, type=int)
    return found if found is not None and abs(found) <= LARGEST else None


def state() -> State:
    """Return which people or organizations are asked for: active ones unless the address says otherwise."""
    match request.args.get("state", "active"):
        case "active":
            return "active"
        case "archived":
            return "archived"
        case "all":
            return "all"
        case other:
            raise NotFound(f"There is no list of {other!r} ones: choose active, archived or all")


def uuid(name: str) -> UUID | None:
    """Return the id in the parameter ``name``; None when it is absent."""
    text = request.args.get(name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{name}: {text!r} is no id") from None


def day(name: str) -> date | None:
    """Return the day in the parameter ``name``, such as ``2026-11-03``; None when it is absent.

    Raises:
        Invalid: It is no day.
    """
    text = request.args.get(name, "").strip()
    if not text:
        return None
    with suppress(ValueError):
        found = date.fromisoformat(text)
        if found.year in YEARS:
            return found
    raise Invalid({name: f"«{text}» is no day: write it like 2026-11-03"})


def zone() -> tzinfo:
    """Return the reader's time zone, which her browser puts into the parameter ``zone``; UTC if it did not."""
    try:
        return ZoneInfo(request.args.get("zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
