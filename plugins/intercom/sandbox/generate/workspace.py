"""The small fixed part of a workspace: admins, teams, tags, segments, subscription types, attributes."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox.generate.plan import Plan

# Admin 7003 is in two teams, 7006 in none; team 9004 has nobody.
ADMINS: tuple[tuple[str, str, str, str | None, list[int]], ...] = (
    ("7001", "Zara Lindqvist", "zara", "Head of support", [9001]),
    ("7002", "Tomás Ribeiro", "tomas", "Support engineer", [9001]),
    ("7003", "Priya Raman", "priya", "Support engineer", [9001, 9002]),
    ("7004", "Kwame Mensah", "kwame", "Billing specialist", [9002]),
    ("7005", "Hanako Mori 森", "hanako", None, [9003]),
    ("7006", "Luc Tremblay", "luc", "Product manager", []),
)
TEAMS = (("9001", "Customer support"), ("9002", "Billing"), ("9003", "日本サポート"), ("9004", "Night shift"))
ADMIN_IDS = tuple(admin[0] for admin in ADMINS)
BOT = {"type": "bot", "id": "7999", "name": "Fin", "email": "operator+wk@intercom.io"}

TAGS = (
    ("1", "VIP"), ("2", "beta tester"), ("3", "newsletter"), ("4", "churn risk"), ("5", "partner"), ("6", "press"),
    ("7", "évènement Paris"), ("8", "trial"), ("9", "🚀 launch"), ("10", "referral"), ("11", "wholesale"),
    ("12", "key account"), ("13", "EU"), ("14", "invoice customer"), ("15", "billing"), ("16", "bug"),
    ("17", "feature request"), ("18", "refund"), ("19", "shipping"), ("20", "login"),
)  # fmt: skip
CONTACT_TAGS = tuple(tag for tag, _ in TAGS[:14])

SEGMENTS = (
    ("5f000000000000000000a001", "Active", "user"),
    ("5f000000000000000000a002", "New", "user"),
    ("5f000000000000000000a003", "Enterprise", "user"),
    ("5f000000000000000000a004", "Leads", "contact"),
    ("5f000000000000000000a005", "Slipping away", "user"),
)
OPT_OUT, OPT_IN = ("91", "92"), "93"
SUBSCRIPTIONS = (
    ("91", "live", "opt_out", "Announcements", "News about our product", "email"),
    ("92", "live", "opt_out", "Newsletter", "A letter every month", "email"),
    ("93", "live", "opt_in", "Delivery texts", "Messages about a delivery", "sms_message"),
    ("94", "archived", "opt_out", "Old digest", "No longer sent", "email"),
)


def admins(plan: Plan) -> dict[str, dict[str, Any]]:
    """Admins by id, as /admins gives them. One entry has no role, one no job title."""
    return {
        admin_id: {
            "type": "admin",
            "id": admin_id,
            "name": name,
            "email": f"{handle}@mainstem-demo.example",
            "job_title": title,
            "away_mode_enabled": admin_id == "7004",
            "away_mode_reassign": False,
            "away_status_reason_id": 3 if admin_id == "7004" else None,
            "has_inbox_seat": admin_id != "7006",
            "team_ids": list(team_ids),
            "avatar": None if admin_id == "7005" else f"https://img.example/admins/{admin_id}.png",
            "team_priority_level": {"primary_team_ids": list(team_ids[:1]), "secondary_team_ids": list(team_ids[1:])},
        }
        for admin_id, name, handle, title, team_ids in ADMINS
    }


def teams() -> dict[str, dict[str, Any]]:
    return {team_id: {"type": "team", "id": team_id, "name": name} for team_id, name in TEAMS}


def tags() -> dict[str, dict[str, Any]]:
    return {tag_id: {"type": "tag", "id": tag_id, "name": name} for tag_id, name in TAGS}


def segment_list(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "type": "segment",
            "id": segment_id,
            "name": name,
            "created_at": plan.born,
            "updated_at": plan.born + 86_400,
            "person_type": person_type,
        }
        for segment_id, name, person_type in SEGMENTS
    ]


def subscription_list() -> list[dict[str, Any]]:
    return [
        {
            "type": "subscription",
            "id": subscription_id,
            "state": state,
            "consent_type": consent,
            "default_translation": {"name": name, "description": about, "locale": "en"},
            "translations": [{"name": name, "description": about, "locale": "en"}],
            "content_types": [content],
        }
        for subscription_id, state, consent, name, about, content in SUBSCRIPTIONS
    ]


def away_reasons(plan: Plan) -> list[dict[str, Any]]:
    labels = ((1, "On a break", "☕"), (2, "In a meeting", "📅"), (3, "On holiday", "🌴"))
    return [
        {
            "type": "away_status_reason",
            "id": str(reason_id),
            "label": label,
            "emoji": emoji,
            "order": reason_id,
            "deleted": reason_id == 2,
            "created_at": plan.born,
            "updated_at": plan.born,
        }
        for reason_id, label, emoji in labels
    ]
