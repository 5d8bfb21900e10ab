"""The network around the API: latency, requests in flight, and answers broken on their way."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import requests

from plugins.intercom.sandbox.store import Store

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Transport:
    """WSGI middleware around the app.

    Under gunicorn a reset really resets the connection, and a timeout keeps the client waiting. Mounted in
    a process both raise, without waiting, what `requests` raises in these cases.

    Args:
        app: the Flask app's own WSGI function.
        store: counts and faults.
        latency: seconds that every API request takes at least.
    """

    def __init__(self, app: Wsgi, store: Store, latency: float) -> None:
        self.app, self.store, self.latency = app, store, latency
        self._never = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(("/_sandbox", "/oauth")):
            return self.app(environ, start)
        store = self.store
        with store.lock:
            store.in_flight += 1
            store.most_in_flight = max(store.most_in_flight, store.in_flight)
        try:
            if self.latency:
                time.sleep(self.latency)
            return self._answer(environ, start)
        finally:
            with store.lock:
                store.in_flight -= 1

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        faults = self.store.faults
        if faults.strikes("reset"):
            self._cut(environ)
            raise requests.ConnectionError("sandbox fault: connection reset")
        if faults.strikes("timeout"):
            if "gunicorn.socket" in environ:
                self._never.wait(faults.hold)
                self._cut(environ)
            raise requests.ReadTimeout("sandbox fault: no answer")
        if faults.strikes("html502"):
            start("502 Bad Gateway", [("Content-Type", "text/html"), ("Content-Length", str(len(HTML)))])
            return [HTML]
        if faults.strikes("empty200"):
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", "0")])
            return [b""]
        if faults.strikes("truncated"):
            return self._halved(environ, start)
        return self.app(environ, start)

    def _halved(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """A well-framed answer whose JSON stops half-way."""
        held: list[Any] = []
        body = b"".join(self.app(environ, lambda *args: held.extend(args)))
        half = body[: len(body) // 2]
        headers = [(name, value) for name, value in held[1] if name.lower() != "content-length"]
        start(held[0], [*headers, ("Content-Length", str(len(half)))])
        return [half]

    def _cut(self, environ: dict[str, Any]) -> None:
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RDWR)
