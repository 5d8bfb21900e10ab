"""The garbage collector of a process that takes in pages."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Let the collector run less often: a page makes tens of thousands of objects, hardly any of them in a cycle.

    It took a sixth of the time that matching and writing a page takes.
    """
    gc.set_threshold(20_000, 20, 20)
