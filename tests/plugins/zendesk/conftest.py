"""An account for the tests of the plugin."""

from __future__ import annotations

import pytest

from tests.plugins.zendesk.support import Office


@pytest.fixture
def office() -> Office:
    """A small account of this test's own."""
    return Office()
