"""Serving a sandbox over HTTP: gunicorn in this process, one worker because the state lives in it, many threads."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

THREADS = 128


class Server(BaseApplication):  # type: ignore[misc]
    """One worker with many threads and kept-alive connections; SIGTERM and SIGINT end it cleanly."""

    def __init__(self, app: Flask, host: str, port: int, started: Callable[[], None]) -> None:
        self._app, self._bind, self._started = app, f"{host}:{port}", started
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": self._bind,
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "worker_connections": 2_000,
            "backlog": 2_048,
            "keepalive": 75,
            "timeout": 300,
            "graceful_timeout": 1,
            "loglevel": "critical",
            "post_worker_init": self._begin,
        }
        if "control_socket_disable" in self.cfg.settings:
            settings["control_socket_disable"] = True
        for name, value in settings.items():
            self.cfg.set(name, value)

    def _begin(self, worker: Any) -> None:
        # Answers are many small dictionaries, all short-lived: the collector has nothing to find in them.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        self._started()

    def load(self) -> Flask:
        return self._app
