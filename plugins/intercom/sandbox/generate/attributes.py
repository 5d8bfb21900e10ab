"""Data attributes of contacts and companies, and conversation attributes (Intercom API 2.16)."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox.generate.plan import Plan

# name, label, data type, writable through the API
CONTACT = (
    ("id", "ID", "string", False), ("external_id", "User ID", "string", True), ("role", "Type", "string", True),
    ("email", "Email", "string", True), ("phone", "Phone", "string", True), ("name", "Name", "string", True),
    ("owner_id", "Owner", "string", True), ("created_at", "First seen", "date", False),
    ("updated_at", "Updated", "date", False), ("signed_up_at", "Signed up", "date", True),
    ("last_seen_at", "Last seen", "date", True), ("last_contacted_at", "Last contacted", "date", False),
    ("last_replied_at", "Last heard from", "date", False), ("language_override", "Language", "string", True),
    ("browser", "Browser", "string", False), ("os", "OS", "string", False),
    ("unsubscribed_from_emails", "Unsubscribed from emails", "boolean", True),
    ("has_hard_bounced", "Has hard bounced", "boolean", False),
    ("marked_email_as_spam", "Marked email as spam", "boolean", False),
    ("location.country", "Country", "string", False), ("location.city", "City", "string", False),
)  # fmt: skip
COMPANY = (
    ("company_id", "Company ID", "string", False), ("name", "Company name", "string", True),
    ("plan.name", "Plan", "string", True), ("monthly_spend", "Monthly spend", "float", True),
    ("size", "Company size", "integer", True), ("website", "Company website", "string", True),
    ("industry", "Company industry", "string", True), ("user_count", "People", "integer", False),
    ("session_count", "Company web sessions", "integer", False),
    ("last_request_at", "Company last seen", "date", False),
    ("remote_created_at", "Company created at", "date", True),
)  # fmt: skip
CUSTOM = (
    (601, "contact", "plan", "string", ("free", "starter", "growth", "enterprise"), False),
    (602, "contact", "seats", "integer", (), False),
    (603, "contact", "newsletter", "boolean", (), False),
    (604, "contact", "lifetime_value", "float", (), False),
    (605, "contact", "renewal_at", "date", (), False),
    (606, "contact", "Favourite colour", "string", (), False),
    (607, "contact", "notes_from_import", "string", (), False),
    (608, "contact", "old_score", "integer", (), True),
    (611, "company", "account_manager", "string", (), False),
    (612, "company", "contract_value", "float", (), False),
    (613, "company", "trial", "boolean", (), False),
)


def data_attributes(plan: Plan) -> list[dict[str, Any]]:
    """Default attributes have no id and no times; custom ones do."""
    defaults = [
        _attribute(model, name, label, data_type, writable)
        for model, rows in (("contact", CONTACT), ("company", COMPANY))
        for name, label, data_type, writable in rows
    ]
    custom = []
    for attribute_id, model, name, data_type, options, archived in CUSTOM:
        attribute = _attribute(model, name, name, data_type, True)
        attribute |= {
            "id": attribute_id,
            "full_name": f"custom_attributes.{name}",
            "custom": True,
            "archived": archived,
            "created_at": plan.born,
            "updated_at": plan.born + 3_600,
            "admin_id": "7001",
        }
        if options:
            attribute["options"] = list(options)
        custom.append(attribute)
    return defaults + custom


def _attribute(model: str, name: str, label: str, data_type: str, writable: bool) -> dict[str, Any]:
    return {
        "type": "data_attribute",
        "name": name.rpartition(".")[2],
        "full_name": name,
        "label": label,
        "description": label,
        "data_type": data_type,
        "api_writable": writable,
        "ui_writable": False,
        "messenger_writable": False,
        "custom": False,
        "archived": False,
        "model": model,
    }


def conversation_attributes(plan: Plan) -> list[dict[str, Any]]:
    rows: tuple[tuple[int, str, str, bool, dict[str, Any]], ...] = (
        (2, "Issue type", "list", False, {"options": _options("Billing", "Bug", "Question", "Feedback")}),
        (3, "Order number", "string", False, {"multiline": False}),
        (4, "Escalated", "boolean", False, {}),
        (5, "Satisfaction goal", "integer", False, {}),
        (6, "Related orders", "relationship", False, {"reference": {"type": "many", "object_type_id": "Order"}}),
        (7, "Old channel", "string", True, {"multiline": True}),
    )
    return [
        {
            "type": "conversation_attribute",
            "id": number,
            "name": name,
            "description": "",
            "data_type": data_type,
            "required": False,
            "visible_to_team_ids": [],
            "archived": archived,
            "created_at": plan.born,
            "updated_at": plan.born + 60 * number,
            "admin_id": "7001",
            **more,
        }
        for number, name, data_type, archived, more in rows
    ]


def _options(*labels: str) -> list[dict[str, Any]]:
    return [
        {"id": f"a1b2c3d4-0000-4000-8000-{number:012x}", "label": label, "archived": False}
        for number, label in enumerate(labels)
    ]
