"""``python -m benchmarks [NAME …]``: run all benchmarks, or those named; one JSON line per figure."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import filters, growth, limits, lines, pages, sync, webhooks

BENCHMARKS: dict[str, Callable[[], None]] = {
    "sync": sync.run,
    "growth": growth.run,
    "limits": limits.run,
    "webhooks": webhooks.run,
    "filters": filters.run,
    "pages": pages.run,
    "lines": lines.run,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()
