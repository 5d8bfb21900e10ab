"""What the Intercom plugin declares."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import Schema, fields

from core.contract.types import ActivitySpec, EnvVar, FieldType, Manifest, ObjectSpec, RateLimit
from plugins.intercom.client import API_URLS, APP_URLS

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" role="img" aria-label="Intercom">'
    '<rect x="1" y="1" width="22" height="22" rx="3" fill="#1f8ded"/>'
    '<g stroke="#fff" stroke-width="1.6" stroke-linecap="round" fill="none">'
    '<path d="M5 6.5v7M8.5 5v9.8M12 4.6v10.6M15.5 5v9.8M19 6.5v7"/><path d="M5 17.3c4 3.2 10 3.2 14 0"/></g></svg>'
)


class Credentials(Schema):
    """What is typed in, where the admin does not consent at Intercom instead."""

    access_token = fields.String(
        metadata={
            "label": "Access token",
            "help": "In Intercom's Developer Hub: your app, Configure, Authentication.",
            "secret": True,
        },
    )


CONVERSATION: Mapping[str, FieldType] = {
    "conversation_id": "text",
    "subject": "text",
    "text": "text",
    "channel": "text",
    "url": "text",
}
NOW: Mapping[str, FieldType] = {
    "state": "text",
    "priority": "text",
    "tags": "list",
    "topics": "list",
    "team": "text",
    "team_id": "text",
    "teammate": "text",
    "teammate_id": "text",
}
PART: Mapping[str, FieldType] = {
    **CONVERSATION,
    "part_type": "text",
    "author": "text",
    "author_type": "text",
    "state": "text",
    "tags": "list",
    "attachments": "list",
    "team": "text",
    "team_id": "text",
    "teammate": "text",
    "teammate_id": "text",
}
STARTED: Mapping[str, FieldType] = {
    **CONVERSATION,
    **NOW,
    "author": "text",
    "author_type": "text",
    "delivered_as": "text",
    "page_url": "text",
    "attachments": "list",
}
UPDATED: Mapping[str, FieldType] = {**PART, "attribute": "text", "value": "text"}
RATED: Mapping[str, FieldType] = {**CONVERSATION, **NOW, "rating": "integer", "remark": "text"}
TAGGED: Mapping[str, FieldType] = {**CONVERSATION, "tag": "text", "author_type": "text"}
TIMES: Mapping[str, FieldType] = {
    "first_reply_seconds": "integer",
    "first_assignment_seconds": "integer",
    "first_close_seconds": "integer",
    "resolution_seconds": "integer",
    "median_reply_seconds": "integer",
    "handling_seconds": "integer",
    "reopens": "integer",
    "assignments": "integer",
    "parts": "integer",
}
TICKET: Mapping[str, FieldType] = {
    "ticket_id": "text",
    "number": "text",
    "subject": "text",
    "text": "text",
    "category": "text",
    "ticket_type": "text",
    "state": "text",
    "previous_state": "text",
    "part_type": "text",
    "author": "text",
    "author_type": "text",
    "team": "text",
    "team_id": "text",
    "teammate": "text",
    "teammate_id": "text",
}
TICKET_UPDATED: Mapping[str, FieldType] = {**TICKET, "attribute": "text", "value": "text"}


def _conversation(key: str, label: str, icon: str, attributes: Mapping[str, FieldType] = PART) -> ActivitySpec:
    return ActivitySpec(key, label, "conversation", icon, attributes)


ACTIVITIES = (
    _conversation("conversation_started", "Conversation started", "message-circle-plus", STARTED),
    _conversation("contact_replied", "Contact replied", "message-circle"),
    _conversation("teammate_replied", "Teammate replied", "message-reply"),
    _conversation("bot_replied", "Bot replied", "robot"),
    _conversation("conversation_noted", "Conversation noted", "note"),
    _conversation("conversation_assigned", "Conversation assigned", "user-check"),
    _conversation("conversation_snoozed", "Conversation snoozed", "zzz"),
    _conversation("conversation_closed", "Conversation closed", "circle-check", {**PART, **NOW, **TIMES}),
    _conversation("conversation_reopened", "Conversation reopened", "rotate"),
    _conversation("conversation_updated", "Conversation updated", "edit", UPDATED),
    _conversation("conversation_rated", "Conversation rated", "star", RATED),
    _conversation("conversation_tagged", "Conversation tagged", "tag", TAGGED),
    ActivitySpec("ticket_created", "Ticket created", "ticket", "ticket", TICKET),
    ActivitySpec("ticket_state_changed", "Ticket state changed", "ticket", "progress", TICKET),
    ActivitySpec("ticket_resolved", "Ticket resolved", "ticket", "circle-check", TICKET),
    ActivitySpec("ticket_updated", "Ticket updated", "ticket", "edit", TICKET_UPDATED),
)

MANIFEST = Manifest(
    name="intercom",
    title="Intercom",
    category="Customer support",
    description="Imports contacts, companies, conversations, tickets, help center articles, teammates and teams.",
    needs=(
        "An Intercom workspace.",
        "An Intercom admin who may install apps.",
        "A paid Intercom plan: on a free one Intercom refuses conversations.",
    ),
    icon=ICON,
    auth="oauth_or_token",
    credentials=Credentials,
    objects=(
        ObjectSpec("contact", "Contacts", "person", required=True, description="Users and leads become people."),
        ObjectSpec(
            "company",
            "Companies",
            "organization",
            exhaustive=True,
            description="Companies become organizations.",
        ),
        ObjectSpec(
            "conversation", "Conversations", "activity", description="Every message and event becomes an activity."
        ),
        ObjectSpec("ticket", "Tickets", "activity", description="Tickets and their states become activities."),
        ObjectSpec("article", "Articles", "article", description="Help center articles join the knowledge base."),
        ObjectSpec("collection", "Collections", "collection", comes_with="article"),
    ),
    activities=ACTIVITIES,
    environment=(
        EnvVar("INTERCOM_CLIENT_ID", "Client id of your Intercom app, for consent by OAuth."),
        EnvVar(
            "INTERCOM_CLIENT_SECRET",
            "Client secret of your Intercom app, for OAuth and webhooks; several by comma while it is rotated.",
            secret=True,
        ),
        EnvVar("INTERCOM_API_URL", "Intercom's API, or a sandbox.", default=API_URLS["US"], kind="url"),
        EnvVar("INTERCOM_APP_URL", "Intercom's consent page, or a sandbox.", default=APP_URLS["US"], kind="url"),
    ),
    webhooks=True,
    teams=True,
    deletes=True,
    past=True,
    selective=True,
    max_parallel=16,
    # 10,000 a minute for an app, enforced in slices of ten seconds (Intercom: rate limiting).
    rate_limit=RateLimit(requests=1_666, seconds=10),
)
