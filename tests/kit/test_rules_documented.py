from __future__ import annotations

from core.kit.rule import RULES
from docs.generate_rules import TARGET, render


def test_the_page_is_what_the_rules_say():
    assert TARGET.read_text(encoding="utf-8") == render(), "docs/rules.md is stale: run make docs"


def test_every_rule_has_its_section():
    text = TARGET.read_text(encoding="utf-8")
    assert [key for key in RULES if f"### `{key}`\n" not in text] == []
