"""The fields of users, organizations and tickets: Zendesk's own, and those that the account defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.contract.types import JSON, Account, FieldSpec, FieldType
from plugins.base.mapping import own_id, text
from plugins.zendesk.client import ZendeskClient

FEEDING: Mapping[str, Mapping[str, str]] = {
    "user": {
        "email": "Email",
        "phone": "Phone",
        "external_id": "External id",
        "first_name": "First name",
        "last_name": "Last name",
        "language": "Language",
        "avatar_url": "Picture",
    },
    "organization": {"name": "Name", "domain": "First domain"},
}
"""What feeds system fields, by object and key."""

OWN: Mapping[str, Mapping[str, tuple[str, FieldType]]] = {
    "user": {
        "alias": ("Alias", "text"),
        "details": ("Details", "text"),
        "notes": ("Notes", "text"),
        "time_zone": ("Time zone", "text"),
        "suspended": ("Suspended", "boolean"),
        "verified": ("Verified", "boolean"),
        "last_login_at": ("Last signed in", "datetime"),
    },
    "organization": {
        "external_id": ("External id", "text"),
        "details": ("Details", "text"),
        "notes": ("Notes", "text"),
        "domain_names": ("Domains", "list"),
        "shared_tickets": ("Shares tickets", "boolean"),
    },
}
"""What is kept under Zendesk's own name, by object and key."""

TYPES: Mapping[str, FieldType] = {
    "text": "text",
    "textarea": "text",
    "regexp": "text",
    "dropdown": "text",
    "tagger": "text",
    "lookup": "text",
    "multiselect": "list",
    "checkbox": "boolean",
    "date": "date",
    "integer": "integer",
    "decimal": "decimal",
}
"""By Zendesk's type of a custom field; a ticket's system fields have types of their own."""


def read_schema(account: Account) -> list[FieldSpec]:
    """Read what can be imported of the selected objects, of all objects while connecting."""
    client = ZendeskClient(account)
    fields: list[FieldSpec] = []
    for object in ("user", "organization", "ticket"):
        if not account.objects or object in account.objects:
            for key, label in FEEDING.get(object, {}).items():
                fields.append(FieldSpec(object, key, label, feeds=key))
            for key, (label, type) in OWN.get(object, {}).items():
                fields.append(FieldSpec(object, key, label, type))
            fields += _custom(client, object)
    return fields


def _custom(client: ZendeskClient, object: str) -> Iterator[FieldSpec]:
    """Yield the active custom fields. Users and organizations name theirs by key, tickets by id."""
    for row in client.rows(f"/api/v2/{object}_fields.json", f"{object}_fields"):
        if row.get("active") is False or row.get("type") not in TYPES:
            continue
        key = own_id(row) if object == "ticket" else str(row["key"])
        label = text(row.get("title")) or key
        yield FieldSpec(object, f"custom_{key}", label, TYPES[row["type"]], custom=True, options=_options(row))


def _options(row: Mapping[str, JSON]) -> tuple[str, ...]:
    """Return the values of the choices, which are tags; their names are for people alone."""
    return tuple(str(option["value"]) for option in row.get("custom_field_options") or () if option.get("value"))
