"""The vendor's rate limit, kept by all that call it for one account, on any number of machines.

Requests are paced evenly, a little below the limit, instead of being sent in bursts: a burst at the edge of the
vendor's slice would be counted in the wrong one and be refused. What the limit is, the vendor's headers tell better
than its documentation: the most requests left that were seen in a slice, and the time from one slice's end to the next.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from redis import Redis
from redis.exceptions import RedisError, WatchError

from core.contract.types import RateLimit
from core.services.mainstem import Mainstem

T = TypeVar("T")

HEADROOM = 0.96
"""Share of the limit that is used."""

BURST = 0.02
"""Share of a slice's requests that may be sent at once after a pause."""

GRANT_SECONDS = 0.05
"""For how long a process takes permissions in advance, so that it need not ask for each request."""

_LONGEST_SLICE = 3_600.0
_FOLLOWS_WITHIN = 2.0
_KEEP_SECONDS = 7_200

log = logging.getLogger("mainstem.limits")


@dataclass
class Pace:
    """What is known of a limit, and when the next request may go. Times are unix seconds.

    Attributes:
        requests: Allowed in a slice.
        seconds: Length of a slice.
        next_at: When a request may go that waits for all before it.
        closed_until: No request before: the slice is used up.
        reset: End of the vendor's present slice; 0 when unknown.
        most_left: The most requests left that the vendor told in this slice.
    """

    requests: float
    seconds: float
    next_at: float = 0.0
    closed_until: float = 0.0
    reset: float = 0.0
    most_left: int = 0

    @property
    def rate(self) -> float:
        """Requests a second that are sent at most."""
        return HEADROOM * self.requests / self.seconds

    def reserve(self, now: float) -> tuple[float, float, int]:
        """Return when the next requests may go: the first one, the seconds between two, and how many."""
        allowance = max(1.0, BURST * self.requests) / self.rate
        first = max(self.next_at, now - allowance, self.closed_until)
        count = max(1, int(self.rate * GRANT_SECONDS))
        self.next_at = first + count / self.rate
        return first, 1 / self.rate, count

    def learn(self, now: float, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take in what an answer's headers said."""
        if limit is not None and not self.reset:
            self._guess(limit, remaining)
        if remaining is None or reset is None or not now - 1 <= reset <= now + _LONGEST_SLICE:
            return
        if reset > self.reset and now >= self.reset - 1:
            self._begin_slice(now, reset)
        if reset == self.reset:
            self.most_left = max(self.most_left, remaining)
        if remaining == 0:
            self.closed_until = max(self.closed_until, reset)

    def _guess(self, limit: int, remaining: int | None) -> None:
        """Correct what the documentation said by the first answer; ``limit`` may be of a minute or of a slice."""
        self.requests = max(min(self.requests, limit), limit * self.seconds / 60, 1)
        if remaining is not None:
            self.requests = max(min(self.requests, remaining + 1), 1)

    def _begin_slice(self, now: float, reset: float) -> None:
        # Only what follows at once tells how long a slice is; after a pause several may have gone by.
        if now - self.reset < _FOLLOWS_WITHIN:
            self.seconds = max(reset - self.reset, 1.0)
            self.requests = self.most_left + 1
        self.reset, self.most_left = reset, 0


class Store(Protocol):
    """Keeps a :class:`Pace`."""

    def update(self, change: Callable[[Pace], T]) -> T:
        """Apply ``change`` as if nobody else did so at the same time, and return what it returns."""
        ...


class LocalStore:
    """Keeps it in this process."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._lock = threading.Lock()

    def update(self, change: Callable[[Pace], T]) -> T:
        """See :class:`Store`."""
        with self._lock:
            return change(self._pace)


class RedisStore:
    """Keeps it in Redis for all processes; in this one while Redis is out of reach."""

    def __init__(self, redis: Redis, key: str, pace: Pace) -> None:
        self._redis = redis
        self._key = key
        self._pace = pace
        self._lock = threading.Lock()
        self._alone = False

    def update(self, change: Callable[[Pace], T]) -> T:
        """See :class:`Store`."""
        with self._lock:
            try:
                result = self._shared(change)
                self._alone = False
            except RedisError as error:
                if not self._alone:
                    log.warning("Redis is out of reach, the rate limit is kept by each process alone: %s", error)
                self._alone = True
                result = change(self._pace)
            return result

    def _shared(self, change: Callable[[Pace], T]) -> T:
        with self._redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(self._key)  # type: ignore[no-untyped-call]
                    stored = pipe.get(self._key)
                    pace = Pace(**json.loads(stored)) if stored else self._pace
                    result = change(pace)
                    pipe.multi()
                    pipe.set(self._key, json.dumps(asdict(pace)), ex=_KEEP_SECONDS)
                    pipe.execute()
                except WatchError:
                    continue
                self._pace = pace
                return result


class PacedLimiter:
    """The limiter that plugins are given; all threads of a process share one.

    Args:
        store: Where the pace is kept.
        clock: Unix seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._store = store
        self._clock, self._sleep = clock, sleep
        self._slots: deque[float] = deque()
        self._closed_until = 0.0
        self._lock = threading.Lock()
        self._reset = 0.0
        self._most_left = -1

    def acquire(self) -> None:
        """Wait until one more request may be sent."""
        while True:
            slot = self._slot()
            wait = slot - self._clock()
            if wait > 0:
                self._sleep(wait)
            # The slice may have been used up by others meanwhile.
            if slot >= self._closed_until:
                return

    def _slot(self) -> float:
        """Return when one request may go; each is given to one caller only, who sleeps once."""
        with self._lock:
            if not self._slots:
                first, step, count = self._store.update(lambda pace: pace.reserve(self._clock()))
                self._slots.extend(first + n * step for n in range(count))
            return self._slots.popleft()

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take in what an answer's headers said; most answers tell nothing new."""
        with self._lock:
            if remaining is None or reset is None:
                return
            is_news = reset > self._reset or (reset == self._reset and remaining > self._most_left)
            if not is_news and remaining > 0:
                return
            if reset > self._reset:
                self._reset, self._most_left = reset, -1
            self._most_left = max(self._most_left, remaining)
            if remaining == 0:
                self._closed_until = max(self._closed_until, min(reset, self._clock() + _LONGEST_SLICE))
                self._slots.clear()
        self._store.update(lambda pace: pace.learn(self._clock(), limit, remaining, reset))


UNLIMITED = RateLimit(1_000_000, 1.0)
"""For a vendor that publishes no limit; its headers may still tell one."""

_limiters: dict[tuple[str, str, int], PacedLimiter] = {}
_limiters_lock = threading.Lock()


def limiter_for(mainstem: Mainstem, plugin: str, account: str) -> PacedLimiter:
    """Return the limiter of an account: shared through Redis where this process is connected to it.

    Args:
        mainstem: The system.
        plugin: Name of the plugin.
        account: The vendor's id of the account.
    """
    with _limiters_lock:
        key = (plugin, account, id(mainstem.redis))
        if key not in _limiters:
            limit = mainstem.host.manifest(plugin).rate_limit or UNLIMITED
            pace = Pace(limit.requests, limit.seconds)
            shared = mainstem.redis and RedisStore(mainstem.redis, f"mainstem:pace:{plugin}:{account}", pace)
            _limiters[key] = PacedLimiter(shared or LocalStore(pace))
        return _limiters[key]
