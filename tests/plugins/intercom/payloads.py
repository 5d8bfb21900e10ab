"""Payloads in the shapes that Intercom publishes (API 2.16), made up for these tests."""

from __future__ import annotations

from typing import Any

ADMINS = {
    "type": "admin.list",
    "admins": [
        {"type": "admin", "id": "7001", "name": "Eve Ops", "email": "eve@acme.example", "team_ids": [9001]},
        {"type": "admin", "id": "7002", "name": "Dan Dev", "email": "dan@acme.example", "team_ids": []},
    ],
}
TEAMS: dict[str, Any] = {
    "type": "team.list",
    "teams": [{"type": "team", "id": "9001", "name": "Support", "admin_ids": [7002]}, {"id": 9002, "name": "Night"}],
}


def author(type: str, id: Any, name: str = "Somebody", **more: Any) -> dict[str, Any]:
    return {"type": type, "id": id, "name": name, "email": None, **more}


MIA = author("user", "m1a", "Mia Berg")
EVE = author("admin", "7001", "Eve Ops")
BOT = author("bot", "278", "Fin")


def part(id: Any, part_type: str, by: dict[str, Any], at: int | None, **more: Any) -> dict[str, Any]:
    return {
        "type": "conversation_part",
        "id": id,
        "part_type": part_type,
        "body": None,
        "created_at": at,
        "updated_at": at,
        "assigned_to": None,
        "author": by,
        "attachments": [],
        "state": "open",
        "tags": [],
        "event_details": None,
        **more,
    }


def conversation(**more: Any) -> dict[str, Any]:
    return {
        "type": "conversation",
        "id": "501",
        "title": None,
        "created_at": 1764000000,
        "updated_at": 1764000900,
        "open": False,
        "state": "closed",
        "priority": "none",
        "admin_assignee_id": 7001,
        "team_assignee_id": 9001,
        "company": {"type": "company", "id": "c0ffee"},
        "tags": {
            "type": "tag.list",
            "tags": [
                {
                    "type": "tag",
                    "id": "8",
                    "name": "VIP",
                    "applied_at": 1764000300,
                    "applied_by": {"type": "admin", "id": "7001"},
                },
                {"type": "tag", "id": 9, "name": "Bug"},
            ],
        },
        "conversation_rating": {
            "rating": 4,
            "remark": "Quick!",
            "created_at": 1764000700,
            "updated_at": 1764000800,
            "contact": {"type": "contact", "id": "b0b", "external_id": None},
            "teammate": {"type": "admin", "id": 7002},
        },
        "source": {
            "type": "email",
            "id": "403918334",
            "delivered_as": "customer_initiated",
            "subject": "<p>Invoice &amp; refund</p>",
            "body": "<p>Hello,</p><p>where is my <b>refund</b>?</p>",
            "author": MIA,
            "attachments": [{"type": "upload", "name": "bill.pdf", "url": "https://x.example/1"}],
            "url": "https://app.acme.example/billing",
        },
        "contacts": {
            "type": "contact.list",
            "contacts": [{"type": "contact", "id": "b0b"}, {"type": "contact", "id": "m1a"}],
        },
        "teammates": {"type": "admin.list", "admins": [{"type": "admin", "id": "7001"}]},
        "custom_attributes": {"Issue type": "Billing", "Orders": {"type": "order.list", "instances": []}, "None": None},
        "topics": {"type": "topic.list", "topics": [{"type": "topic", "id": 1, "name": "Refunds"}], "total_count": 1},
        "statistics": {"time_to_admin_reply": 60, "time_to_last_close": 600, "count_reopens": 0},
        "channel": {"initial": "email", "current": "email"},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [], "total_count": 0},
        **more,
    }


def with_parts(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return conversation(
        conversation_parts={
            "type": "conversation_part.list",
            "conversation_parts": list(parts),
            "total_count": len(parts),
        },
        **more,
    )
