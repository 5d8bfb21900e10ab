"""The objects inside webhooks: near relatives of the REST objects (times as text, few parts, plain bodies)."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from plugins.intercom.sandbox import render
from plugins.intercom.sandbox.generate.companies import Company
from plugins.intercom.sandbox.generate.people import Contact


def iso(seconds: int | None, zone: str = "+00:00") -> str | None:
    """ISO-8601 with milliseconds, as contacts, companies and articles have it in webhooks."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.125") + zone


def _with_iso(fields: Mapping[str, Any], zone: str = "+00:00") -> dict[str, Any]:
    return {
        name: iso(value, zone) if name.endswith("_at") and isinstance(value, int) else value
        for name, value in fields.items()
    }


def contact(record: Contact) -> dict[str, Any]:
    return _with_iso(render.contact(record))


def company(record: Company) -> dict[str, Any]:
    return {**_with_iso(record.fields), "plan": None, "tag_ids": list(record.tags)}


def article(fields: Mapping[str, Any]) -> dict[str, Any]:
    return _with_iso(fields, "Z")


def conversation(fields: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Only the parts that the event made; bodies are plain text from 2.15 on; statistics carry text times."""
    shown = [{**part, "body": plain(part["body"])} for part in parts]
    source = {**fields["source"], "body": plain(fields["source"]["body"])}
    statistics = fields["statistics"]
    if statistics is not None:
        closer = statistics.get("last_closed_by_id")
        closed_by = int(closer) if isinstance(closer, str) and closer.isdigit() else None
        statistics = {**_with_iso(statistics), "last_closed_by_id": closed_by}
    part_list = {"type": "conversation_part.list", "conversation_parts": shown, "total_count": len(shown)}
    return {**fields, "source": source, "statistics": statistics, "conversation_parts": part_list}


def plain(body: str | None) -> str | None:
    return None if body is None else html.unescape(re.sub(r"<[^>]+>", "", body))
