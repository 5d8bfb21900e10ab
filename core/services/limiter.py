"""The vendor's rate limit, kept by all that call it for one account."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from core.services.mainstem import Mainstem

_registry: dict[tuple[str, str], SlidingLimiter] = {}
_registry_lock = threading.Lock()


class SlidingLimiter:
    """At most ``requests`` in any ``seconds``, for all threads of this process; follows the vendor's headers.

    Args:
        requests: Allowed in a slice; None until the vendor's headers tell.
        seconds: Length of a slice.
        clock: Monotonic seconds.
        wall: Unix seconds, in which vendors say when a slice ends.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        requests: int | None,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._clock, self._wall, self._sleep = clock, wall, sleep
        self._sent: deque[float] = deque()
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Wait until one more request may be sent."""
        while (wait := self._reserve()) > 0:
            self._sleep(wait)

    def _reserve(self) -> float:
        """Take a place and return 0, or return the seconds until there may be one."""
        with self._lock:
            now = self._clock()
            while self._sent and self._sent[0] <= now - self._seconds:
                self._sent.popleft()
            if now < self._closed_until:
                return self._closed_until - now
            if self._requests is not None and len(self._sent) >= self._requests:
                return self._sent[0] + self._seconds - now
            self._sent.append(now)
            return 0.0

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take in the vendor's headers: a used-up slice closes the gate until it ends."""
        if remaining is None or reset is None or remaining > 0:
            return
        with self._lock:
            left = min(max(reset - self._wall(), 0.0), 60.0)
            self._closed_until = max(self._closed_until, self._clock() + left)


def limiter_for(mainstem: Mainstem, plugin: str, account: str) -> SlidingLimiter:
    """Return the limiter of an account; all callers in this process share it."""
    with _registry_lock:
        key = (plugin, account)
        if key not in _registry:
            limit = mainstem.host.manifest(plugin).rate_limit
            _registry[key] = SlidingLimiter(limit.requests if limit else None, limit.seconds if limit else 1.0)
        return _registry[key]
