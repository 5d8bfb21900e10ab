"""Reads the parameters of an address."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import request

from core.services.errors import Invalid, NotFound
from core.services.tables import State
from core.web.formats import YEARS


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
    """Return the day in the parameter ``name``, such as ``3 Nov 2026``; None when it is absent.

    Raises:
        Invalid: It is no day.
    """
    text = " ".join(request.args.get(name, "").split())
    if not text:
        return None
    for form in ("%d %b %Y", "%d %B %Y", "%Y-%m-%d"):
        with suppress(ValueError):
            found = datetime.strptime(text, form).date()  # noqa: DTZ007 -- a day, no moment
            if found.year in YEARS:
                return found
    raise Invalid({name: f"«{text}» is no day: write it like 3 Nov 2026"})


def zone() -> tzinfo:
    """Return the reader's time zone, which her browser puts into the parameter ``zone``; UTC if it did not."""
    try:
        return ZoneInfo(request.args.get("zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
