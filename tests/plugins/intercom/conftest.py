"""A workspace for the tests of the plugin, and no waiting."""

from __future__ import annotations

import pytest

from plugins.base.client import ApiClient
from plugins.intercom import companies
from tests.plugins.intercom.support import Workspace


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What clients would have waited, in seconds."""
    made: list[float] = []
    monkeypatch.setattr(ApiClient, "pause", staticmethod(made.append))
    return made


@pytest.fixture(autouse=True)
def scrolls(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    """When companies were scrolled last: never."""
    made: dict[tuple[str, str], float] = {}
    monkeypatch.setattr(companies, "_scrolled", made)
    return made


@pytest.fixture
def workspace() -> Workspace:
    """A small workspace of this test's own."""
    return Workspace()
