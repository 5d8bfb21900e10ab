from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from core.db.models import Person
from core.services.mainstem import Mainstem
from tests.web.factories import NOW, Factory
from tests.web.helpers import statements, text


def test_without_people_the_table_says_where_they_come_from(owner: FlaskClient):
    assert "No people yet" in text(owner.get("/people/"))
    assert "No organizations yet" in text(owner.get("/organizations/"))


def test_a_line_shows_who_it_is_and_where_she_belongs(factory: Factory, owner: FlaskClient):
    source = factory.source()
    ann = factory.person(source, first_name="Ann", last_name="Lee", email="ann@example.com", phone="+4930123")
    for position, name in enumerate(("Acme", "Beta", "Cobalt")):
        factory.membership(ann, factory.organization(source, name=name), position)
    factory.tagging(ann, "vip")
    page = text(owner.get("/people/"))
    assert "AL Ann Lee ann@example.com +4930123 Acme , Beta +1 vip" in page
    assert "1 person" in page


def test_names_are_escaped(factory: Factory, owner: FlaskClient):
    person = factory.person(None, first_name="<script>alert(1)</script>", last_name="")
    for path in ("/people/", f"/people/{person.id}"):
        assert "<script>alert" not in owner.get(path).get_data(as_text=True)


def test_values_of_fields_that_are_no_longer_imported_say_so(factory: Factory, owner: FlaskClient):
    source = factory.source()
    for key, feeds in (("plan", None), ("tel", "phone"), ("mail", "email")):
        factory.field(source, key, key.title(), feeds=feeds, selected=key == "mail")
    factory.field(source, "email", "Email", object="company", feeds="email", selected=False)
    values = {"phone": "+4930123", "email": "ann@example.com", "last_name": "Lee"}
    ann = factory.person(source, **values, fields={"desk.plan": "Pro", "desk.tier": "A"})
    page = text(owner.get(f"/people/{ann.id}"))
    assert re.findall(r"(\S+) no longer imported", page) == ["+4930123", "Pro"]


def test_stubs_and_merged_people_are_shown_nowhere(factory: Factory, owner: FlaskClient):
    survivor = factory.person(None)
    stub = factory.person(None, stub=True, email="stub@example.com")
    merged = factory.person(None, merged_into=survivor.id, email="merged@example.com")
    page = text(owner.get("/people/?state=all"))
    assert "1 person found" in page
    for person in (stub, merged):
        assert owner.get(f"/people/{person.id}").status_code == 404


def test_archived_people_are_listed_when_asked_for(factory: Factory, owner: FlaskClient):
    factory.person(None, first_name="Active", last_name="One")
    factory.person(None, first_name="Archived", last_name="Two", archived_at=NOW)
    assert "Archived Two" not in text(owner.get("/people/"))
    assert "Archived Two Archived" in text(owner.get("/people/?state=archived"))
    assert "2 people found" in text(owner.get("/people/?state=all"))
    assert owner.get("/people/?state=dead").status_code == 404


def test_pages_lead_through_all_people_and_back(factory: Factory, owner: FlaskClient):
    factory.add_all(
        [
            Person(
                id=uuid4(), email=f"p{number:03}@example.com", email_subscribed=True, sms_subscribed=False, fields={},
                lineage={}, stub=False, created_at=NOW + timedelta(minutes=number // 3), updated_at=NOW,
            )
            for number in range(120)
        ]
    )  # fmt: skip
    seen: list[list[str]] = []
    path: str | None = "/people/?state=active"
    while path:
        page = owner.get(path).get_data(as_text=True)
        seen.append(re.findall(r'class="clip" title="[^"]+">(p\d+@example.com)', page))
        link = re.search(r'rel="next" href="([^"]+)"', page)
        path = link[1].replace("&amp;", "&") if link else None
    assert [len(emails) for emails in seen] == [50, 50, 20]
    everyone = [email for emails in seen for email in emails]
    assert len(set(everyone)) == 120
    back = re.search(r'rel="prev" href="([^"]+)"', page)
    assert back
    before = owner.get(back[1].replace("&amp;", "&")).get_data(as_text=True)
    assert re.findall(r'class="clip" title="[^"]+">(p\d+@example.com)', before) == seen[1]


@pytest.mark.parametrize("cursor", ["x", "after_1_zz", "after_-99999999999999999_" + "0" * 32, "after_1"])
def test_a_malformed_cursor_is_no_page(owner: FlaskClient, cursor: str):
    assert owner.get(f"/people/?page={cursor}").status_code == 404


def test_tables_take_the_same_statements_for_few_rows_and_for_many(
    mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    source = factory.source()

    def add() -> None:
        person, organization = factory.person(source), factory.organization(source)
        factory.membership(person, organization)
        factory.tagging(person, "vip")
        factory.tagging(organization, "key")

    add()
    for path in ("/people/?q=person&state=all", "/organizations/?q=company"):
        with statements(mainstem.engine) as few:
            owner.get(path)
        for _ in range(7):
            add()
        with statements(mainstem.engine) as many:
            owner.get(path)
        assert len(many) == len(few), path


def test_a_persons_page_shows_fields_by_source_with_their_lineage(factory: Factory, owner: FlaskClient):
    source = factory.source("Support desk")
    second = factory.source("Sales desk")
    factory.field(source, "plan", "Subscription plan")
    factory.field(source, "seats", "Seats", type="integer")
    factory.field(source, "signed_up", "Signed up", type="datetime")
    person = factory.person(
        source,
        first_name="Ann",
        email="new@example.com",
        fields={
            "city": "Berlin",
            "desk.plan": "Pro",
            "desk.seats": 12000,
            "desk.signed_up": "2025-03-04T11:12:13Z",
            "desk.vip": True,
            "desk.languages": ["de", "en"],
        },
        lineage={
            "*": [source.id, "2026-11-01T10:00:00Z"],
            "email": [second.id, "2026-11-03T10:00:00Z", "old@example.com"],
            "desk.plan": [source.id, "2026-11-02T10:00:00Z", "Free"],
            "city": [None, "2026-11-04T10:00:00Z"],
            "first_name": [999, "2026-11-05T10:00:00Z"],
        },
    )
    page = text(owner.get(f"/people/{person.id}"))
    assert "Email new@example.com Where Email comes from Sales desk, 3 Nov 2026 , was old@example.com" in page
    assert "Subscription plan Pro Where Subscription plan comes from Support desk, 2 Nov 2026 , was Free" in page
    assert "City Berlin Where City comes from Changed here, 4 Nov 2026" in page
    assert "First name Ann Where First name comes from A deleted data source, 5 Nov 2026" in page
    assert "Seats 12,000" in page
    assert "Signed up 4 Mar 2025, 11:12 UTC" in page
    assert "Vip Yes" in page
    assert "Languages de en" in page
    assert "Phone – External id –" in page
    assert page.index("Details") < page.index("Front Desk")


def test_a_persons_page_shows_organizations_tags_and_identities(factory: Factory, owner: FlaskClient):
    source = factory.source()
    person = factory.person(source)
    factory.membership(person, factory.organization(source, name="Second"), 1)
    factory.membership(person, factory.organization(source, name="First", domain="first.example"), 0)
    factory.membership(person, factory.organization(source, name="Stub", stub=True), 2)
    factory.tagging(person, "vip")
    factory.identity(person, "email", "other@example.com")
    factory.link(source, person.id, "contact", "66f1a2", deleted_at=NOW)
    page = text(owner.get(f"/people/{person.id}"))
    assert "Organizations F First first.example S Second" in page
    assert "Stub" not in page
    assert "Tags vip" in page
    assert "Email other@example.com" in page
    assert "Support desk, contacts 66f1a2 deleted there 3 Nov 2026" in page


def test_activities_come_newest_first_with_what_was_said(factory: Factory, owner: FlaskClient):
    source = factory.source()
    person, other = factory.person(source), factory.person(source, first_name="Bob", last_name="Ray")
    attributes = {
        "subject": "Invoice",
        "text": "A longer text that deserves to be quoted, as it is what was said.",
        "rating": None,
        "team": "Sales",
        "team_id": "9001",
        "ticket_id": "77",
        "url": "https://desk.example/tickets/77",
        "part_type": "closed_by_workflow",
    }
    factory.activity(source, person, "replied", attributes={"text": "<b>x</b>" * 200, "url": "javascript:alert(1)"})
    factory.activity(source, person, "started", attributes=attributes)
    factory.activity(source, person, "closed")
    shared = factory.activity(source, other, "replied")
    factory.participant(shared, person)
    response = owner.get(f"/people/{person.id}")
    page = text(response)
    places = [page.index(label) for label in ("Replied · Bob Ray", "Conversation closed", "Conversation started")]
    assert places == sorted(places)
    assert "Subject Invoice" in page
    assert "Rating" not in page
    html = response.get_data(as_text=True)
    assert '<blockquote aria-label="What was said">A longer text' in html
    assert '<a href="https://desk.example/tickets/77" rel="noopener noreferrer"' in html
    assert "Part type closed by workflow" in page
    assert "Team Sales" in page
    assert not any(hidden in page for hidden in ("9001", "Ticket id", "javascript"))
    assert "<b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" * 10 in html
    assert "ti-message-plus" in response.get_data(as_text=True)


def test_activities_are_paged_and_take_the_same_statements(mainstem: Mainstem, factory: Factory, owner: FlaskClient):
    source = factory.source()
    person = factory.person(source, fields={"desk.plan": "Pro"})
    factory.activity(source, person, attributes={"number": "first"})
    with statements(mainstem.engine) as few:
        owner.get(f"/people/{person.id}")
    for number in range(30):
        factory.activity(source, person, attributes={"number": f"n{number}."})
        factory.tagging(person, f"tag{number}")
    with statements(mainstem.engine) as many:
        page = owner.get(f"/people/{person.id}").get_data(as_text=True)
    assert len(many) == len(few)
    assert "n29." in page
    assert "n4." not in page
    older = re.search(r'rel="next" href="([^"]+)#activities"', page)
    assert older
    assert "n4." in text(owner.get(older[1]))


def test_an_organizations_page_shows_its_people_and_activities(factory: Factory, owner: FlaskClient):
    source = factory.source()
    acme = factory.organization(source, name="Acme", domain="acme.example", fields={"desk.size": 40})
    members = [factory.person(source) for _ in range(12)]
    for person in members:
        factory.membership(person, acme)
    factory.activity(source, members[0], "closed", organization_id=acme.id)
    page = text(owner.get(f"/organizations/{acme.id}"))
    assert "Size 40" in page
    assert "People 12" in page
    assert "All 12 people" in page
    assert f"Conversation closed · {members[0].first_name} {members[0].last_name}" in page
    table = text(owner.get(f"/people/?organization={acme.id}"))
    assert "12 people found" in table
    assert "In Acme" in table
    row = text(owner.get("/organizations/"))
    assert "A Acme acme.example 12" in row


def test_a_member_by_two_objects_is_shown_and_counted_once(factory: Factory, owner: FlaskClient):
    acme, person = factory.organization(None, name="Acme"), factory.person(None)
    factory.membership(person, acme)
    factory.membership(person, acme)
    assert "company1.example 1 " in text(owner.get("/organizations/"))
    assert text(owner.get(f"/people/{person.id}")).count("A Acme") == 1


def test_unknown_ids_are_no_pages(owner: FlaskClient):
    for path in (
        f"/people/{uuid4()}",
        f"/organizations/{uuid4()}",
        f"/people/?organization={uuid4()}",
        "/people/?organization=1",
    ):
        response = owner.get(path)
        assert response.status_code == 404
        assert "To the home page" in text(response)
