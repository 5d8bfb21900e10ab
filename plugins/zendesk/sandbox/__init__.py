"""A local imitation of Zendesk: a small Flask app over generated data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

import requests

from core.contract.types import SandboxOptions, WebhookRequest
from plugins.base.sandbox import TokenOffice
from plugins.zendesk.sandbox.api import make_app
from plugins.zendesk.sandbox.data import SUBDOMAIN, Data

EMAIL, TOKEN = "admin@acme.example", "zendesk-sandbox-token"
CLIENT, CLIENT_SECRET = "mainstem", "zendesk-sandbox-client-secret"
WEBHOOK_SECRET = "zendesk-sandbox-webhook-secret=="  # noqa: S105 (it protects nothing)
ACCOUNT_ID = 12514403


class ZendeskSandbox:
    """The vendor. Faults are made on the wire, by ``mainstem plugins check``; it makes none itself.

    Attributes:
        data: What it holds.
        office: Its OAuth; ``SandboxOptions.token_seconds`` lets its access tokens expire.
        app: Its API.
        credentials: What is typed in.
        searches: Paths that take a POST and change nothing at Zendesk.
    """

    credentials: Mapping[str, str] = {"subdomain": SUBDOMAIN, "email": EMAIL, "api_token": TOKEN}
    searches = frozenset({"/oauth/tokens"})

    def __init__(self, options: SandboxOptions) -> None:
        if options.faults or options.examples:
            raise ValueError("it knows no faults and no examples")
        self.data = Data(options)
        basic = base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
        self.office = TokenOffice(CLIENT_SECRET, options.token_seconds)
        self.app = make_app(self.data, options, f"Basic {basic}", self.office)
        self._webhook_url = options.webhook_url
        self.app.add_url_rule("/_sandbox/changes", view_func=self._send, methods=["POST"])

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point the plugin at this sandbox."""
        return {
            "ZENDESK_URL": url,
            "ZENDESK_CLIENT_ID": CLIENT,
            "ZENDESK_CLIENT_SECRET": CLIENT_SECRET,
            "ZENDESK_WEBHOOK_SECRETS": f"{SUBDOMAIN}={WEBHOOK_SECRET}",
        }

    def serve(self, host: str, port: int) -> None:
        """Answer until told to stop."""
        self.app.run(host, port, threaded=True)

    def deliveries(self) -> Sequence[WebhookRequest]:
        """Change something of each kind; return what Zendesk sends."""
        return [_signed(topic, subject, number) for number, (topic, subject) in enumerate(self.data.change())]

    def _send(self) -> dict[str, int]:
        """Change something and send webhooks, as ``POST /_sandbox/changes`` asks for."""
        deliveries = self.deliveries()
        for told in deliveries if self._webhook_url else ():
            requests.post(str(self._webhook_url), data=told.body, headers=dict(told.headers), timeout=10)
        return {"changes": len(deliveries)}


def _signed(topic: str, subject: str, number: int) -> WebhookRequest:
    event = {
        "type": f"zen:event-type:{topic}",
        "account_id": ACCOUNT_ID,
        "id": f"event-{subject}-{number}",
        "time": "2026-01-01T00:00:00Z",
        "zendesk_event_version": "2022-06-20",
        "subject": f"zen:{subject}",
        "detail": {"id": subject.rpartition(":")[2]},
        "event": {},
    }
    body, time = json.dumps(event).encode(), str(event["time"])
    digest = hmac.digest(WEBHOOK_SECRET.encode(), time.encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
        "X-Zendesk-Webhook-Signature-Timestamp": time,
    }
    return WebhookRequest(headers, body)
