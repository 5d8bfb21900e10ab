"""Has a worker look at what was stored, beside the answer: no vendor waits for Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from core.runtime.valkey import ValkeyError

log = logging.getLogger("mainstem.webhooks")

PAUSE_SECONDS = 0.05


class Bell:
    """Rings in a thread of its own, which lives while there is something to ring for.

    Whoever presses it while it rings or rests is rung for afterwards, many of them once.

    Args:
        ring: Rings for one data source.
    """

    def __init__(self, ring: Callable[[int], None]) -> None:
        self._ring = ring
        self._pressed: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def press(self, source_id: int) -> None:
        """Have it rung soon for this data source."""
        with self._lock:
            self._pressed.add(source_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="bell", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Return when it has rung for all for whom it was pressed so far."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while source_ids := self._take():
            for source_id in source_ids:
                try:
                    self._ring(source_id)
                except (RedisError, ValkeyError):
                    # The delivery is safe: a worker's tick finds it.
                    log.warning("stored a webhook, but Redis is out of reach", extra={"source": source_id})
                except Exception:
                    # Whatever it is, those who press next are rung for.
                    log.exception("could not ring for webhooks", extra={"source": source_id})
            time.sleep(PAUSE_SECONDS)

    def _take(self) -> set[int]:
        with self._lock:
            taken, self._pressed = self._pressed, set()
            if not taken:
                self._thread = None
            return taken
