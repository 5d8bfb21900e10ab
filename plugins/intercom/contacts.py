"""Contacts: users and leads become people. How they are found: :mod:`plugins.intercom.contact_stream`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from core.contract.types import JSON, Account, Channel, Record, Ref, Refusal
from plugins.base.mapping import map_each, own_id, record, split_name, text
from plugins.base.pages import dig
from plugins.intercom import lookups
from plugins.intercom.client import IntercomClient

PLAIN = (
    "role", "owner_id", "email_domain", "formatted_phone", "signed_up_at", "last_seen_at", "last_replied_at",
    "last_contacted_at", "last_email_opened_at", "last_email_clicked_at", "browser", "browser_version",
    "browser_language", "os", "has_hard_bounced", "marked_email_as_spam", "unsubscribed_from_emails", "utm_campaign",
    "utm_content", "utm_medium", "utm_source", "utm_term", "referrer", "android_app_name", "android_app_version",
    "android_device", "android_os_version", "android_last_seen_at", "ios_app_name", "ios_app_version", "ios_device",
    "ios_os_version", "ios_last_seen_at",
)  # fmt: skip
SCALARS = frozenset({str, int, float, bool, type(None)})
NOBODY: Mapping[Channel, bool] = {}


def read_contacts(client: IntercomClient, rows: Sequence[JSON]) -> list[Record | Refusal]:
    """Map contacts, after completing those whose companies or tags Intercom embeds in part."""
    objects = [row for row in rows if isinstance(row, dict) and row.get("id")]
    cut = [(row, relation) for row in objects for relation in ("companies", "tags") if _is_cut(row.get(relation))]
    client.map(lambda of: _complete(client, *of), cut)
    return map_each("contact", rows, ContactMapper(client.account, objects))


def _is_cut(relation: Any) -> bool:
    """Intercom embeds at most ten of each relation."""
    if not isinstance(relation, dict):
        return False
    total = relation.get("total_count")
    return bool(relation.get("has_more")) or (isinstance(total, int) and total > len(relation.get("data") or ()))


def _complete(client: IntercomClient, contact: dict[str, Any], relation: str) -> None:
    """Replace what is embedded by all there is, the most recently seen first.

    Raises:
        Refused: The contact has gone meanwhile, or the app may not: what is embedded stays.
    """
    path = f"/contacts/{quote(str(contact['id']), safe='')}/{relation}"
    found = [row for row in client.rows(path, "data", relation) if row]
    found.sort(key=lambda row: row.get("last_request_at") or row.get("applied_at") or 0, reverse=True)
    contact[relation] = {"data": found}


def names_found(account: Account, rows: Sequence[JSON]) -> Mapping[str, bool]:
    """Return whether the names that these contacts need could be looked up; empty when they need none."""
    objects = [row for row in rows if isinstance(row, dict)]
    found: list[bool] = []
    if any(not tag.get("name") for row in objects for tag in _rows(row, "tags")):
        found.append(lookups.tags(account) is not None)
    if any(_rows(row, "opted_out_subscription_types") for row in objects):
        found.append(lookups.subscriptions(account) is not None)
    return {"contact": all(found)} if found else {}


class ContactMapper:
    """Maps contacts of one page.

    Args:
        account: Whose contacts.
        contacts: All of the page: names are looked up only if they are needed.
    """

    def __init__(self, account: Account, contacts: Iterable[dict[str, Any]]) -> None:
        self._tags: Mapping[str, str] | None = {}
        self._subscriptions: Mapping[str, str] | None = {}
        unnamed = {str(row.get("id")) for contact in contacts for row in _rows(contact, "tags") if not row.get("name")}
        if unnamed:
            self._tags = lookups.tags(account)
            if self._tags is not None and not unnamed <= self._tags.keys():
                self._tags = lookups.tags.refresh(account)
        if any(_rows(contact, "opted_out_subscription_types") for contact in contacts):
            self._subscriptions = lookups.subscriptions(account)

    def __call__(self, contact: dict[str, Any]) -> Record:
        """Map one contact."""
        get = contact.get
        first_name, last_name = split_name(get("name"))
        location, avatar = nested(contact, "location"), nested(contact, "avatar")
        companies = get("companies")
        fields = {key: get(key) for key in PLAIN}
        opted_out = _embedded(contact, "opted_out_subscription_types")
        fields["opted_out_of"] = list(named(opted_out, self._subscriptions) or ()) or None
        add_custom(fields, contact)
        permissions = NOBODY
        if get("unsubscribed_from_emails") or get("unsubscribed_from_sms"):
            permissions = _unsubscribed(contact)
        return record(
            "contact",
            contact,
            values={
                "email": get("email"),
                "phone": get("phone"),
                "external_id": get("external_id"),
                "first_name": first_name,
                "last_name": last_name,
                "country": location.get("country"),
                "region": location.get("region"),
                "city": location.get("city"),
                "language": get("language_override") or get("browser_language"),
                "avatar_url": avatar.get("image_url"),
            },
            fields=fields,
            tags=named(_embedded(contact, "tags"), self._tags),
            organizations=None if companies is None else tuple(
                [Ref("company", own_id(company)) for company in _embedded(contact, "companies")]
            ),
            permissions=permissions,
        )  # fmt: skip


def nested(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object under ``name``, empty for none.

    Raises:
        ValueError: It is something else.
    """
    value = payload.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be an object")
    return value


def _rows(payload: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return what of a relation has the right shape: what has not is refused when its contact is mapped."""
    found = dig(payload, name, "data")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _embedded(payload: Mapping[str, Any], name: str) -> Sequence[Any]:
    return nested(payload, name).get("data") or ()


def named(rows: Sequence[Any], names: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Return the names of tags or the like: their own or those looked up; None where they may not be looked up."""
    if not rows:
        return ()
    if names is None and any(not row.get("name") for row in rows):
        return None
    found = [row.get("name") or (names or {}).get(str(row.get("id"))) for row in rows]
    return tuple([name for name in found if name])


def add_custom(fields: dict[str, Any], payload: Mapping[str, Any]) -> None:
    """Add the custom attributes under ``custom_<name>``: no name of theirs meets one of Intercom's own fields."""
    for name, value in nested(payload, "custom_attributes").items():
        fields[f"custom_{name}"] = value if type(value) in SCALARS else flat(value)


def flat(value: Any) -> Any:
    """Return a list of scalars as it is, and what is nested (a reference to custom objects) as JSON text."""
    if isinstance(value, list) and all(type(item) in SCALARS for item in value):
        return [text(item) for item in value if item is not None]
    return json.dumps(value, ensure_ascii=False)


def _unsubscribed(contact: Mapping[str, Any]) -> Mapping[Channel, bool]:
    channels: dict[Channel, bool] = {}
    if contact.get("unsubscribed_from_emails"):
        channels["email"] = False
    if contact.get("unsubscribed_from_sms"):
        channels["sms"] = False
    return channels
