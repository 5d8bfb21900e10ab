"""docs/types.md says what the code says of all that a plugin imports."""

from __future__ import annotations

from core.contract import errors, types
from docs.generate_types import TARGET, public, render


def test_the_page_is_up_to_date():
    assert TARGET.read_text(encoding="utf-8") == render(), "docs/types.md is stale: run make docs"


def test_everything_is_in_it_with_its_fields_and_defaults():
    text = TARGET.read_text(encoding="utf-8")
    for documented in [*public(types), *public(errors)]:
        assert f"\n### `{documented.__name__}`\n" in text
    assert "- `merged: Sequence[tuple[Ref, Ref]] = ()`: Pairs (gone, survivor)" in text
    assert "encoding: Literal['hex', 'base64'] = 'hex') -> None" in text
    assert "| person | `email` | text | yes |" in text
    assert ":class:" not in text
