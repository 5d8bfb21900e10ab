"""What authors test their plugin with: the contract as a test class, and the helpers for tests of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

import core.kit.rules  # noqa: F401 (fills RULES)
from core.kit.account import make_account
from core.kit.rule import RULES
from core.kit.trial import Trial
from core.kit.wsgi import mount

__all__ = ["SourceContract", "make_account", "mount"]


class SourceContract:
    """One test for each rule of the contract; see docs/rules.md.

    Example::

        class TestShop(SourceContract):
            plugin = shop
            exempt = {"ties": "the vendor has no time of change"}

    Attributes:
        plugin: The plugin, with its hook ``sandbox``.
        exempt: Rules that do not concern it, each with the reason; shown as skipped tests.
        people: How many people the sandbox has; by default three of the plugin's pages.
    """

    plugin: ClassVar[object]
    exempt: ClassVar[Mapping[str, str]] = {}
    people: ClassVar[int | None] = None

    @pytest.fixture(scope="class")
    @classmethod
    def trial(cls) -> Trial:
        """The plugin on trial, once for all rules."""
        return Trial(cls.plugin, {**getattr(cls.plugin, "exempt", {}), **cls.exempt}, cls.people)

    @pytest.mark.parametrize("key", list(RULES))
    def test_rule(self, trial: Trial, key: str) -> None:
        """The plugin keeps the rule."""
        result = trial.check(key)
        if result.status in ("exempt", "not applicable"):
            pytest.skip(f"{result.status}: {result.detail}")
        assert result.status == "kept", f"{result.rule.title}: {result.detail}. Why: {result.rule.reason}"
