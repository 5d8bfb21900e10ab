"""Zendesk keeps every rule of the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.kit.testing import SourceContract
from plugins.zendesk import plugin as zendesk
from plugins.zendesk.people import Users


class TestZendesk(SourceContract):
    plugin = zendesk

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _small_pages(cls) -> Iterator[None]:
        """Pages of a tenth: the rules fill two dozen of them."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Users, "size", Users.size // 10)
            yield
