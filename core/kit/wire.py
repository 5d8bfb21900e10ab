"""The wire between a plugin and its sandbox: counts, records, and breaks on demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from core.kit.wsgi import WSGIApp

Fault = Literal["401", "403", "429", "500", "timeout", "reset", "garbage", "truncated"]
WAIT = 7
"""Seconds that an injected 429 asks to wait."""
_STATUS = {"401": "401 Unauthorized", "403": "403 Forbidden", "429": "429 Too Many Requests", "500": "500 Oops"}
_GARBAGE = b"<html><body>An answer of a proxy, not of the vendor</body></html>"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it passed.

    Attributes:
        method: In capitals.
        path: Without query.
        paced: The account's limiter had been asked once for each request so far.
    """

    method: str
    path: str
    paced: bool


class Turnstile:
    """A rate limit that lets everybody through and counts; :attr:`Account.limiter` of the checks."""

    def __init__(self) -> None:
        self.passed = 0
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Count."""
        with self._lock:
            self.passed += 1

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take no notice."""


class Wire:
    """WSGI middleware between a plugin's session and the sandbox.

    Any request from a chosen one on, or that one alone, can be answered with a fault instead; so every plugin's errors
    can be tested without a word in its sandbox.

    Attributes:
        sent: The requests so far.
        struck: How many of them were broken.
    """

    def __init__(self, app: WSGIApp, turnstile: Turnstile) -> None:
        self._app = app
        self._turnstile = turnstile
        self._lock = threading.Lock()
        self._strikes: Callable[[int], Fault | None] = lambda number: None
        self.sent: list[Sent] = []
        self.struck = 0

    @contextmanager
    def breaking(self, fault: Fault, first: int = 1, times: int | None = None) -> Iterator[None]:
        """Answer with ``fault``, beginning with the ``first`` request from now, ``times`` requests or all of them."""
        begin = len(self.sent) + first
        end = None if times is None else begin + times
        self._strikes = lambda number: fault if number >= begin and (end is None or number < end) else None
        try:
            yield
        finally:
            self._strikes = lambda number: None

    def writes(self, searches: Iterable[str]) -> list[str]:
        """Return the requests with a writing method whose paths are not among ``searches``."""
        reading = [re.compile(re.escape(path).replace(r"\*", "[^/]+")) for path in searches]
        return [
            f"{sent.method} {sent.path}"
            for sent in self.sent
            if sent.method not in ("GET", "HEAD", "OPTIONS")
            and not (sent.method == "POST" and any(path.fullmatch(sent.path) for path in reading))
        ]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on, or break it."""
        with self._lock:
            paced = self._turnstile.passed > len(self.sent)
            self.sent.append(Sent(environ["REQUEST_METHOD"], environ["PATH_INFO"], paced))
            fault = self._strikes(len(self.sent))
            self.struck += fault is not None
        if fault is None:
            return self._app(environ, start_response)
        if fault == "timeout":
            raise TimeoutError
        if fault == "reset":
            raise ConnectionResetError
        if fault == "truncated":
            return self._truncated(environ, start_response)
        if fault == "garbage":
            return _answer(start_response, "200 OK", _GARBAGE)
        return _answer(start_response, _STATUS[fault], b"{}", *([("Retry-After", str(WAIT))] if fault == "429" else []))

    def _truncated(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with the first half of the body, whose length is told as a whole."""
        held: list[Any] = []
        body = b"".join(self._app(environ, lambda status, headers, *more: held.extend((status, headers))))
        headers = [(name, value) for name, value in held[1] if name.lower() != "content-length"]
        start_response(held[0], [*headers, ("Content-Length", str(len(body)))])
        return [body[: len(body) // 2]]


def _answer(start: Callable[..., Any], status: str, body: bytes, *headers: tuple[str, str]) -> list[bytes]:
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers])
    return [body]
