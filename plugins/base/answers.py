"""What the bytes and headers of a vendor's answer say."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime

import orjson
import requests

from core.contract.types import JSON


def parsed(content: bytes) -> JSON:
    """Return the JSON in ``content``, or None when it holds none."""
    try:
        return orjson.loads(content)
    except ValueError:
        pass
    # Vendors send halves of surrogate pairs, which only the slower parser takes.
    try:
        return json.loads(content)
    except ValueError:
        return None


def delay(response: requests.Response, reset: float | None) -> float | None:
    """Return the seconds that the vendor asks to wait, if it does."""
    header = response.headers.get("Retry-After", "")
    seconds = number(header)
    if seconds is None and header:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            seconds = None
    if seconds is None and reset is not None:
        seconds = reset - time.time()
    return None if seconds is None else max(0.0, seconds)


def number(text: str | None) -> float | None:
    """Return the number that a header holds, if it is one."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def whole(text: str | None) -> int | None:
    """Return the number that a header holds, without its fraction, if it is one."""
    found = number(text)
    return None if found is None else int(found)
