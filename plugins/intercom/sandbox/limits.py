"""Intercom's rate limit: a minute's allowance handed out in slices of ten seconds."""

from __future__ import annotations

import threading

from plugins.intercom.sandbox.clock import Clock
from plugins.intercom.sandbox.errors import ApiError

SLICE = 10


class Limiter:
    """Counts requests of one app in one workspace.

    Args:
        per_minute: the allowance; 0 for none.
        clock: the sandbox's time.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute, self._clock = per_minute, clock
        self.refused = 0
        self._slice, self._used = 0, 0
        self._lock = threading.Lock()

    @property
    def per_slice(self) -> int:
        return max(1, round(self.per_minute / 6))

    def take(self) -> tuple[dict[str, str], ApiError | None]:
        """Count one request: its rate headers, and the refusal when the slice is used up.

        Intercom sends no `Retry-After`; clients wait until `X-RateLimit-Reset`.
        """
        if not self.per_minute:
            return {}, None
        with self._lock:
            current = self._clock.seconds() // SLICE
            if current != self._slice:
                self._slice, self._used = current, 0
            self._used += 1
            left = self.per_slice - self._used
            if left < 0:
                self.refused += 1
        headers = {
            "X-RateLimit-Limit": str(self.per_slice),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": str((current + 1) * SLICE),
        }
        return headers, self.refusal(headers) if left < 0 else None

    def refusal(self, headers: dict[str, str]) -> ApiError:
        return ApiError(
            429, "rate_limit_exceeded", f"Exceeded rate limit of {self.per_slice} in {SLICE}_seconds", headers
        )
