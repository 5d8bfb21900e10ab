"""``make docs``: write what is generated, then check every link and run every example."""

from __future__ import annotations

import sys

import pytest

from docs import generate_hooks, generate_rules, generate_types

TESTS = ["tests/docs", "tests/host/test_hooks_documented.py", "tests/kit/test_rules_documented.py"]

for page in (generate_hooks, generate_rules, generate_types):
    page.TARGET.write_text(page.render(), encoding="utf-8")
sys.exit(pytest.main(["-q", *TESTS, *sys.argv[1:]]))
