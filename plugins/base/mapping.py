"""From the vendor's payloads to records: small helpers, and a loop in which one bad payload harms no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from logging import Logger
from typing import Any

from marshmallow import ValidationError

from core.contract.types import JSON, Record, Refusal


def map_each(object: str, payloads: Iterable[JSON], mapper: Callable[[Any], Record]) -> list[Record | Refusal]:
    """Map each payload; one that cannot be mapped becomes a :class:`Refusal` that keeps it.

    Args:
        object: Key of the :class:`ObjectSpec`.
        payloads: What the vendor sent.
        mapper: Raises one of :data:`MALFORMED` for what it cannot take.
    """
    mapped: list[Record | Refusal] = []
    for payload in payloads:
        try:
            mapped.append(mapper(payload))
        except MALFORMED as error:
            mapped.append(Refusal(object, _id(payload), why(payload, error), payload))
    return mapped


MALFORMED = (KeyError, ValueError, TypeError, AttributeError, ValidationError)
"""What a mapper raises for what it cannot take."""


def why(payload: JSON, error: Exception) -> str:
    """Return for people why ``payload`` could not be mapped."""
    if not isinstance(payload, dict):
        return "must be an object"
    if isinstance(error, KeyError):
        return f"{error.args[0]}: missing"
    if isinstance(error, TypeError | AttributeError):
        return f"something in it has another shape than was agreed ({error})"
    return str(error) or type(error).__name__


def _id(payload: JSON) -> str:
    found = payload.get("id") if isinstance(payload, dict) else None
    return str(found) if isinstance(found, str | int) else ""


def remote_id(value: Any) -> str | None:
    """Return an id as text; None for what stands for "none" (null, 0, "0", "").

    Raises:
        ValueError: It is neither text nor a whole number.
    """
    if value is None or value in (0, "0", ""):
        return None
    if type(value) is str or type(value) is int:
        return str(value)
    raise ValueError(f"id: must be text or a whole number, not {type(value).__name__}")


def own_id(payload: JSON) -> str:
    """Return a payload's ``id`` as text.

    Raises:
        KeyError: It is missing, or one of those that :func:`remote_id` takes for none.
        ValueError: It is neither text nor a whole number.
    """
    found = remote_id(payload["id"])
    if found is None:
        raise KeyError("id")
    return found


def identified(payloads: Iterable[Any], log: Logger) -> list[dict[str, Any]]:
    """Return the payloads that are objects with an id; the others are logged and left out.

    For small listings that are read whole, such as teams, where one bad row must not cost all the others. Records go
    through :func:`map_each`, which keeps what it refuses.
    """
    sound = []
    for payload in payloads:
        try:
            own_id(payload)
        except (KeyError, ValueError, TypeError):
            # Its values may be personal: only what it is made of is told.
            log.warning("a row without an id is left out: %s", list(payload) if isinstance(payload, dict) else payload)
        else:
            sound.append(payload)
    return sound


def moment(value: Any, name: str = "time") -> datetime | None:
    """Return a moment from unix seconds or ISO 8601 text (UTC where it names no zone); None for none.

    Args:
        value: What the vendor sent.
        name: Its field, for the message.

    Raises:
        ValueError: It is neither.
    """
    if value is None or value == "":
        return None
    try:
        if type(value) is int or type(value) is float:
            return datetime.fromtimestamp(value, UTC)
        if type(value) is str:
            parsed = datetime.fromisoformat(value)
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"{name}: must be unix seconds or ISO 8601, not {value!r}")


def record(object: str, payload: Mapping[str, Any], **given: Any) -> Record:
    """Return the record of a payload with ``id``, ``updated_at`` and ``created_at``, as most have them.

    Args:
        object: Key of the :class:`ObjectSpec`.
        payload: What the vendor sent.
        given: Other attributes of :class:`Record`, or these otherwise.
    """
    times = {name: moment(payload.get(name), name) for name in ("updated_at", "created_at")}
    return Record(**{"object": object, "remote_id": own_id(payload), **times, "payload": payload, **given})


def translations(texts: Iterable[tuple[str, Mapping[str, Any]]], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the translations of an article or a collection, as ``values["translations"]`` wants them.

    Args:
        texts: Locales, each with what the vendor has in it.
        names: Our names of the texts (see :mod:`core.contract.fields`), each with the vendor's.
    """
    return {
        locale: {ours: found[theirs] for ours, theirs in names.items() if found.get(theirs) is not None}
        for locale, found in texts
    }


def text(value: Any) -> str | None:
    """Return a scalar as text without surrounding space; None for none, for nothing but space, and for no scalar."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() or None


def split_name(name: Any) -> tuple[str | None, str | None]:
    """Split a full name into first and last name: at the first space, or at the comma of "Last, First"."""
    if not name:
        return None, None
    whole = " ".join(str(name).split())
    if ", " in whole:
        last, _, first = whole.partition(", ")
    else:
        first, _, last = whole.partition(" ")
    return first or None, last or None


BLOCKS = frozenset(
    "address article blockquote br div dl dt dd figure h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul".split()
)
HIDDEN = frozenset({"script", "style", "head", "template"})


class _Text(HTMLParser):
    """Collects the text of an HTML fragment, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in HIDDEN:
            self._hidden += 1
        elif tag in BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)


INLINE = "b code em i span strong u".split()
_TAG = re.compile(f"</?(?:({'|'.join(sorted(BLOCKS))})|{'|'.join(INLINE)})/?>")


def _plain(html: str) -> str:
    """Return the text of an HTML fragment; most messages have nothing but plain tags, and need no parser."""
    text, tags = _TAG.subn(lambda tag: "\n" if tag[1] else "", html)
    if tags == html.count("<") and "&" not in html:
        return text
    parser = _Text()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces)


def html_to_text(html: Any, limit: int = 10_000) -> str | None:
    """Return the readable text of HTML, or of plain text, at most ``limit`` characters; None for none."""
    if not isinstance(html, str):
        return None
    if "<" in html or "&" in html:
        html = _plain(html)
    lines = (" ".join(line.split()) for line in html.splitlines())
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()[:limit] or None
