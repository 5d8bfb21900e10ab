"""The collector runs less often, and still runs."""

from __future__ import annotations

import gc
import weakref

from core.runtime.memory import collect_rarely


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_it_collects_rarely_and_still_collects():
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        collect_rarely()
        assert gc.get_threshold()[0] > 700
        gone = weakref.ref(Node())
        kept = [[n] for n in range(2 * gc.get_threshold()[0])]
        assert gone() is None
        assert len(kept) == 2 * gc.get_threshold()[0]
    finally:
        gc.set_threshold(*before)
