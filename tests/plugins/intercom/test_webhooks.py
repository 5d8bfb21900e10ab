from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
import requests_mock

from core.contract.errors import Forged, Reauthorise
from core.contract.types import Delivery, Ref, WebhookRequest
from plugins.intercom.webhooks import object_id
from tests.plugins.intercom.support import URL, error_list, mocked, source

ENVIRONMENT = {"INTERCOM_CLIENT_SECRET": "new-secret, old-secret"}


def envelope(topic, item=None, **more):
    return {
        "type": "notification_event",
        "app_id": "wk9demo1",
        "data": {"type": "notification_event_data", "item": item or {}},
        "id": "notif_1",
        "topic": topic,
        "created_at": 1764000000,
        **more,
    }


def request(body, secret="old-secret", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    signature = "sha1=" + hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest()
    return WebhookRequest({"x-hub-signature": signature, **headers}, raw)


def verify(wanted, environment=ENVIRONMENT):
    return source.verify_webhook(request=wanted, environment=environment)


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
def test_a_genuine_delivery(secret):
    body = envelope("contact.user.updated", {"type": "contact", "id": "a1", "name": "Zoë"})
    delivery = verify(request(body, secret))
    assert delivery == Delivery("wk9demo1", "notif_1", "contact.user.updated", body)
    assert not delivery.ignorable


@pytest.mark.parametrize(
    "forged",
    [
        request(envelope("contact.user.updated"), "other"),
        WebhookRequest({}, json.dumps(envelope("contact.user.updated")).encode()),
        WebhookRequest({"x-hub-signature": "sha1="}, b"{}"),
        WebhookRequest({}, b"no json"),
        request(b"no json"),
        request(b"[]"),
        request({"topic": 5}),
    ],
)
def test_forged_deliveries(forged):
    with pytest.raises(Forged):
        verify(forged)


def test_without_a_secret_nothing_is_proven():
    with pytest.raises(Forged, match="INTERCOM_CLIENT_SECRET is not set"):
        verify(request(envelope("contact.user.updated"), ""), {})


def test_pings_are_answered_and_not_stored_even_unsigned():
    ping = envelope("ping", {"type": "ping"}, id=None)
    assert verify(request(ping)).ignorable
    assert verify(WebhookRequest({}, json.dumps(ping).encode()), {}).ignorable


def test_a_delivery_without_an_id_has_one_made_of_what_it_tells():
    def id_of(topic="contact.user.updated", key="a1", at=1764000000, **more):
        body = envelope(topic, {"type": "contact", "id": key}, id=None, created_at=at, **more)
        return verify(request(body)).id

    assert id_of() == id_of(delivery_attempts=2)
    assert len({id_of(), id_of("contact.deleted"), id_of(key="a2"), id_of(at=1)}) == 4


@pytest.mark.parametrize(
    ("item", "object", "key"),
    [
        ({"type": "contact", "id": "a1"}, "contact", "a1"),
        ({"type": "contact_tag", "tag": {"id": "1"}, "contact": {"id": "a1"}}, "contact", "a1"),
        ({"type": "contact_unsubscribe", "contact": {"id": "a1"}}, "contact", "a1"),
        ({"type": "company", "id": "c1"}, "company", "c1"),
        ({"company": {"id": "c1"}, "contact": {"id": "a1"}}, "company", "c1"),
        ({"company": {"id": "c1"}, "contact": {"id": "a1"}}, "contact", "a1"),
        ({"type": "conversation", "id": 512}, "conversation", "512"),
        ({"type": "conversation", "conversation_id": "512"}, "conversation", "512"),
        ({"conversation": {"model": {"id": 512}}, "contact": {}}, "conversation", "512"),
        ({"type": "conversation_part", "id": "77", "conversation_id": 512}, "conversation", "512"),
        ({"type": "conversation_part", "id": "77"}, "conversation", None),
        ({"type": "ticket", "id": "601", "ticket_id": "42"}, "ticket", "601"),
        ({"ticket": {"id": 601, "ticket_id": "42"}}, "ticket", "601"),
        ({"type": "ticket", "ticket_id": "42"}, "ticket", None),
        ({"type": "article", "id": "39"}, "article", "39"),
        ({}, "contact", None),
    ],
)
def test_ids(item, object, key):
    assert object_id(item, object) == key


def told(workspace):
    """Take all webhooks of the sandbox, as the host hands them over."""
    deliveries = [
        source.verify_webhook(
            request=WebhookRequest({name.lower(): value for name, value in sent.headers.items()}, sent.body),
            environment=workspace.account.environment,
        )
        for sent in workspace.store.webhooks.log
    ]
    workspace.store.webhooks.log.clear()
    return deliveries


def read(workspace, deliveries=None):
    deliveries = told(workspace) if deliveries is None else deliveries
    return source.read_webhooks(account=workspace.account, deliveries=deliveries)


def updated(contact):
    body = envelope("contact.user.updated", {"type": "contact", "id": contact})
    return Delivery("wk", "1", "contact.user.updated", body)


def ids(page):
    return {(record.object, record.remote_id) for record in page.records}


def test_each_object_is_fetched_once_by_id(workspace):
    store = workspace.store
    person = next(iter(workspace.everyone()))
    company = next(iter(store.companies)).fields["id"]
    for name in ("One", "Two", "Three"):
        store.update_contact(person, name=name)
    store.tag_contact(person, "8", bump=False)
    store.update_company(company, name="Renamed")
    deliveries = told(workspace)
    page = read(workspace, [*deliveries, *reversed(deliveries)])
    assert ids(page) == {("contact", person), ("company", company)}
    assert workspace.asked("GET /contacts/{id}") == 1
    assert workspace.asked("GET /companies/{id}") == 1
    contact = next(record for record in page.records if record.object == "contact")
    assert contact.values["first_name"] == "Three"
    assert store.tags["8"]["name"] in contact.tags


def test_conversation_events(workspace):
    store = workspace.store
    person = next(iter(workspace.everyone()))
    one = store.start_conversation(person, "Hello?")
    part = store.reply(one, "7001", "Hello!")
    store.note(one, "7001", "Nice")
    store.rate(one, 5, "Great")
    store.tag_conversation(one, "15")
    page = read(workspace)
    assert ids(page) == {("conversation", one)}
    (record,) = page.records
    assert {f"conversation:{one}", f"part:{part}", f"rating:{one}", f"tag:{one}:15"} <= {
        a.remote_id for a in record.activities
    }
    assert workspace.asked("GET /conversations/{id}") == 1


def test_what_is_gone(workspace):
    store = workspace.store
    first, second, third = list(workspace.everyone())[:3]
    company = next(iter(store.companies)).fields["id"]
    conversation = next(iter(store.conversations)).fields["id"]
    article = next(iter(store.articles))
    store.delete_contact(first)
    store.archive_contact(second)
    store.update_contact(third, name="Soon gone")
    store.delete_contact(third, quiet=True)
    store.delete_company(company)
    store.delete_conversation(conversation)
    store.delete_article(article)
    page = read(workspace)
    gone = {(ref.object, ref.remote_id) for ref in page.deleted}
    assert gone >= {("contact", first), ("contact", second), ("contact", third), ("company", company),
                    ("conversation", conversation), ("article", article)}  # fmt: skip
    assert not gone & ids(page)


def test_out_of_order_the_last_event_counts(workspace):
    store = workspace.store
    person = next(iter(workspace.everyone()))
    store.archive_contact(person)
    store.advance(5)
    store.unarchive_contact(person)
    deliveries = told(workspace)
    for order in (deliveries, deliveries[::-1]):
        page = read(workspace, order)
        assert ids(page) == {("contact", person)}
        assert not page.deleted


def test_a_contact_that_says_it_is_archived_is_gone():
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts/a1", json={"type": "contact", "id": "a1", "archived": True})
    page = source.read_webhooks(account=account, deliveries=[updated("a1")])
    assert page.deleted == [Ref("contact", "a1")]
    assert not page.records


def leads(workspace):
    return [key for key, contact in workspace.everyone().items() if contact.fields["role"] == "lead"]


def test_merges(workspace):
    lead, user = leads(workspace)[0], next(iter(workspace.everyone()))
    workspace.store.merge_contacts(lead, user)
    page = read(workspace)
    assert page.merged == [(Ref("contact", lead), Ref("contact", user))]
    assert ("contact", user) in ids(page)
    assert not page.deleted


def test_a_merge_that_does_not_name_its_source_is_asked_for(workspace):
    lead, user = leads(workspace)[0], list(workspace.everyone())[5]
    workspace.store.merge_contacts(lead, user)
    deliveries = told(workspace)
    for delivery in deliveries:
        delivery.body["data"]["item"].pop("merged_from", None)
    page = read(workspace, deliveries)
    assert page.merged == [(Ref("contact", lead), Ref("contact", user))]


def test_a_contact_merged_meanwhile_leads_to_its_survivor(workspace):
    first, second = leads(workspace)[:2]
    user = next(iter(workspace.everyone()))
    workspace.store.update_contact(first, name="Before")
    before = told(workspace)
    workspace.store.merge_contacts(first, second)
    workspace.store.merge_contacts(second, user)
    page = read(workspace, before)
    assert page.merged == [(Ref("contact", first), Ref("contact", user))]
    assert ids(page) == {("contact", user)}


def test_a_chain_of_merges_is_followed_and_not_for_ever():
    mocker, account = mocked()
    for number in range(9):
        mocker.get(f"{URL}/contacts/c{number}", status_code=410, json=error_list("contact_merged"),
                   headers={"Link": f'</contacts/c{number + 1}>; rel="canonical"'})  # fmt: skip
    delivery = Delivery(
        "wk", "1", "contact.user.updated", envelope("contact.user.updated", {"type": "contact", "id": "c0"})
    )
    page = source.read_webhooks(account=account, deliveries=[delivery])
    assert page.deleted == [Ref("contact", "c0")]
    assert mocker.call_count == 4


def test_attached_and_detached(workspace):
    store = workspace.store
    person = next(iter(workspace.everyone()))
    company = list(store.companies)[-1].fields["id"]
    store.attach_company(person, company, bump=False)
    page = read(workspace)
    assert {("contact", person), ("company", company)} <= ids(page)
    contact = next(record for record in page.records if record.object == "contact")
    assert Ref("company", company) in contact.organizations


def test_unknown_and_foreign_topics_are_passed_over(workspace):
    topics = ["event.created", "admin.removed_from_workspace", "job.completed", "never.seen", ""]
    deliveries = [Delivery("wk", str(n), topic, envelope(topic, {"id": 1})) for n, topic in enumerate(topics)]
    deliveries.append(Delivery("wk", "x", "contact.user.updated", {"data": None}))
    page = read(workspace, deliveries)
    assert (list(page.records), list(page.deleted), list(page.merged)) == ([], [], [])


def test_objects_that_are_not_selected_are_passed_over(workspace):
    article = next(iter(workspace.store.articles))
    workspace.store.update_article(article, title="New")
    deliveries = told(workspace)
    assert ids(read(workspace, deliveries)) == {("article", article)}
    account = replace(workspace.account, objects={"contact": None})
    assert list(source.read_webhooks(account=account, deliveries=deliveries).records) == []


def test_tickets_are_read_again(workspace):
    ticket = next(iter(workspace.store.tickets)).fields["id"]
    item = {"type": "ticket", "id": ticket, "ticket_id": "1"}
    page = read(workspace, [Delivery("wk", "1", "ticket.state.updated", envelope("ticket.state.updated", item))])
    assert ids(page) == {("ticket", ticket)}


def test_a_missing_scope_sets_its_objects_aside_and_no_others(workspace):
    store = workspace.store
    person = next(iter(workspace.everyone()))
    conversation = store.start_conversation(person, "Hello?")
    store.update_contact(person, name="New")
    store.set_plan_restricted()
    page = read(workspace)
    by_object = {record.object: record for record in page.records}
    assert by_object["contact"].values["first_name"] == "New"
    assert by_object["conversation"].remote_id == conversation
    assert "Active subscription needed" in by_object["conversation"].reason


def test_a_contact_that_intercom_refuses_is_set_aside():
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts/a1", status_code=422, json=error_list("data_invalid"))
    delivery = Delivery(
        "wk", "1", "contact.user.updated", envelope("contact.user.updated", {"type": "contact", "id": "a1"})
    )
    (refusal,) = source.read_webhooks(account=account, deliveries=[delivery]).records
    assert "data_invalid" in refusal.reason


@pytest.mark.parametrize(("topic", "type"), [("contact.user.updated", "contact"), ("company.updated", "company")])
def test_an_id_cannot_lead_elsewhere(topic, type):
    mocker, account = mocked()
    mocker.get(requests_mock.ANY, status_code=404)
    delivery = Delivery("wk", "1", topic, envelope(topic, {"type": type, "id": "../admins?x=1"}))
    source.read_webhooks(account=account, deliveries=[delivery])
    assert mocker.last_request.path.endswith("/..%2fadmins%3fx%3d1")


def test_a_dead_token_keeps_the_deliveries(workspace):
    person = next(iter(workspace.everyone()))
    workspace.store.update_contact(person, name="New")
    workspace.store.revoke_token()
    with pytest.raises(Reauthorise):
        read(workspace)
