"""The fields of contacts, companies and conversations: Intercom's own, and those that the workspace defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.contract.types import JSON, Account, FieldSpec, FieldType, Record, Refusal
from plugins.base.mapping import map_each
from plugins.intercom import companies, contacts
from plugins.intercom.client import IntercomClient, listed

FEEDING: Mapping[str, Mapping[str, tuple[str, FieldType]]] = {
    "contact": {
        "email": ("Email", "text"),
        "phone": ("Phone", "text"),
        "external_id": ("User id", "text"),
        "first_name": ("First name", "text"),
        "last_name": ("Last name", "text"),
        "country": ("Country", "text"),
        "region": ("Region", "text"),
        "city": ("City", "text"),
        "language": ("Language", "text"),
        "avatar_url": ("Picture", "text"),
    },
    "company": {
        "name": ("Name", "text"),
        "domain": ("Domain, of the website", "text"),
        "website": ("Website", "text"),
        "industry": ("Industry", "text"),
        "employees": ("Size", "integer"),
    },
}
"""What feeds system fields, by object and key."""

OWN: Mapping[str, Mapping[str, tuple[str, FieldType]]] = {
    "contact": {
        "role": ("Role", "text"),
        "owner_id": ("Owner id", "text"),
        "email_domain": ("Email domain", "text"),
        "formatted_phone": ("Phone, formatted", "text"),
        "signed_up_at": ("Signed up", "datetime"),
        "last_seen_at": ("Last seen", "datetime"),
        "last_replied_at": ("Last replied", "datetime"),
        "last_contacted_at": ("Last contacted", "datetime"),
        "last_email_opened_at": ("Last opened an email", "datetime"),
        "last_email_clicked_at": ("Last clicked in an email", "datetime"),
        "browser": ("Browser", "text"),
        "browser_version": ("Browser version", "text"),
        "browser_language": ("Browser language", "text"),
        "os": ("Operating system", "text"),
        "has_hard_bounced": ("Has hard bounced", "boolean"),
        "marked_email_as_spam": ("Marked email as spam", "boolean"),
        "unsubscribed_from_emails": ("Unsubscribed from emails", "boolean"),
        "opted_out_of": ("Opted out of", "list"),
        "utm_campaign": ("UTM campaign", "text"),
        "utm_content": ("UTM content", "text"),
        "utm_medium": ("UTM medium", "text"),
        "utm_source": ("UTM source", "text"),
        "utm_term": ("UTM term", "text"),
        "referrer": ("Referrer", "text"),
        "android_app_name": ("Android app", "text"),
        "android_app_version": ("Android app version", "text"),
        "android_device": ("Android device", "text"),
        "android_os_version": ("Android version", "text"),
        "android_last_seen_at": ("Last seen on Android", "datetime"),
        "ios_app_name": ("iOS app", "text"),
        "ios_app_version": ("iOS app version", "text"),
        "ios_device": ("iOS device", "text"),
        "ios_os_version": ("iOS version", "text"),
        "ios_last_seen_at": ("Last seen on iOS", "datetime"),
    },
    "company": {
        "company_id": ("Company id", "text"),
        "plan": ("Plan", "text"),
        "monthly_spend": ("Monthly spend", "decimal"),
        "session_count": ("Sessions", "integer"),
        "user_count": ("People", "integer"),
        "segments": ("Segments", "list"),
        "last_request_at": ("Last seen", "datetime"),
        "remote_created_at": ("Created in your product", "datetime"),
    },
}
"""What is kept under Intercom's own name, by object and key."""

TYPES: Mapping[str, FieldType] = {
    "string": "text",
    "integer": "integer",
    "float": "decimal",
    "decimal": "decimal",
    "boolean": "boolean",
    # Intercom keeps the time of day of its dates.
    "date": "datetime",
    "datetime": "datetime",
    "list": "text",
}
"""By Intercom's data type; a relationship or file is no value of a field."""


def read_schema(account: Account) -> list[FieldSpec]:
    """Read what can be imported of the selected objects, of all objects while connecting."""
    client = IntercomClient(account)
    wanted = account.objects or {"contact": None, "company": None, "conversation": None}
    fields: list[FieldSpec] = []
    for model in ("contact", "company"):
        if model in wanted:
            # They help to choose, on connecting: each later run would ask for them in vain.
            samples = {} if account.id else _samples(client, model)
            fields += _defaults(model, samples)
            fields += _custom(client.get_if_allowed("/data_attributes", {"model": model}), model, samples)
    if "conversation" in wanted:
        fields += _custom(client.get_if_allowed("/conversations/attributes"), "conversation", {})
    return fields


def _defaults(model: str, samples: Mapping[str, JSON]) -> Iterator[FieldSpec]:
    for key, (label, type) in FEEDING[model].items():
        yield FieldSpec(model, key, label, type, feeds=key, sample=samples.get(key))
    for key, (label, type) in OWN[model].items():
        yield FieldSpec(model, key, label, type, sample=samples.get(key))


def _custom(body: JSON | None, model: str, samples: Mapping[str, JSON]) -> Iterator[FieldSpec]:
    """Yield the custom fields of an attribute list; keys are unique, names are not across archived attributes."""
    seen: set[str] = set()
    for row in [] if body is None else listed(body, "data"):
        if not isinstance(row, dict) or not isinstance(row.get("data_type"), str):
            continue
        if row.get("archived") or row.get("custom") is False or row.get("data_type") not in TYPES:
            continue
        name = str(row.get("full_name") or row.get("name")).removeprefix("custom_attributes.")
        key = f"custom_{name}"
        if key not in seen:
            seen.add(key)
            label = str(row.get("label") or name)
            options = tuple(_options(row.get("options")))
            type = TYPES[row["data_type"]]
            yield FieldSpec(model, key, label, type, custom=True, options=options, sample=samples.get(key))


def _options(options: Any) -> Iterator[str]:
    """Yield the choices: texts, or objects whose shape depends on the version."""
    for option in options if isinstance(options, list) else ():
        if isinstance(option, dict):
            if option.get("archived"):
                continue
            option = option.get("label") or option.get("value")
        if option not in (None, ""):
            yield str(option)


def _samples(client: IntercomClient, model: str) -> dict[str, JSON]:
    """Return a real value for each field that has one on the first page."""
    path, mapper = ("/contacts", contacts.ContactMapper(client.account, ())) if model == "contact" else (
        "/companies", companies.map_company
    )  # fmt: skip
    body = client.get_if_allowed(path, {"per_page": 50})
    rows: Sequence[JSON] = [] if body is None else listed(body, "data")
    samples: dict[str, JSON] = {}
    records: list[Record | Refusal] = map_each(model, rows, mapper)
    for record in records:
        if isinstance(record, Record):
            for key, value in (*record.values.items(), *record.fields.items()):
                if value not in (None, "", [], ()):
                    samples.setdefault(key, value)
    return samples
