"""Webhooks: a delivery tells which object to read again; only of what is gone its body is the news.

Shapes and topics: Intercom API 2.16, webhook topics and notification object.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from core.contract.errors import Forged, Refused
from core.contract.types import JSON, Account, Delivery, Page, Record, Ref, Refusal, WebhookRequest
from plugins.base.client import NotFound
from plugins.base.mapping import remote_id
from plugins.base.pages import dig
from plugins.base.webhooks import check_signature, split_secrets
from plugins.intercom.articles import article_mapper
from plugins.intercom.client import IntercomClient
from plugins.intercom.companies import map_company
from plugins.intercom.contacts import read_contacts
from plugins.intercom.conversations import read_conversations, read_each
from plugins.intercom.tickets import TicketMapper

HOPS = 3
GONE = frozenset({"contact.deleted", "contact.archived", "company.deleted", "conversation.deleted", "article.deleted"})
ITEM_TYPES: Mapping[str, frozenset[str | None]] = {
    "contact": frozenset({"contact", "user", "lead", None}),
    "company": frozenset({"company", None}),
    "conversation": frozenset({"conversation", None}),
    "ticket": frozenset({"ticket", None}),
    "article": frozenset({"article", None}),
}
"""Objects that topics are about, and the ``type`` of an item that is the object itself."""


def verify(request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
    """Prove a delivery by its signature (``X-Hub-Signature: sha1=…`` over the raw body, keyed by the app's secret).

    Raises:
        Forged: It is not Intercom's.
    """
    secrets = split_secrets(environment.get("INTERCOM_CLIENT_SECRET"))
    signature = request.headers.get("x-hub-signature")
    if signature is None and _topic(_parsed(request.body)) == "ping":
        # The first ping may come unsigned; it changes nothing.
        return Delivery("", "", "ping", {}, ignorable=True)
    if not secrets:
        raise Forged("INTERCOM_CLIENT_SECRET is not set: without it no delivery can be proven")
    check_signature(request.body, signature, secrets, "sha1")
    body = _parsed(request.body)
    topic = _topic(body)
    if not topic:
        raise Forged("the body is no notification")
    return Delivery(
        account=str(body.get("app_id") or ""),
        id=str(body.get("id") or _fingerprint(topic, body)),
        topic=topic,
        body=body,
        ignorable=topic == "ping",
    )


def _parsed(body: bytes) -> JSON:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _topic(body: JSON) -> str:
    topic = dig(body, "topic")
    return topic if isinstance(topic, str) else ""


def _fingerprint(topic: str, body: JSON) -> str:
    """Stand in for an id, which Intercom may leave out."""
    item = _item(body)
    told = [topic, body.get("created_at"), item.get("id") or item]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _item(body: JSON) -> dict[str, Any]:
    item = dig(body, "data", "item")
    return item if isinstance(item, dict) else {}


def read(account: Account, deliveries: Sequence[Delivery]) -> Page:
    """Read again, once, each object that the deliveries are about; who is told last to be gone, is gone."""
    gone: dict[Ref, bool] = {}
    merges: list[tuple[Ref, Ref]] = []
    merged_into: set[str] = set()
    for delivery in sorted(deliveries, key=_told_at):
        gone.update((ref, is_gone) for ref, is_gone in _subjects(delivery) if ref.object in account.objects)
        if delivery.topic == "contact.merged":
            survivor = object_id(_item(delivery.body), "contact")
            source = remote_id(dig(_item(delivery.body), "merged_from", "id"))
            if survivor and source:
                merges.append((Ref("contact", source), Ref("contact", survivor)))
            elif survivor:
                merged_into.add(survivor)
    client = IntercomClient(account)
    records: list[Record | Refusal] = []
    deleted = [ref for ref, is_gone in gone.items() if is_gone]
    for object in ITEM_TYPES:
        ids = [ref.remote_id for ref, is_gone in gone.items() if ref.object == object and not is_gone]
        try:
            if object == "contact":
                found, vanished, more = _contacts(client, ids, merged_into)
                merges += more
            else:
                found, vanished = _others(client, object, ids)
        except Refused as error:
            found, vanished = [Refusal(object, key, str(error)) for key in ids], []
        records += found
        deleted += vanished
    return Page(records, merged=list(dict.fromkeys(merges)), deleted=deleted)


def _told_at(delivery: Delivery) -> int:
    told = dig(delivery.body, "created_at")
    return told if isinstance(told, int) else 0


def _subjects(delivery: Delivery) -> Iterator[tuple[Ref, bool]]:
    """Yield the objects that a delivery is about, each with whether it is gone. Of an unknown topic: none."""
    topic, item = delivery.topic, _item(delivery.body)
    kind = topic.partition(".")[0].removesuffix("_part")
    objects = ["company", "contact"] if topic.startswith("company.contact.") else [kind]
    for object in objects:
        key = object_id(item, object) if object in ITEM_TYPES else None
        if key:
            yield Ref(object, key), topic in GONE


def object_id(item: Mapping[str, Any], object: str) -> str | None:
    """Return the id of the object that an item is, names or wraps; None when it does none of these.

    Attached contacts come with Intercom's inner ``{"model": {"id": …}}``; a deleted conversation has
    ``conversation_id`` instead of ``id``. A ticket's ``ticket_id`` is the number that people see, and not its id.
    """
    nested = item.get(object)
    if isinstance(nested, dict):
        return remote_id(nested.get("id") or dig(nested, "model", "id"))
    if item.get("type") in ITEM_TYPES[object] and item.get("id"):
        return remote_id(item["id"])
    return remote_id(item.get(f"{object}_id")) if object != "ticket" else None


def _contacts(
    client: IntercomClient, ids: Sequence[str], merged_into: set[str]
) -> tuple[list[Record | Refusal], list[Ref], list[tuple[Ref, Ref]]]:
    """Fetch contacts; those that were merged meanwhile (410) lead to their survivors.

    Args:
        client: Reads the workspace.
        ids: Of the contacts.
        merged_into: Those of whom it is to be asked whom they took in.
    """
    found: dict[str, JSON] = {}
    refused: list[Record | Refusal] = []
    deleted: list[Ref] = []
    merges: list[tuple[Ref, Ref]] = []
    outcomes = client.map(lambda key: _contact(client, key, key in merged_into), ids)
    for key, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            deleted.append(Ref("contact", key))
        elif isinstance(outcome, Refused):
            refused.append(Refusal("contact", key, str(outcome)))
        elif outcome[1].get("archived"):
            deleted.append(Ref("contact", key))
        else:
            survivor, contact = outcome
            found.setdefault(survivor, contact)
            sources = [remote_id(dig(merge, "source_contact_id")) for merge in contact.get("merge_history") or ()]
            if survivor != key:
                sources.append(key)
            merges += [(Ref("contact", source), Ref("contact", survivor)) for source in sources if source]
    return [*read_contacts(client, list(found.values())), *refused], deleted, merges


def _contact(client: IntercomClient, key: str, with_merges: bool) -> tuple[str, dict[str, Any]]:
    """Return a contact and its id, following merges: chains resolve in at most three steps (Intercom API 2.16)."""
    query = {"include_merge_history": "true"} if with_merges else None
    for _ in range(HOPS):
        try:
            return key, client.get(f"/contacts/{quote(key, safe='')}", query)
        except NotFound as error:
            canonical = error.links.get("canonical")
            if error.status != 410 or not canonical:
                raise
            key = canonical.rstrip("/").rpartition("/")[2]
    return key, client.get(f"/contacts/{quote(key, safe='')}", query)


def _others(client: IntercomClient, object: str, ids: Sequence[str]) -> tuple[list[Record | Refusal], list[Ref]]:
    if not ids:
        return [], []
    if object == "conversation":
        return read_conversations(client, ids)
    if object == "ticket":
        return read_each(client, object, "/tickets/{}", ids, TicketMapper(client.account))
    if object == "company":
        return read_each(client, object, "/companies/{}", ids, map_company)
    return read_each(client, object, "/articles/{}", ids, article_mapper(client.account))
