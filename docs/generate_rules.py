"""Writes docs/rules.md from the rules of the contract: ``make docs``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import core.kit.rules  # noqa: F401 (fills RULES)
from core.kit.rule import RULES, TIERS, Rule

TARGET = Path(__file__).with_name("rules.md")
HEADER = """\
<!-- Made by docs/generate_rules.py from core/kit/rules: change it there, then run make docs. -->

# Rules

`mainstem plugins check NAME` and the test class `core.kit.testing.SourceContract` prove each of these rules against a
plugin and its own sandbox, in one process and without a network. A plugin reaches a tier when it keeps all rules of it
and of those before. Errors are made on the wire between plugin and sandbox, so that no sandbox has to know of them.

A rule that does not concern a plugin is exempted with a reason, which is printed with the result:

```python
class Shop(DataSource):
    exempt = {"ties": "the vendor has no time of change"}
```

A rule that stands on another is not tried while that one is broken. How each proof works: `core/kit/rules/`.
"""
TIER_TEXTS = {
    "needed": "Without them data is lost, a secret leaks, or another data source suffers.",
    "good": "What an admin may expect.",
    "excellent": "Nothing is left to chance.",
}


def render() -> str:
    """Return the whole page."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield HEADER
    for tier in TIERS:
        rules = [rule for rule in RULES.values() if rule.tier == tier]
        yield f"## {tier.capitalize()}\n\n{TIER_TEXTS[tier]}\n"
        for rule in rules:
            yield _section(rule)


def _section(rule: Rule) -> str:
    stands = f"\n\nStands on {', '.join(f'`{key}`' for key in rule.after)}." if rule.after else ""
    return f"### `{rule.key}`\n\n**{rule.title}.**\n\n{rule.reason}\n\nBroken by: {rule.breaks}{stands}\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
