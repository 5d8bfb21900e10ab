"""What the Zendesk plugin declares."""

from __future__ import annotations

from collections.abc import Mapping

from marshmallow import Schema, fields

from core.contract.types import ActivitySpec, EnvVar, FieldType, Manifest, ObjectSpec, RateLimit

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" role="img" aria-label="Zendesk" fill="#03363d">'
    '<path d="M11 8.5V20H1.5zM11 4a4.75 4.75 0 0 1-9.5 0zM13 20a4.75 4.75 0 0 1 9.5 0zM13 15.5V4h9.5z"/></svg>'
)


class Credentials(Schema):
    """What is typed in; the subdomain alone where the admin consents at Zendesk."""

    subdomain = fields.String(
        metadata={"label": "Subdomain", "help": "Of your Zendesk's address: acme, if that is acme.zendesk.com."}
    )
    email = fields.String(metadata={"label": "Email", "help": "With which an admin signs in to Zendesk."})
    api_token = fields.String(
        metadata={
            "label": "API token",
            "help": "In Zendesk's Admin Center: Apps and integrations, APIs, API tokens.",
            "secret": True,
        }
    )


TICKET: Mapping[str, FieldType] = {"ticket_id": "text", "subject": "text", "channel": "text", "url": "text"}
MESSAGE: Mapping[str, FieldType] = {
    **TICKET,
    "text": "text",
    "author": "text",
    "author_type": "text",
    "attachments": "list",
}
ASSIGNED: Mapping[str, FieldType] = {
    **TICKET,
    "team": "text",
    "team_id": "text",
    "teammate": "text",
    "teammate_id": "text",
}
CREATED: Mapping[str, FieldType] = {
    **MESSAGE,
    **ASSIGNED,
    "status": "text",
    "priority": "text",
    "ticket_type": "text",
    "tags": "list",
}
STATUS: Mapping[str, FieldType] = {**TICKET, "status": "text", "previous_status": "text"}

ACTIVITIES = tuple(
    ActivitySpec(key, label, "ticket", icon, attributes)
    for key, label, icon, attributes in (
        ("ticket_created", "Ticket created", "ticket", CREATED),
        ("contact_replied", "Contact replied", "message-circle", MESSAGE),
        ("teammate_replied", "Teammate replied", "message-reply", MESSAGE),
        ("ticket_noted", "Ticket noted", "note", MESSAGE),
        ("ticket_assigned", "Ticket assigned", "user-check", ASSIGNED),
        ("ticket_status_changed", "Ticket status changed", "progress", STATUS),
        ("ticket_solved", "Ticket solved", "circle-check", STATUS),
        ("ticket_reopened", "Ticket reopened", "rotate", STATUS),
        ("ticket_tagged", "Ticket tagged", "tag", {**TICKET, "tags": "list"}),
        ("ticket_rated", "Ticket rated", "star", {**ASSIGNED, "rating": "text", "remark": "text"}),
    )
)

MANIFEST = Manifest(
    name="zendesk",
    title="Zendesk",
    category="Customer support",
    description="Imports users, organizations, tickets, help center articles, agents and groups.",
    needs=(
        "A Zendesk account with Support; with Guide for its help center.",
        "A Zendesk admin: Zendesk lets nobody else export users and tickets.",
    ),
    icon=ICON,
    auth="oauth_or_token",
    consent_asks=("subdomain",),
    credentials=Credentials,
    objects=(
        ObjectSpec("user", "Users", "person", required=True, description="End users become people."),
        ObjectSpec("organization", "Organizations", "organization", description="Organizations stay organizations."),
        ObjectSpec("ticket", "Tickets", "activity", description="Messages and changes of tickets become activities."),
        ObjectSpec("article", "Articles", "article", description="Help center articles join the knowledge base."),
        ObjectSpec("collection", "Sections and categories", "collection", comes_with="article"),
    ),
    activities=ACTIVITIES,
    environment=(
        EnvVar("ZENDESK_CLIENT_ID", "Unique identifier of your OAuth client at Zendesk, for consent."),
        EnvVar("ZENDESK_CLIENT_SECRET", "Secret of your OAuth client at Zendesk, for consent.", secret=True),
        EnvVar(
            "ZENDESK_WEBHOOK_SECRETS",
            "Signing secrets of your webhooks as subdomain=secret, several by comma.",
            secret=True,
        ),
        EnvVar("ZENDESK_URL", "A sandbox in place of Zendesk.", kind="url"),
    ),
    webhooks=True,
    teams=True,
    deletes=True,
    # By the host: Zendesk's exports take no conditions, and its search finds words, late, and not equal values.
    selective=True,
    max_accounts=None,
    # The smallest plan's: 200 a minute (Zendesk: rate limits). The headers tell what the account's plan allows.
    rate_limit=RateLimit(requests=200, seconds=60),
)
