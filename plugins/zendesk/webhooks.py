"""Webhooks: an event tells which object to read again. What it holds is never taken over.

Zendesk: webhook event types, verifying webhooks. An event names its account by a number that no API tells, but each
webhook has a secret of its own: the one that proves a delivery tells whose it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from core.contract.errors import Forged, Refused
from core.contract.types import Account, Delivery, Page, Ref, Roster, WebhookRequest
from plugins.base.pages import dig
from plugins.base.webhooks import check_signature, split_secrets
from plugins.zendesk import team
from plugins.zendesk.fetching import fetch

TOPIC = re.compile(r"zen:event-type[:/](user|organization|ticket|article)\.(\w+)")
SUBJECT = re.compile(r"zen:\w+:(\d+)")
ROSTER = frozenset({"role_changed", "group_membership_created", "group_membership_deleted"})


def verify(request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
    """Prove a delivery: base64 of an HMAC-SHA256 over time and raw body, keyed by the webhook's secret.

    Raises:
        Forged: It is not Zendesk's.
    """
    account = _account(request, environment.get("ZENDESK_WEBHOOK_SECRETS"))
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    topic = dig(body, "type")
    if not isinstance(topic, str):
        raise Forged("the body is no event: subscribe the webhook to Zendesk events")
    return Delivery(account, str(body.get("id") or hashlib.sha256(request.body).hexdigest()), topic, body)


def _account(request: WebhookRequest, secrets: str | None) -> str:
    signed = request.headers.get("x-zendesk-webhook-signature-timestamp", "").encode() + request.body
    signature = request.headers.get("x-zendesk-webhook-signature")
    for pair in split_secrets(secrets):
        subdomain, _, secret = pair.partition("=")
        try:
            check_signature(signed, signature, [secret] if secret else [], "sha256", "base64")
        except Forged:
            continue
        return subdomain
    raise Forged("the signature is missing, or made with none of ZENDESK_WEBHOOK_SECRETS (subdomain=secret)")


def read(account: Account, deliveries: Sequence[Delivery]) -> Page:
    """Read again, once, each object that the deliveries are about, and the roster where they tell of the team."""
    page = fetch(account, dict.fromkeys(_subjects(deliveries)))
    told = [topic for delivery in deliveries if (topic := TOPIC.fullmatch(delivery.topic))]
    changed = any(topic[1] == "user" and topic[2] in ROSTER for topic in told)
    return Page(page.records, deleted=page.deleted, roster=_roster(account) if changed else None)


def _subjects(deliveries: Sequence[Delivery]) -> Iterator[Ref]:
    """Yield the objects that deliveries are about."""
    for delivery in deliveries:
        topic = TOPIC.fullmatch(delivery.topic)
        subject = SUBJECT.fullmatch(str(dig(delivery.body, "subject")))
        if topic and subject:
            yield Ref(topic[1], subject[1])


def _roster(account: Account) -> Roster | None:
    try:
        return team.read_roster(account)
    except Refused as error:
        account.log.warning("users and teams stay as they are: %s", error)
        return None
