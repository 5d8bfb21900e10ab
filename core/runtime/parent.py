"""A process that ends when the one that started it is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import MutableMapping

PARENT = "MAINSTEM_PARENT"
"""Variable that tells a command the id of the process without which it shall not go on."""


def leave_with(parent: int) -> None:
    """Ask this process to end (SIGTERM) as soon as ``parent``, which started it, is gone.

    Args:
        parent: Its id, as it was known before this process began: it may be gone already.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def leave_with_parent(environ: MutableMapping[str, str]) -> None:
    """Do so if ``environ`` asks for it; what this process starts in turn is not asked."""
    if parent := environ.pop(PARENT, ""):
        leave_with(int(parent))
