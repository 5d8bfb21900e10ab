"""A WSGI application behind a real port, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from werkzeug.serving import make_server


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """Serve ``app`` on ``port``, a free one by default, and give its address."""
    server = make_server("127.0.0.1", port, _whole(app), threaded=True)
    # What is being answered when a test ends is answered to its end.
    server.daemon_threads = False  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _whole(app: Any) -> Any:
    """Let ``app`` finish each answer before it is sent: werkzeug leaves files open when a browser goes away."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        parts = app(environ, start_response)
        try:
            return list(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer
