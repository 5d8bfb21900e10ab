"""Intercom keeps every rule of the contract."""

from __future__ import annotations

import pytest

from core.kit.testing import SourceContract
from plugins.intercom import plugin as intercom


@pytest.fixture(autouse=True)
def pauses() -> None:
    """Leave the pauses as they are: the contract counts them itself."""


class TestIntercom(SourceContract):
    plugin = intercom
