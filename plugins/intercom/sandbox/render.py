"""Records as the REST API shows them, by API version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plugins.intercom.sandbox.generate.companies import Company
from plugins.intercom.sandbox.generate.people import Contact

EMBEDDED = 10
OLD_PRIORITY = {"none": "not_priority"}


def contact(record: Contact) -> dict[str, Any]:
    """A contact with its tags, companies and subscriptions, at most ten of each."""
    contact_id = record.fields["id"]
    return {
        **record.fields,
        "tags": _refs("tag", (tag for tag, _, _ in record.tags), contact_id, "tags"),
        "notes": _refs("note", (note["id"] for note in record.notes), contact_id, "notes"),
        "companies": _refs("company", record.companies, contact_id, "companies"),
        "opted_out_subscription_types": _refs("subscription", record.opted_out, contact_id, "subscriptions"),
        "opted_in_subscription_types": _refs("subscription", record.opted_in, contact_id, "subscriptions"),
    }


def _refs(kind: str, ids: Iterable[str], contact_id: str, path: str) -> dict[str, Any]:
    folder = {"tag": "tags", "note": "notes", "company": "companies", "subscription": "subscriptions"}[kind]
    data = [{"type": kind, "id": one, "url": f"/{folder}/{one}"} for one in ids]
    return {
        "type": "list",
        "data": data[:EMBEDDED],
        "url": f"/contacts/{contact_id}/{path}",
        "total_count": len(data),
        "has_more": len(data) > EMBEDDED,
    }


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
    """Before 2.16 nobody is null instead of 0, and there are two priorities."""
    return {
        **shown,
        "admin_assignee_id": shown["admin_assignee_id"] or None,
        "team_assignee_id": shown["team_assignee_id"] or None,
        "priority": OLD_PRIORITY.get(shown["priority"], "priority"),
    }


def older_article(shown: dict[str, Any]) -> dict[str, Any]:
    """Before 2.16 an article names one parent and its type."""
    parents = shown["parent_ids"]
    return {**shown, "parent_id": parents[0] if parents else None, "parent_type": "collection" if parents else None}
