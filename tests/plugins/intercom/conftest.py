"""A workspace for the tests of the plugin, and no waiting."""

from __future__ import annotations

import pytest

from plugins.base.client import ApiClient
from tests.plugins.intercom.support import Workspace


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What clients would have waited, in seconds."""
    made: list[float] = []
    monkeypatch.setattr(ApiClient, "pause", staticmethod(made.append))
    return made


@pytest.fixture
def workspace() -> Workspace:
    """A small workspace of this test's own."""
    return Workspace()
