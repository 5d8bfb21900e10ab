"""What an activity tells, in the parts that its page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.contract.types import JSON

QUOTED = 600
SHORT = 200
_WORDS = re.compile(r"[a-z]+(_[a-z]+)+")


@dataclass(frozen=True, slots=True)
class Told:
    """An activity's attributes as a page shows them.

    Attributes:
        quote: What was said, shortened; empty if nothing was.
        url: Where it is at the vendor; empty if that is no address of the web.
        rest: The other attributes with a value.
    """

    quote: str
    url: str
    rest: Mapping[str, Any]


def told(attributes: Mapping[str, JSON]) -> Told:
    """Return what an activity tells: ``text`` is what was said, ``url`` leads to it.

    An id is left out where its name stands beside it, or where the address has it.
    """
    url = str(attributes.get("url") or "")
    url = url if is_address(url) else ""
    rest = {
        key: _in_words(value)
        for key, value in attributes.items()
        if key not in ("text", "url") and value not in (None, "", []) and not _is_said(key, value, attributes, url)
    }
    return Told(_shortened(str(attributes.get("text") or ""), QUOTED), url, rest)


def is_address(text: str) -> bool:
    """Tell whether a text is an address of the web, and nothing else that a link could start."""
    return text.lower().startswith(("http://", "https://")) and " " not in text


def _is_said(key: str, value: JSON, attributes: Mapping[str, JSON], url: str) -> bool:
    return key.endswith("_id") and (bool(attributes.get(key.removesuffix("_id"))) or str(value) in url.split("/"))


def _in_words(value: JSON) -> JSON:
    """Return a vendor's own word as words: ``"closed_by_workflow"`` becomes ``"closed by workflow"``."""
    if not isinstance(value, str):
        return value
    return value.replace("_", " ") if _WORDS.fullmatch(value) else _shortened(value, SHORT)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length].rstrip()}…"
