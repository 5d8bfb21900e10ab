"""Reads the parameters of an address."""

from __future__ import annotations

from uuid import UUID

from flask import request

from core.services.errors import NotFound
from core.services.tables import State


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
