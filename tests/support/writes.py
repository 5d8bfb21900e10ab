"""Requests that would have written something at a vendor."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import request

from plugins.intercom.sandbox.errors import ApiError
from plugins.intercom.sandbox.gate import Gate

Check = Callable[[Gate], None]


def noting(refuse_writes: Check, written: list[str]) -> Check:
    """Return the sandbox's check of writing requests so that it also adds to ``written`` what it refuses."""

    @wraps(refuse_writes)
    def noted(gate: Gate) -> None:
        try:
            refuse_writes(gate)
        except ApiError:
            written.append(f"{request.method} {request.path}")
            raise

    return noted
