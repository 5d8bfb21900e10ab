"""The collector runs less often, and still runs; threads share what the C library keeps for them."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from core.runtime import memory

HEAPS = """
import ctypes, sys, threading
from core.runtime import memory
memory.tune()
kept, ready = [], threading.Barrier(12)
def allocate():
    ready.wait()
    kept.append([bytes(2_000) for _ in range(500)])
    ready.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
"""


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_it_collects_rarely_and_still_collects():
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        memory.tune()
        assert gc.get_threshold()[0] > 700
        gone = weakref.ref(Node())
        kept = [[n] for n in range(2 * gc.get_threshold()[0])]
        assert gone() is None
        assert len(kept) == 2 * gc.get_threshold()[0]
    finally:
        gc.set_threshold(*before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep nothing for threads")
def test_many_threads_share_two_heaps(tmp_path: Path):
    told = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", HEAPS, str(told)], check=True)
    assert 1 <= told.read_text().count("<heap nr=") <= 2
