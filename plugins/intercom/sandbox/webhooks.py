"""Webhooks as Intercom sends them: HEAD check, ping, signed bodies, one retry, 410 ends the subscription."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import requests

from plugins.intercom.sandbox.clock import Clock

USER_AGENT = "intercom-parrot-service-client/1.0"
TIMEOUT = 5.0
KEPT = 10_000


@dataclass
class Delivery:
    """One webhook, sent or not.

    Attributes:
        topic: such as `contact.user.updated`.
        envelope: the JSON document.
        body, headers: exactly what an HTTP delivery carries, signature included.
        statuses: HTTP status of each attempt, 0 where nobody answered.
    """

    topic: str
    envelope: dict[str, Any]
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)


class Webhooks:
    """The sender. Deliveries are recorded in `log` also when there is no address to send them to.

    Args:
        url: where to POST; None only records.
        secret: the app's client secret, the key of the signature.
        workspace: `app_id` of every envelope.
        clock: for the envelope's times.
    """

    def __init__(self, url: str | None, secret: str, workspace: str, clock: Clock) -> None:
        self.url, self.workspace, self.clock = url, workspace, clock
        self._secret = secret.encode()
        self.retry_seconds = 60.0
        self.disabled = False
        self.head_status: int | None = None
        self.uninstall_url: str | None = None
        self.log: deque[Delivery] = deque(maxlen=KEPT)
        self._due: list[tuple[float, int, Delivery]] = []
        self._ticket = 0
        self._busy = 0
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._session = requests.Session()

    def start(self) -> None:
        """Begin with the HEAD check and a ping, as Intercom does when an address is saved."""
        with self._wake:
            if self.url is None or self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
            self._thread.start()
        self.emit("ping", {"type": "ping", "message": "something something interzen"}, notification_id=None)

    def emit(self, topic: str, item: dict[str, Any], notification_id: str | None = "") -> Delivery:
        """Send one event. An empty id is replaced by a fresh one; None stays null, as in old topics."""
        if topic != "ping":
            self.start()
        now = self.clock.seconds()
        envelope: dict[str, Any] = {
            "type": "notification_event",
            "app_id": self.workspace,
            "data": {"type": "notification_event_data", "item": item},
            "links": {},
            "id": f"notif_{uuid.uuid4()}" if notification_id == "" else notification_id,
            "topic": topic,
            "delivery_status": "pending",
            "delivery_attempts": 1,
            "delivered_at": 0,
            "first_sent_at": now,
            "created_at": now,
            "self": None,
        }
        delivery = self._sign(Delivery(topic, envelope))
        self.log.append(delivery)
        self.send(delivery)
        return delivery

    def send(self, delivery: Delivery, delay: float = 0.0) -> None:
        """Queue a delivery, also a second time: Intercom sends duplicates."""
        if self.url is None or self.disabled:
            return
        with self._wake:
            self._ticket += 1
            heapq.heappush(self._due, (time.monotonic() + delay, self._ticket, delivery))
            self._wake.notify_all()

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until nothing is left to send at once (retries that are not due do not count)."""
        with self._wake:
            return self._wake.wait_for(self._settled, seconds)

    def uninstalled(self) -> None:
        """Tell the app's uninstall address, if it has one, that the workspace removed the app."""
        if self.uninstall_url:
            self._post(self.uninstall_url, json.dumps({"app_id": self.workspace}).encode(), {})

    def _settled(self) -> bool:
        return not self._busy and (not self._due or self._due[0][0] > time.monotonic())

    def _sign(self, delivery: Delivery) -> Delivery:
        """The signature covers the bytes as sent: unusual key order, letters beyond ASCII kept."""
        keys = sorted(delivery.envelope, key=lambda name: name[::-1])
        body = json.dumps({key: delivery.envelope[key] for key in keys}, ensure_ascii=False).encode()
        signature = hmac.new(self._secret, body, hashlib.sha1).hexdigest()
        delivery.body = body
        delivery.headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            "X-Hub-Signature": f"sha1={signature}",
        }
        return delivery

    def _run(self) -> None:
        assert self.url is not None
        try:
            self.head_status = self._session.head(self.url, timeout=TIMEOUT).status_code
        except requests.RequestException:
            self.head_status = 0
        while True:
            with self._wake:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._wake.notify_all()
                    self._wake.wait(max(0.001, self._due[0][0] - time.monotonic()) if self._due else None)
                delivery = heapq.heappop(self._due)[2]
                self._busy += 1
            try:
                self._deliver(delivery)
            finally:
                with self._wake:
                    self._busy -= 1
                    self._wake.notify_all()

    def _deliver(self, delivery: Delivery) -> None:
        if self.disabled or self.url is None:
            return
        status = self._post(self.url, delivery.body, delivery.headers)
        delivery.statuses.append(status)
        if status == 410:
            self.disabled = True
        elif not 200 <= status < 300 and delivery.envelope["delivery_attempts"] == 1:
            delivery.envelope |= {"delivery_attempts": 2, "delivery_status": "retry"}
            self.send(self._sign(delivery), self.retry_seconds)

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        try:
            return self._session.post(url, data=body, headers=headers, timeout=TIMEOUT).status_code
        except requests.RequestException:
            return 0
