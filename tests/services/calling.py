"""The vendor of the service tests, with webhooks: each tells the number of a user that has changed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

from core.contract.errors import Forged
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Delivery, EnvVar, Page, Record, Ref, Roster, WebhookRequest
from tests.services.vendor import Vendor

SECRET = "new-secret"


class CallingVendor(Vendor):
    """Attributes:
    users: What the vendor holds by number; a user that is not there is gone.
    poisoned: Numbers over which the plugin stumbles.
    outage: Raised instead of an answer, until it is taken away.
    during: Called while a batch is read.
    told: The ids of the deliveries of every batch.
    """

    def __init__(self) -> None:
        super().__init__(webhooks=True, environment=(EnvVar("ACME_SECRETS", "Sign webhooks.", secret=True),))
        self.users: dict[int, Record] = {}
        self.poisoned: set[int] = set()
        self.outage: Exception | None = None
        self.during: Callable[[], object] = lambda: None
        self.told: list[list[str]] = []

    @hookimpl
    def verify_webhook(self, request: WebhookRequest, environment: dict[str, str]) -> Delivery:
        given = request.headers.get("x-acme-signature", "")
        secrets = environment.get("ACME_SECRETS", "").split(",")
        if not any(hmac.compare_digest(given, sign(request.body, secret)) for secret in secrets if secret):
            raise Forged("the signature is missing or wrong")
        body = json.loads(request.body)
        return Delivery(body["account"], body["id"], body["topic"], body, ignorable=body["topic"] == "ping")

    @hookimpl
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        self.told.append([delivery.id for delivery in deliveries])
        self.during()
        if self.outage:
            raise self.outage
        numbers = list(dict.fromkeys(delivery.body["user"] for delivery in deliveries))
        if self.poisoned & set(numbers):
            raise RuntimeError("Acme's plugin stumbles")
        return Page(
            records=[self.users[number] for number in numbers if number in self.users],
            deleted=[Ref("user", f"u{number}") for number in numbers if number not in self.users],
            roster=self.roster if self.roster != Roster() else None,
        )


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(number: int, id: str = "", topic: str = "user.changed", **more: Any) -> bytes:
    """What the vendor sends when a user changed."""
    told = {"account": "1", "id": id or f"e{number}", "topic": topic, "user": number, **more}
    return json.dumps(told, ensure_ascii=False).encode()
