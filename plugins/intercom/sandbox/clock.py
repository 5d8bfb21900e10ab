"""The sandbox's time: the machine's clock plus an offset that tests move forward."""

from __future__ import annotations

import time

DAY = 86_400


class Clock:
    """Seconds since 1970, movable, so that expiries and rate slices need no waiting."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        return time.time() + self._offset

    def seconds(self) -> int:
        return int(self.now())

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward by `seconds`."""
        self._offset += seconds

    def today(self) -> int:
        """The last midnight in UTC: generated data ends there, so one seed gives the same data all day."""
        return self.seconds() // DAY * DAY
