"""What a rule of the contract is, and the list of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.kit.trial import Trial

Tier = Literal["needed", "good", "excellent"]
TIERS: tuple[Tier, ...] = ("needed", "good", "excellent")
Proof = Callable[["Trial"], None]


class Broken(Exception):
    """The plugin breaks the rule; the message says where and what to mend."""


class NotApplicable(Exception):
    """The rule says nothing about this plugin; the message says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the contract.

    Attributes:
        key: Its name, also for exemptions.
        tier: ``"needed"``: without it data is lost or secrets leak; ``"good"``; ``"excellent"``.
        title: What a plugin does that keeps it.
        reason: Why.
        breaks: An example of breaking it.
        after: Keys of the rules without which it cannot be shown.
        prove: Raises :class:`Broken` when the plugin breaks it, :class:`NotApplicable` when it does not concern it.
    """

    key: str
    tier: Tier
    title: str
    reason: str
    breaks: str
    after: tuple[str, ...]
    prove: Proof


RULES: dict[str, Rule] = {}
"""All rules by key, in the order in which people read them; filled by the modules of :mod:`core.kit.rules`."""


def rule(tier: Tier, breaks: str, after: tuple[str, ...] = ()) -> Callable[[Proof], Proof]:
    """Make a function the proof of a rule: its name is the key, its docstring title and reason."""

    def register(prove: Proof) -> Proof:
        title, _, reason = (inspect.getdoc(prove) or "").partition("\n\n")
        key = prove.__name__
        RULES[key] = Rule(key, tier, title.rstrip("."), " ".join(reason.split()), breaks, after, prove)
        return prove

    return register
