from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import pytest

from core.contract.errors import Refused, Restart
from core.contract.types import Partition, Record, Ref, Refusal
from plugins.base.mapping import map_each
from plugins.intercom.contact_stream import Contacts
from plugins.intercom.contacts import ContactMapper, flat
from tests.plugins.intercom.support import URL, Read, Workspace, at, error_list, mocked, read_partition, source

CONTACT = {
    "type": "contact",
    "id": "65f0a0b0c0d0e0f0a0b0c0d0",
    "external_id": "u-17",
    "role": "user",
    "email": "Mia@Example.com",
    "phone": "+491234",
    "name": "Mia Anna Berg",
    "avatar": {"type": "avatar", "image_url": "https://img.example/mia.png"},
    "owner_id": "7001",
    "unsubscribed_from_emails": True,
    "created_at": 1700000000,
    "updated_at": 1764000000,
    "last_seen_at": 1763999999,
    "language_override": None,
    "browser_language": "de",
    "location": {"type": "location", "country": "Germany", "region": "Berlin", "city": "Berlin"},
    "custom_attributes": {
        "plan": "pro",
        "role": "buyer",
        "seats": 3,
        "trial": None,
        "colours": ["red", None, 5],
        "order": {"type": "order.list", "instances": [{"id": "1"}]},
    },
    "tags": {
        "type": "list",
        "data": [{"type": "tag", "id": "8", "url": "/tags/8"}],
        "total_count": 1,
        "has_more": False,
    },
    "companies": {"type": "list", "data": [{"id": "c2"}, {"id": "c1"}], "total_count": 2, "has_more": False},
    "opted_out_subscription_types": {"type": "list", "data": [{"type": "subscription", "id": "91"}]},
    "utm_source": "ads",
}
TAGS = {"type": "list", "data": [{"type": "tag", "id": "8", "name": "VIP"}]}
SUBSCRIPTIONS = {"type": "list", "data": [{"id": 91, "default_translation": {"name": "News"}}]}


def mapped(*contacts, tags=TAGS, subscriptions=SUBSCRIPTIONS):
    mocker, account = mocked()
    for path, answer in (("tags", tags), ("subscription_types", subscriptions)):
        if answer is None:
            mocker.get(f"{URL}/{path}", status_code=403, json=error_list("forbidden"))
        else:
            mocker.get(f"{URL}/{path}", json=answer)
    return map_each("contact", contacts, ContactMapper(account, [c for c in contacts if isinstance(c, dict)]))


def test_a_contact_becomes_a_person():
    (record,) = mapped(CONTACT)
    assert isinstance(record, Record)
    assert (record.object, record.remote_id) == ("contact", CONTACT["id"])
    assert (record.created_at, record.updated_at) == (at(1700000000), at(1764000000))
    assert record.values == {
        "email": "Mia@Example.com",
        "phone": "+491234",
        "external_id": "u-17",
        "first_name": "Mia",
        "last_name": "Anna Berg",
        "country": "Germany",
        "region": "Berlin",
        "city": "Berlin",
        "language": "de",
        "avatar_url": "https://img.example/mia.png",
    }
    told = {key: value for key, value in record.fields.items() if value is not None}
    assert told == {
        "role": "user",
        "owner_id": "7001",
        "unsubscribed_from_emails": True,
        "last_seen_at": 1763999999,
        "browser_language": "de",
        "utm_source": "ads",
        "opted_out_of": ["News"],
        "custom_plan": "pro",
        "custom_role": "buyer",
        "custom_seats": 3,
        "custom_colours": ["red", "5"],
        "custom_order": '{"type": "order.list", "instances": [{"id": "1"}]}',
    }
    assert record.tags == ("VIP",)
    assert record.organizations == (Ref("company", "c2"), Ref("company", "c1"))
    assert record.permissions == {"email": False}
    assert record.payload is CONTACT


def test_a_contact_of_nothing_but_an_id():
    (record,) = mapped({"id": "a1"})
    assert set(record.values.values()) == {None}
    assert record.tags == ()
    assert record.organizations is None
    assert record.permissions == {}
    assert record.updated_at is None


def test_unsubscribed_from_sms():
    (record,) = mapped({"id": "a1", "unsubscribed_from_sms": True})
    assert record.permissions == {"sms": False}


def test_flat_values():
    assert flat([1, "a", None, True]) == ["1", "a", "true"]
    assert flat({"a": 1}) == '{"a": 1}'
    assert flat([{"a": 1}]) == '[{"a": 1}]'


def test_bad_contacts_are_refused_by_field():
    bad = [
        {**CONTACT, "id": None},
        {**CONTACT, "location": "Berlin"},
        {**CONTACT, "updated_at": "yesterday"},
        {**CONTACT, "custom_attributes": [1]},
        {**CONTACT, "companies": {"data": [{}]}},
        "no object",
    ]
    good, *refused = mapped(CONTACT, *bad)
    assert isinstance(good, Record)
    reasons = [refusal.reason for refusal in refused if isinstance(refusal, Refusal)]
    assert [reason.split(":")[0] for reason in reasons] == [
        "id", "location", "updated_at", "custom_attributes", "id", "must be an object"
    ]  # fmt: skip


@pytest.mark.parametrize("relation", ["tags", "companies", "opted_out_subscription_types"])
@pytest.mark.parametrize(
    "odd", ["text", ["x"], {"data": "text"}, {"data": ["x"]}, {"total_count": "9"}, {"has_more": True}]
)
def test_an_odd_relation_harms_no_other_contact(relation, odd):
    mocker, account = mocked()
    rows = [{"id": "1"}, {relation: odd}, {"id": "2", relation: odd}]
    mocker.get(f"{URL}/contacts", json={"data": rows})
    mocker.get(re.compile("/contacts/2/"), json={"data": []})
    mocker.get(f"{URL}/tags", json=TAGS)
    mocker.get(f"{URL}/subscription_types", json=SUBSCRIPTIONS)
    read = Read()
    read_partition(account, Partition("contact"), read)
    assert read.ids("contact")[0] == "1"
    assert len(read.refusals) + len(read.ids("contact")) == 3


def test_malformed_contacts_are_set_aside_and_the_others_come():
    workspace = Workspace(people=120, faults="malformed:0.1")
    read = workspace.read(["contact", "company", "conversation"])
    people = Counter(read.ids("contact")) + Counter(r.remote_id for r in read.refusals if r.object == "contact")
    assert people == Counter(workspace.everyone().keys())


def test_without_the_scope_for_tags_nothing_is_told_of_them():
    (record,) = mapped(CONTACT, tags=None, subscriptions=None)
    assert record.tags is None
    assert record.fields["opted_out_of"] is None


def test_a_tag_made_meanwhile_is_looked_up_again():
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", [{"json": {"data": []}}, {"json": TAGS}])
    mapper = ContactMapper(account, [{"tags": {"data": [{"id": "8"}]}}])
    assert mapper({"id": "1", "tags": {"data": [{"id": "8"}]}}).tags == ("VIP",)
    assert mapper({"id": "1", "tags": {"data": [{"id": "9"}]}}).tags == ()


def test_every_contact_comes_exactly_once_with_its_companies_and_tags():
    workspace = Workspace(people=333)
    read = workspace.read(["contact"])
    everyone = workspace.everyone()
    assert Counter(read.ids("contact")) == Counter(everyone.keys())
    assert [len(page.records) for page in read.pages] == [150, 150, 33]
    assert read.pages[0].expected == 333
    assert not read.refusals
    for record in read.records["contact"]:
        contact = everyone[record.remote_id]
        assert {ref.remote_id for ref in record.organizations or ()} == set(contact.companies)
        assert set(record.tags or ()) == {workspace.store.tags[tag]["name"] for tag, *_ in contact.tags}
        assert record.values["email"] == contact.fields["email"]
    assert any(len(contact.companies) > 10 for contact in everyone.values())
    assert any(len(contact.tags) > 10 for contact in everyone.values())


def test_reading_resumes_at_any_page_in_another_process():
    workspace = Workspace(people=333)
    (partition,) = Contacts().plan(workspace.account, None, None)
    first = source.sync(account=workspace.account, partition=partition, cursor=partition.start)
    read = Read()
    read.take(first)
    read_partition(Workspace(people=333).account, Partition("contact"), read, first.next)
    assert Counter(read.ids("contact")) == Counter(workspace.everyone().keys())


def test_changes_of_today_are_found_and_older_rows_dropped(workspace):
    store = workspace.store
    now = store.clock.seconds()
    changed = list(workspace.everyone())[3]
    store.update_contact(changed, name="New Name")
    new = store.create_contact(name="New Person", email="new@example.com")
    read = workspace.read(["contact"], since=at(now - 60))
    assert {changed, new} <= set(read.ids("contact"))
    floor = at(now - 60) - timedelta(minutes=10)
    assert all(record.updated_at >= floor for record in read.records["contact"])
    assert workspace.asked("GET /contacts") == 0
    assert read.pages[0].expected is None


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kolkata"])
def test_no_change_is_lost_in_any_time_zone(zone):
    workspace = Workspace(people=30)
    workspace.store.set_zone(zone)
    person = next(iter(workspace.everyone()))
    for _ in range(8):
        since = workspace.store.clock.seconds()
        workspace.store.update_contact(person, name=f"At {since}")
        assert person in workspace.read(["contact"], since=at(since)).ids("contact")
        workspace.store.advance(3 * 3600)


def test_a_broken_cursor_begins_again(workspace):
    with pytest.raises(Restart):
        source.sync(account=workspace.account, partition=Partition("contact"), cursor={"after": "???"})


def test_a_missing_scope_is_refused_with_its_name(workspace):
    workspace.store.drop_scope("contacts")
    with pytest.raises(Refused, match="read_contacts"):
        workspace.read(["contact"])


def test_a_contact_that_goes_while_it_is_completed_keeps_what_was_embedded():
    mocker, account = mocked()
    cut = {"data": [{"id": "c1"}], "has_more": True, "total_count": 30}
    mocker.get(f"{URL}/contacts", json={"data": [{"id": "a1", "companies": cut}], "total_count": 1, "pages": {}})
    mocker.get(f"{URL}/contacts/a1/companies", status_code=404, json=error_list("not_found", "User Not Found"))
    read = Read()
    read_partition(account, Partition("contact"), read)
    assert read.records["contact"][0].organizations == (Ref("company", "c1"),)


def test_companies_come_most_recently_seen_first():
    mocker, account = mocked()
    cut = {"data": [{"id": "c1"}], "has_more": True}
    mocker.get(f"{URL}/contacts", json={"data": [{"id": "a1", "companies": cut}]})
    rows = [{"id": "c1"}, {"id": "c2", "last_request_at": 5}, {"id": "c3", "last_request_at": 9}]
    mocker.get(f"{URL}/contacts/a1/companies", json={"data": rows, "pages": {"next": None}})
    read = Read()
    read_partition(account, Partition("contact"), read)
    assert [ref.remote_id for ref in read.records["contact"][0].organizations or ()] == ["c3", "c2", "c1"]
