"""The company scroll: one at a time, dead after a minute of silence, in no useful order."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from plugins.intercom.sandbox.clock import Clock
from plugins.intercom.sandbox.errors import ApiError, not_found
from plugins.intercom.sandbox.faults import Faults

IDLE, SIZE = 60, 100
BROKEN = "Request failed due to an internal network error. Please restart the scroll operation."


@dataclass
class Scroll:
    """Gives out the ids of all companies, a page at a time.

    A finished scroll stays open until it has been idle for a minute: Intercom has no way to close one.
    """

    clock: Clock
    faults: Faults
    param: str | None = None
    ids: list[str] = field(default_factory=list)
    place: int = 0
    used_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def start(self, ids: list[str]) -> tuple[str, list[str]]:
        """Open a scroll over these ids. Raises ApiError 400 `scroll_exists` while another lives."""
        with self._lock:
            if self.param is not None and self.clock.now() - self.used_at <= IDLE:
                raise ApiError(400, "scroll_exists", "scroll already exists for this workspace")
            self.param, self.ids, self.place = str(uuid.uuid4()), ids, 0
            return self._page()

    def next(self, param: str) -> tuple[str, list[str]]:
        """The next page. Raises ApiError 404 when expired or unknown, 500 when it breaks."""
        with self._lock:
            if param != self.param or self.clock.now() - self.used_at > IDLE:
                raise not_found("scroll parameter not found")
            if self.faults.strikes("scroll500"):
                self.param = None
                raise ApiError(500, "server_error", BROKEN)
            if self.faults.strikes("empty_scroll"):
                self.used_at = self.clock.now()
                return param, []
            return self._page()

    def _page(self) -> tuple[str, list[str]]:
        assert self.param is not None
        page = self.ids[self.place : self.place + SIZE]
        self.place += SIZE
        self.used_at = self.clock.now()
        return self.param, page
