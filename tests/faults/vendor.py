"""The sandbox in a process of its own, less patient than Intercom: a test cannot wait for minutes.

``python -m tests.faults.vendor '{"port": 8001, "parent": 4711, "people": 500, …}'``, as ``SandboxOptions``.
"""

from __future__ import annotations

import json
import sys

from core.runtime.parent import leave_with
from plugins.intercom.sandbox import Sandbox, SandboxOptions, scroll

SCROLL_LIVES = 2
RETRY_SECONDS = 8.0


def main() -> None:
    """Serve until told to stop, or until the process that wanted it is gone."""
    given = json.loads(sys.argv[1])
    port = given.pop("port")
    leave_with(given.pop("parent"))
    scroll.IDLE = SCROLL_LIVES
    sandbox = Sandbox(SandboxOptions(**given))
    sandbox.store.webhooks.retry_seconds = RETRY_SECONDS
    sandbox.serve("127.0.0.1", port)


if __name__ == "__main__":
    main()
