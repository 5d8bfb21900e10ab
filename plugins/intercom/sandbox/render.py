"""Records as the REST API shows them, by API version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugins.intercom.sandbox.generate.companies import Company
from plugins.intercom.sandbox.generate.people import Contact

EMBEDDED = 10
SUBSCRIPTIONS = "/subscriptions"
OLD_PRIORITY = {"none": "not_priority"}


def contact(record: Contact) -> dict[str, Any]:
    """A contact with its tags, companies and subscriptions, at most ten of each."""
    fields = record.fields
    url = f"/contacts/{fields['id']}"
    tags = [tag for tag, _, _ in record.tags]
    notes = [note["id"] for note in record.notes]
    shown = fields.copy()
    shown["tags"] = _refs("tag", "/tags", tags, f"{url}/tags")
    shown["notes"] = _refs("note", "/notes", notes, f"{url}/notes")
    shown["companies"] = _refs("company", "/companies", record.companies, f"{url}/companies")
    shown["opted_out_subscription_types"] = _refs("subscription", SUBSCRIPTIONS, record.opted_out, url + SUBSCRIPTIONS)
    shown["opted_in_subscription_types"] = _refs("subscription", SUBSCRIPTIONS, record.opted_in, url + SUBSCRIPTIONS)
    return shown


def _refs(kind: str, folder: str, ids: Sequence[str], url: str) -> dict[str, Any]:
    data = [{"type": kind, "id": one, "url": f"{folder}/{one}"} for one in ids[:EMBEDDED]] if ids else []
    return {"type": "list", "data": data, "url": url, "total_count": len(ids), "has_more": len(ids) > EMBEDDED}


def company(record: Company, tags: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A company. Live replies leave out what is null; only `company_id` is named even then."""
    fields = {name: value for name, value in record.fields.items() if value is not None or name == "company_id"}
    return {
        **fields,
        "tags": {"type": "tag.list", "tags": [tags[tag] for tag in record.tags if tag in tags]},
        "segments": {"type": "segment.list", "segments": []},
        "notes": {
            "type": "note.list",
            "data": record.notes[:EMBEDDED],
            "url": f"/companies/{record.fields['id']}/notes",
            "total_count": len(record.notes),
            "has_more": len(record.notes) > EMBEDDED,
        },
    }


def older_contact(shown: dict[str, Any]) -> dict[str, Any]:
    """Before 2.16 the owner is a number."""
    owner = shown.get("owner_id")
    return {**shown, "owner_id": int(owner) if owner else owner}


def older_conversation(shown: dict[str, Any]) -> dict[str, Any]:
    """Before 2.16 nobody is null instead of 0, a team's id is text, and there are two priorities."""
    team = shown["team_assignee_id"]
    return {
        **shown,
        "admin_assignee_id": shown["admin_assignee_id"] or None,
        "team_assignee_id": str(team) if team else None,
        "priority": OLD_PRIORITY.get(shown["priority"], "priority"),
    }


def older_ticket(shown: dict[str, Any]) -> dict[str, Any]:
    """Before 2.16 the ids of assignees are text, "0" for nobody."""
    return {**shown, **{name: str(shown[name]) for name in ("admin_assignee_id", "team_assignee_id")}}


def older_article(shown: dict[str, Any]) -> dict[str, Any]:
    """Before 2.16 an article names one parent and its type."""
    parents = shown["parent_ids"]
    return {**shown, "parent_id": parents[0] if parents else None, "parent_type": "collection" if parents else None}
