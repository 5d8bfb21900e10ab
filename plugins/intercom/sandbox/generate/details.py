"""The smaller objects inside a generated conversation: teammates, tags, topics, statistics and the like."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.script import Script
from plugins.intercom.sandbox.generate.texts import TOPICS
from plugins.intercom.sandbox.generate.workspace import ADMINS, BOT, TAGS

NAMES = {admin[0]: (admin[1], admin[2]) for admin in ADMINS}
TAG_NAMES = dict(TAGS)


def teammate(admin_id: str) -> dict[str, Any]:
    if admin_id == "bot":
        return dict(BOT)
    name, handle = NAMES[admin_id]
    return {"type": "admin", "id": admin_id, "name": name, "email": f"{handle}@mainstem-demo.example"}


def attachment(number: int) -> dict[str, Any]:
    return {
        "type": "upload",
        "name": f"screenshot-{number}.png",
        "url": f"https://downloads.example/i/{number}/screenshot.png?expires=1",
        "content_type": "image/png",
        "filesize": 48_213,
        "width": 1280,
        "height": 720,
    }


def tags(script: Script, at: int) -> list[dict[str, Any]]:
    if not script.tagged:
        return []
    by = {"type": "admin", "id": script.admin or "7001"}
    tag = script.topic.tag
    name = TAG_NAMES[tag]
    return [{"type": "tag", "id": tag, "name": name, "applied_at": at, "applied_by": by}]


def first_reply(script: Script, source_type: str, conversation_id: str) -> dict[str, Any] | None:
    first = next((event for event in script.events if event.who == "contact" and event.kind == "comment"), None)
    if first is None:
        return None
    return {"created_at": first.at, "type": source_type, "url": f"https://app.example/inbox/{conversation_id}"}


def sla(dice: Dice, script: Script) -> dict[str, Any] | None:
    if not dice.chance(0.15):
        return None
    status = dice.pick(("hit", "hit", "missed", "cancelled")) if script.state == "closed" else "active"
    return {"type": "conversation_sla_summary", "sla_name": "First answer in 1 h", "sla_status": status}


def teammates(script: Script) -> dict[str, Any] | None:
    admins = list(dict.fromkeys(event.who for event in script.events if event.who.isdigit()))
    if not admins:
        return None
    return {"type": "admin.list", "admins": [{"type": "admin", "id": admin} for admin in admins]}


def topics(script: Script) -> dict[str, Any]:
    topic = {"type": "topic", "id": 100 + TOPICS.index(script.topic), "name": script.topic.key}
    return {"type": "topic.list", "topics": [topic], "total_count": 1}


def custom_attributes(dice: Dice, script: Script) -> dict[str, Any]:
    custom: dict[str, Any] = {}
    if dice.chance(0.5):
        custom["Issue type"] = "Billing" if script.topic.tag in ("15", "18") else "Question"
    if dice.chance(0.3):
        custom["Order number"] = script.order
    if script.topic.tag == "16":
        custom["Escalated"] = True
    if dice.chance(0.2):
        custom["Copilot used"] = False
    if dice.chance(0.05):
        instance = {"id": str(dice.below(9_999)), "type": "Order", "external_id": script.order}
        custom["Related orders"] = {"type": "order.list", "instances": [instance]}
    return custom


def ai_agent(script: Script) -> dict[str, Any]:
    resolved = script.admin is None
    return {
        "source_type": "workflow",
        "source_title": "Greeting",
        "last_answer_type": "ai_answer",
        "resolution_state": "assumed_resolution" if resolved else "escalated",
        "rating": None,
        "rating_remark": None,
        "created_at": script.created,
        "updated_at": script.created + 60,
        "content_sources": {"type": "content_source.list", "total_count": 0, "content_sources": []},
    }


def statistics(script: Script, created: int) -> dict[str, Any]:
    def times(kind: str, who: str) -> list[int]:
        return [e.at for e in script.events if e.kind == kind and (e.who == "contact") is (who == "contact")]

    admin, contact = times("comment", "admin"), times("comment", "contact")
    closes, assigned = times("close", "admin"), times("assignment", "admin")
    return {
        "type": "conversation_statistics",
        "time_to_assignment": assigned[0] - created if assigned else None,
        "time_to_admin_reply": admin[0] - created if admin else None,
        "time_to_first_close": closes[0] - created if closes else None,
        "time_to_last_close": closes[-1] - created if closes else None,
        "median_time_to_reply": (admin[0] - created) // 2 if admin else None,
        "first_contact_reply_at": contact[0] if contact else None,
        "first_assignment_at": assigned[0] if assigned else None,
        "first_admin_reply_at": admin[0] if admin else None,
        "first_close_at": closes[0] if closes else None,
        "last_assignment_at": assigned[-1] if assigned else None,
        "last_assignment_admin_reply_at": admin[-1] if assigned and admin else None,
        "last_contact_reply_at": contact[-1] if contact else None,
        "last_admin_reply_at": admin[-1] if admin else None,
        "last_close_at": closes[-1] if closes else None,
        "last_closed_by_id": script.admin if closes else None,
        "count_reopens": sum(1 for event in script.events if event.kind == "open"),
        "count_assignments": len(assigned),
        # Intercom counts what the parts list leaves out, so this is more than the parts.
        "count_conversation_parts": len(script.events) + 2,
        "handling_time": 60 * len(admin) if admin else None,
    }
