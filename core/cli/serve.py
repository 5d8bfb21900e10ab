"""``mainstem serve``."""

from __future__ import annotations

import logging
import socket
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.util import import_app

from core import logs
from core.cli.output import Command, open_mainstem, show

# By name: the application stands above the command line and is not imported by it.
APPLICATION = "core.app:served()"


@click.command("serve", cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes; each has 8 threads.")
def command(host: str, port: int, workers: int) -> None:
    """Run the web admin, the JSON API and the webhooks until told to stop (SIGTERM, Ctrl-C).

    Put a proxy that speaks HTTPS before it and set PUBLIC_URL to the proxy's address.
    """
    logs.configure(logging.INFO)
    mainstem = open_mainstem()
    mainstem.engine.dispose()
    refuse_busy(host, port)
    show({"url": f"http://{host}:{port}", "workers": workers}, f"Mainstem serves http://{host}:{port}")
    options = {
        "bind": f"{host}:{port}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": 8,
        "timeout": 60,
        "graceful_timeout": 10,
        # As long as can be: a filter is part of the address.
        "limit_request_line": 8190,
        "accesslog": "-",
        "logger_class": PropagatingLogger,
        "control_socket_disable": True,
        "proc_name": "mainstem-serve",
    }
    Server(options).run()


def refuse_busy(host: str, port: int) -> None:
    """Fail if nobody could listen there now.

    Raises:
        click.ClickException: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Cannot listen on {host}:{port} ({error.strerror}); choose another --port or --host"
            ) from None


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn without its own command line; each worker process opens the system for itself."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return import_app(APPLICATION)


class PropagatingLogger(Logger):  # type: ignore[misc]
    """Hands gunicorn's logs to ours instead of writing them itself."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        # Deliveries come by the hundred a second, and those that were taken are in the database.
        if not environ["PATH_INFO"].startswith("/webhooks/") or not resp.status.startswith("200"):
            super().access(resp, req, environ, request_time)
