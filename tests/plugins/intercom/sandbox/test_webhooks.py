from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.plugins.intercom.sandbox.conftest import Api, make


class Receiver(ThreadingHTTPServer):
    """Takes webhooks; answers what it is told to, 200 when nothing is left to say."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhooks/intercom"

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, 20), self.got
            return [json.loads(body) for method, _, body in self.got if method == "POST"]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_HEAD(self) -> None:
        self._take("HEAD", b"")

    def do_POST(self) -> None:
        self._take("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _take(self, method: str, body: bytes) -> None:
        with self.server.arrived:
            self.server.got.append((method, dict(self.headers), body))
            status = self.server.answers.pop(0) if self.server.answers and method == "POST" else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        with self.server.arrived:
            self.server.arrived.notify_all()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def wired(receiver: Receiver) -> Api:
    api = make(people=20, conversations=20, companies=4, webhook_url=receiver.url)
    api.store.webhooks.retry_seconds = 0.01
    return api


def test_first_a_head_then_a_ping_then_signed_events(wired: Api, receiver: Receiver):
    contact = wired.store.create_contact(name="Zoë 🚀", email="zoe@x.example")
    ping, event = receiver.wait_for(3)
    assert receiver.got[0][0] == "HEAD"
    assert wired.store.webhooks.head_status == 200
    assert (ping["topic"], ping["id"], ping["data"]["item"]["type"]) == ("ping", None, "ping")
    assert event["topic"] == "contact.user.created"
    assert event["app_id"] == wired.store.plan.workspace
    assert event["data"]["item"]["id"] == contact
    method, headers, body = receiver.got[2]
    expected = hmac.new(b"sandbox-secret", body, hashlib.sha1).hexdigest()
    assert (method, headers["X-Hub-Signature"]) == ("POST", f"sha1={expected}")
    assert headers["User-Agent"] == "intercom-parrot-service-client/1.0"
    assert "Zoë 🚀".encode() in body
    assert list(event) != sorted(event)
    assert next(iter(event)) != "type"


def test_a_failed_delivery_is_tried_once_more_and_then_dropped(wired: Api, receiver: Receiver):
    receiver.answers = [200, 500, 500]
    wired.store.create_contact(name="Ann")
    got = receiver.wait_for(4)
    assert [one["delivery_attempts"] for one in got[1:]] == [1, 2]
    assert [one["delivery_status"] for one in got[1:]] == ["pending", "retry"]
    assert got[1]["id"] == got[2]["id"]
    wired.store.create_contact(name="Bea")
    assert receiver.wait_for(5)[-1]["data"]["item"]["name"] == "Bea"
    assert wired.store.webhooks.settle()
    assert wired.store.webhooks.log[1].statuses == [500, 500]


def test_410_ends_the_subscription(wired: Api, receiver: Receiver):
    receiver.answers = [200, 410]
    wired.store.create_contact(name="Ann")
    receiver.wait_for(3)
    assert wired.store.webhooks.settle()
    assert wired.store.webhooks.disabled
    wired.store.create_contact(name="Bea")
    assert wired.store.webhooks.settle()
    assert len(receiver.got) == 3


def test_a_delivery_can_come_twice(wired: Api, receiver: Receiver):
    wired.store.create_contact(name="Ann")
    receiver.wait_for(3)
    wired.store.webhooks.send(wired.store.webhooks.log[-1])
    got = receiver.wait_for(4)
    assert got[1] == got[2]


def test_nobody_listening_is_no_failure_of_the_change():
    api = make(people=3, webhook_url="http://127.0.0.1:9/none")
    api.store.webhooks.retry_seconds = 0.0
    api.store.create_contact(name="Ann")
    assert api.store.webhooks.settle()
    assert api.store.webhooks.head_status == 0
    assert api.store.webhooks.log[-1].statuses == [0, 0]
    shown = api.behind("webhooks")
    assert [one["topic"] for one in shown["deliveries"]] == ["ping", "contact.user.created"]


def test_an_uninstall_address_is_told(receiver: Receiver):
    api = make(people=1)
    api.store.webhooks.uninstall_url = receiver.url
    assert api.ask("POST", "/auth/uninstall").status_code == 200
    assert receiver.wait_for(1) == [{"app_id": api.store.plan.workspace}]
    assert api.refused("GET", "/me")[0] == 401


def topics(api: Api) -> list[str]:
    return [one.topic for one in api.store.webhooks.log]


def item(api: Api, topic: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in reversed(api.store.webhooks.log) if one.topic == topic).envelope[
        "data"
    ]["item"]
    return found


def test_every_change_has_its_topic(small: Api):
    store = small.store
    lead = store.create_contact(role="lead", name="Lea")
    store.update_contact(lead, email="lea@x.example")
    store.update_contact(lead, email="lea2@x.example")
    store.tag_contact(lead, "1")
    store.untag_contact(lead, "1")
    store.sign_up_lead(lead)
    store.unsubscribe(lead)
    store.subscribe(lead)
    other = store.create_contact(role="lead", name="Leo")
    store.merge_contacts(other, lead)
    company = store.create_company("New")
    store.update_company(company, website="https://new.example")
    store.attach_company(lead, company)
    store.detach_company(lead, company)
    store.delete_company(company)
    talk = store.start_conversation(lead, "Hello")
    store.reply(talk, lead, "Anybody?")
    store.reply(talk, "7001", "Yes")
    store.note(talk, "7001", "Hm")
    store.assign(talk, admin_id="7002")
    store.snooze(talk)
    store.close(talk)
    store.reopen(talk)
    store.rate(talk, 4)
    store.tag_conversation(talk, "15")
    store.delete_conversation(talk)
    store.archive_contact(lead)
    store.unarchive_contact(lead)
    store.delete_contact(lead)
    article = store.create_article("A")
    store.update_article(article, state="draft")
    store.delete_article(article)
    store.remove_admin(store.add_admin("Ida", "ida@x.example"))
    assert topics(small) == [
        "contact.lead.created", "contact.lead.updated", "contact.lead.added_email", "contact.lead.updated",
        "contact.email.updated", "contact.lead.tag.created", "contact.lead.tag.deleted", "contact.lead.signed_up",
        "contact.unsubscribed", "contact.subscribed", "contact.lead.created", "contact.merged", "company.created",
        "company.updated", "company.contact.attached", "company.contact.detached", "company.deleted",
        "conversation.user.created", "conversation.user.replied", "conversation.admin.replied",
        "conversation.admin.noted", "conversation.admin.assigned", "conversation.admin.snoozed",
        "conversation.admin.closed", "conversation.admin.opened", "conversation.rating.added",
        "conversation_part.tag.created", "conversation.deleted", "contact.archived", "contact.unarchived",
        "contact.deleted", "article.created", "article.updated", "article.unpublished", "article.deleted",
        "admin.added_to_workspace", "admin.removed_from_workspace",
    ]  # fmt: skip
    assert item(small, "contact.merged")["merged_from"] == {"type": "contact", "id": other}
    assert item(small, "contact.deleted") == {"type": "contact", "id": lead, "external_id": None, "deleted": True}
    assert item(small, "contact.archived")["archived"] is True
    assert item(small, "conversation.deleted") == {"type": "conversation", "conversation_id": talk}
    assert item(small, "company.deleted") == {"type": "company", "id": company, "deleted": True}
    assert isinstance(item(small, "admin.removed_from_workspace")["id"], int)
    assert item(small, "contact.lead.tag.created")["tag"]["name"] == "VIP"
    assert item(small, "company.contact.attached")["contact"]["id"] == lead


def test_times_of_contacts_companies_and_articles_are_text(small: Api):
    small.store.update_contact(small.store.people.id_of(2), name="Ann")
    contact = item(small, "contact.user.updated")
    assert contact["updated_at"].endswith(".125+00:00")
    assert contact["created_at"][10] == "T"
    small.store.update_company(small.store.company_maker.id_of(2), size=4)
    company = item(small, "company.updated")
    assert (company["plan"], isinstance(company["tag_ids"], list), "tags" in company) == (None, True, False)
    small.store.update_article("4500", title="X")
    assert item(small, "article.updated")["updated_at"].endswith("Z")


def test_conversation_events_hold_only_their_part_as_plain_text(small: Api):
    talk = next(one["id"] for one in small.rows("/conversations", "conversations") if one["statistics"])
    part = small.store.reply(talk, "7001", "Tom &amp; Jerry")
    shown = item(small, "conversation.admin.replied")
    assert shown["conversation_parts"]["total_count"] == 1
    assert shown["conversation_parts"]["conversation_parts"][0]["id"] == part
    assert shown["conversation_parts"]["conversation_parts"][0]["body"] == "Tom & Jerry"
    assert isinstance(shown["updated_at"], int)
    assert all(value is None or "T" in value for name, value in shown["statistics"].items() if name.endswith("_at"))


def test_a_lost_webhook_can_be_played(small: Api):
    small.store.delete_contact(small.store.people.id_of(1), quiet=True)
    small.store.delete_conversation(small.get("/conversations")["conversations"][0]["id"], quiet=True)
    assert topics(small) == []
