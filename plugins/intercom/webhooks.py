"""Webhooks: a delivery tells which object to read again. What it holds is never taken over.

Shapes and topics: Intercom API 2.16, webhook topics and notification object. docs/webhooks.md lists what each topic
leads to.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.contract.errors import Forged, Reauthorise, Refused
from core.contract.types import JSON, Account, Delivery, Page, Record, Ref, Roster, WebhookRequest
from plugins.base.mapping import remote_id
from plugins.base.pages import dig
from plugins.base.webhooks import check_signature, split_secrets
from plugins.intercom import lookups
from plugins.intercom.client import IntercomClient
from plugins.intercom.fetching import fetch

LAST = 253_402_300_800  # seconds: the end of the calendar
SHORT = 2_000  # bytes: what comes unsigned is no longer
UNINSTALLED = "uninstalled"
ROSTER = frozenset({"admin.added_to_workspace", "admin.removed_from_workspace"})
GONE = frozenset({"contact.deleted", "contact.archived", "company.deleted", "conversation.deleted", "article.deleted"})
ITEM_TYPES: Mapping[str, frozenset[str | None]] = {
    "contact": frozenset({"contact", "user", "lead", None}),
    "company": frozenset({"company", None}),
    "conversation": frozenset({"conversation", None}),
    "ticket": frozenset({"ticket", None}),
    "article": frozenset({"article", None}),
}
"""Objects that topics are about, and the ``type`` of an item that is the object itself."""


def objects_of(topic: str) -> tuple[str, ...]:
    """Return the objects that a topic tells to read again; none of a topic that says nothing of what is imported."""
    if topic.startswith("company.contact."):
        return ("company", "contact")
    if topic.startswith("granular."):
        return ("contact",)
    about = topic.partition(".")[0].removesuffix("_part")
    return (about,) if about in ITEM_TYPES else ()


def verify(request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
    """Prove a delivery by its signature (``X-Hub-Signature: sha1=…`` over the raw body, keyed by the app's secret).

    Raises:
        Forged: It is not Intercom's.
    """
    secrets = split_secrets(environment.get("INTERCOM_CLIENT_SECRET"))
    signature = request.headers.get("x-hub-signature")
    unproven = _parsed(request.body) if len(request.body) <= SHORT else None
    if signature is None and _topic(unproven) == "ping":
        # The first ping may come unsigned; it changes nothing.
        return Delivery("", "", "ping", {}, ignorable=True)
    if isinstance(unproven, dict) and isinstance(unproven.get("app_id"), str) and "topic" not in unproven:
        # That the app was removed is told unsigned. It is a mere hint to ask whether the token still works, and
        # one a minute is enough.
        minute = int(time.time() // 60)
        return Delivery(unproven["app_id"], f"{UNINSTALLED}:{minute}", UNINSTALLED, {"app_id": unproven["app_id"]})
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
    """Read again, once, each object that the deliveries are about, and the roster where they tell of teammates.

    Raises:
        Reauthorise: The app was removed from the workspace, or its token is dead.
        Retry: Intercom cannot answer now.
    """
    client = IntercomClient(account)
    topics = {delivery.topic for delivery in deliveries}
    if UNINSTALLED in topics:
        _check_installed(client)
    roster = _roster(account) if topics & ROSTER else None
    told = _told(account, deliveries)
    merges, merged_into = _merges(deliveries)
    found = fetch(account, told, merged_into)
    # That it can still be read proves nothing: Intercom answers for archived contacts, and deletes companies later.
    # What has changed since it was told to be gone lives: deliveries are late and out of order.
    versions = {
        Ref(record.object, record.remote_id): record.updated_at
        for record in found.records
        if isinstance(record, Record)
    }
    gone = {ref for ref, at in told.items() if at is not None and (versions.get(ref) or at) <= at}
    records = [record for record in found.records if Ref(record.object, record.remote_id) not in gone]
    merges += found.merged
    merged = {source for source, _ in merges}
    deleted = [ref for ref in dict.fromkeys([*found.deleted, *gone]) if ref not in merged]
    return Page(records, merged=list(dict.fromkeys(merges)), deleted=deleted, roster=roster)


def _check_installed(client: IntercomClient) -> None:
    try:
        client.get("/me")
    except Reauthorise:
        message = "The app was removed from this Intercom workspace: install it there again and reconnect"
        raise Reauthorise(message) from None


def _roster(account: Account) -> Roster | None:
    try:
        roster = lookups.read_roster(account)
        lookups.names.refresh(account)
        return roster
    except Refused as error:
        account.log.warning("users and teams stay as they are: %s", error)
        return None


def _told(account: Account, deliveries: Iterable[Delivery]) -> dict[Ref, datetime | None]:
    """Return the objects to read, each with the moment when it was told to be gone, if that was told of it last."""
    told: dict[Ref, datetime | None] = {}
    for delivery in sorted(deliveries, key=_told_at):
        gone_at = datetime.fromtimestamp(_told_at(delivery), UTC) if delivery.topic in GONE else None
        told.update((ref, gone_at) for ref in _subjects(delivery) if ref.object in account.objects)
    return told


def _told_at(delivery: Delivery) -> int:
    told = dig(delivery.body, "created_at")
    return told if isinstance(told, int) and 0 <= told < LAST else 0


def _merges(deliveries: Iterable[Delivery]) -> tuple[list[tuple[Ref, Ref]], set[str]]:
    """Return the merges that are told whole, and the survivors of those whose source is not named."""
    merges: list[tuple[Ref, Ref]] = []
    unnamed: set[str] = set()
    for delivery in deliveries:
        item = _item(delivery.body)
        survivor = object_id(item, "contact") if delivery.topic == "contact.merged" else None
        source = remote_id(dig(item, "merged_from", "id"))
        if survivor and source:
            merges.append((Ref("contact", source), Ref("contact", survivor)))
        elif survivor:
            unnamed.add(survivor)
    return merges, unnamed


def _subjects(delivery: Delivery) -> Iterator[Ref]:
    """Yield the objects that a delivery is about."""
    for object in objects_of(delivery.topic):
        key = object_id(_item(delivery.body), object)
        if key:
            yield Ref(object, key)


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
