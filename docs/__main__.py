"""``make docs``: write what is generated, then check every link and run every example."""

from __future__ import annotations

import sys

import pytest

from docs.generate_hooks import TARGET, render

TESTS = ["tests/docs", "tests/host/test_hooks_documented.py"]

TARGET.write_text(render(), encoding="utf-8")
sys.exit(pytest.main(["-q", *TESTS, *sys.argv[1:]]))
