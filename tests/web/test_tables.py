"""The lists of people and organizations: columns of one's own, filters in the address, any order, and as a file."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core.db.models import AuditEntry
from core.services import paging
from core.services.mainstem import Mainstem
from tests.web.factories import Factory
from tests.web.helpers import log_in, send, statements, text, token

PRO = {"all": [{"field": "desk.plan", "op": "is", "value": "Pro"}]}
FORM = (
    *(("filter.join", "all"), ("filter.of", "0"), ("filter.0.field", "desk.plan")),
    *(("filter.0.op", "is"), ("filter.0.value", "Pro")),
)


def filtered(tree: Any, **more: str) -> str:
    rest = "".join(f"&{key}={quote(value)}" for key, value in more.items())
    return f"?filter={quote(tree if isinstance(tree, str) else json.dumps(tree))}{rest}"


def post(client: FlaskClient, path: str, *pairs: tuple[str, str]) -> Any:
    return client.post(path, data=MultiDict([*pairs, ("csrf_token", token(client))]))


def heads(page: str) -> list[str]:
    """What the heads of a table's columns say."""
    cells = re.findall(r"<th scope=\"col\".*?</th>", page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", cell).split()) for cell in cells]


def names(page: str) -> list[str]:
    return re.findall(
        r'<a href="/(?:people|organizations)/[0-9a-f-]{36}">([^<]+)</a>(?: <span class="state|</span>)', page
    )


@pytest.fixture
def two(factory: Factory) -> None:
    source = factory.source()
    factory.field(source, "plan", "Plan")
    factory.field(source, "size", "Size", object="company", type="integer")
    ann = factory.person(source, first_name="Ann", last_name="Lee", fields={"desk.plan": "Pro"})
    factory.person(source, first_name="Bob", last_name="Ray", fields={"desk.plan": "Free"})
    acme = factory.organization(source, name="Acme", fields={"desk.size": 9})
    factory.organization(source, name="beta", fields={"desk.size": 40})
    factory.membership(ann, acme)


def test_columns_are_kept_per_user_until_they_are_reset(two: None, owner: FlaskClient, reader: FlaskClient):
    default = ["Name", "Email", "Phone", "Organizations", "Tags", "Sources", "Added"]
    assert heads(owner.get("/people/").get_data(as_text=True)) == default
    answer = post(owner, "/people/columns", ("column", "desk.plan"), ("column", "email"), ("next", "/people/?q=ann"))
    assert answer.location == "/people/?q=ann"
    page = owner.get("/people/?q=ann").get_data(as_text=True)
    assert heads(page) == ["Name", "Email", "Plan"]
    assert re.search(r'<th scope="col"[^>]*><a[^>]*><img class="vendor"[^>]* alt="Front Desk" title="Front Desk"', page)
    assert re.search(r'id="column-desk.plan" name="column" value="desk.plan" checked', page)
    assert heads(reader.get("/people/").get_data(as_text=True)) == default
    post(owner, "/organizations/columns", ("column", "desk.size"))
    assert heads(owner.get("/organizations/").get_data(as_text=True)) == ["Name", "Size"]
    assert 'data-theme="system"' in page
    post(owner, "/people/columns", ("reset", "1"))
    assert heads(owner.get("/people/").get_data(as_text=True)) == default
    assert heads(owner.get("/organizations/").get_data(as_text=True)) == ["Name", "Size"]


def test_a_filter_goes_into_the_address_and_is_read_back(two: None, owner: FlaskClient):
    leads = post(owner, "/people/?q=lee&sort=name", *FORM).location
    asked = parse_qs(urlsplit(leads).query)
    assert json.loads(asked["filter"][0]) == PRO
    assert (asked["q"], asked["sort"]) == (["lee"], ["name"])
    page = owner.get(leads)
    assert "People where Plan is “Pro”" in text(page)
    assert names(page.get_data(as_text=True)) == ["Ann Lee"]
    assert 'href="/people/?q=lee&amp;sort=name"><i class="ti ti-x"' in page.get_data(as_text=True)
    emptied = post(owner, leads, ("filter.join", "all"))
    assert "filter" not in parse_qs(urlsplit(emptied.location).query)


def test_buttons_of_the_builder_change_the_form_and_wrong_filters_are_explained(two: None, owner: FlaskClient):
    added = post(owner, "/people/", *FORM, ("do", "add:filter"))
    assert added.status_code == 200
    assert 'name="filter.1.field"' in added.get_data(as_text=True)
    assert "2 people" in text(added)
    wrong = post(owner, "/people/", ("filter.join", "all"), ("filter.of", "0"), ("filter.0.field", ""))
    assert "Choose a field, or remove this condition" in text(wrong)
    assert "This filter cannot be used yet" in text(wrong)
    long = post(owner, "/people/", *FORM[:-1], ("filter.0.value", "é" * 999))
    assert "filter" in parse_qs(urlsplit(long.location).query)
    twice = [(name.replace(".0.", ".1."), value) for name, value in FORM[2:-1]]
    pairs = (("filter.of", "1"), *twice, ("filter.0.value", "é" * 999), ("filter.1.value", "é" * 999))
    assert "Too long for an address" in text(post(owner, "/people/", *FORM[:-1], *pairs))


@pytest.mark.parametrize(
    "tree",
    [
        {"all": [{"field": "gone", "op": "is", "value": "x"}]},
        {"all": [{"field": {}, "op": "is", "value": "x"}]},
        {"all": [{"field": "email", "op": [], "value": "x"}]},
        {"activity": {}, "op": [], "when": {"op": {}}},
        {"all": 5},
        [1],
        "{",
        "[" * 5000,
    ],
)
def test_an_address_with_a_broken_filter_lists_nobody_and_says_so(two: None, owner: FlaskClient, tree: Any):
    page = owner.get(f"/people/{filtered(tree)}")
    assert page.status_code == 200
    assert "This filter cannot be used yet" in text(page)
    assert names(page.get_data(as_text=True)) == []


def test_organizations_and_people_are_filtered_by_each_other(two: None, owner: FlaskClient):
    size = {"field": "desk.size", "op": "less_than", "value": 10}
    page = owner.get(f"/organizations/{filtered(size)}")
    assert names(page.get_data(as_text=True)) == ["Acme"]
    assert "Organizations where Size is less than 10" in text(page)
    assert names(owner.get(f"/people/{filtered({'organization': size})}").get_data(as_text=True)) == ["Ann Lee"]


def test_heads_sort_both_ways_and_say_how(two: None, owner: FlaskClient):
    up = owner.get("/organizations/?sort=name&q=").get_data(as_text=True)
    assert names(up) == ["Acme", "beta"]
    assert 'aria-sort="ascending"><a class="sort" href="/organizations/?sort=-name&amp;q="' in up
    down = owner.get("/organizations/?sort=-name").get_data(as_text=True)
    assert names(down) == ["beta", "Acme"]
    assert 'aria-sort="descending"' in down
    by_size = owner.get("/organizations/?sort=-desk.size").get_data(as_text=True)
    assert names(by_size) == ["beta", "Acme"]
    assert names(owner.get("/organizations/?sort=gone").get_data(as_text=True)) == ["beta", "Acme"]


def test_too_many_to_sort_by_a_column_without_an_index(two: None, owner: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paging, "COUNT_LIMIT", 1)
    page = owner.get("/people/?sort=desk.plan")
    assert "Too many to sort by Plan: search or filter until 10,000 or fewer are left." in text(page)
    assert names(page.get_data(as_text=True)) == ["Bob Ray", "Ann Lee"]
    assert names(owner.get("/people/?sort=name").get_data(as_text=True)) == ["Ann Lee", "Bob Ray"]


def test_filters_columns_and_orders_take_no_statement_per_row(
    two: None, mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    every = [("column", key) for key in ("email", "organizations", "tags", "sources", "desk.plan", "created_at")]
    post(owner, "/people/columns", *every)
    path = f"/people/{filtered(PRO, sort='desk.plan', q='e')}"
    counted = []
    for _ in range(2):
        with statements(mainstem.engine) as sent:
            assert owner.get(path).status_code == 200
        counted.append(len(sent))
        for number in range(5):
            person = factory.person(None, first_name=f"E{number}", fields={"desk.plan": "Pro"})
            factory.tagging(person, "vip")
            factory.membership(person, factory.organization(None))
    assert counted[0] == counted[1]
    assert counted[0] <= 11


def test_what_is_filtered_is_exported_with_the_chosen_columns(
    two: None, mainstem: Mainstem, factory: Factory, owner: FlaskClient
):
    evil = factory.person(None, first_name="=1+1", last_name="Ünal", phone="+49", fields={"desk.plan": "Pro"})
    factory.tagging(evil, "a")
    factory.tagging(evil, "@b")
    post(owner, "/people/columns", *(("column", key) for key in ("phone", "tags", "desk.plan", "email_subscribed")))
    answer = send(owner, f"/people/export{filtered(PRO, sort='name')}")
    assert answer.headers["Content-Disposition"] == "attachment; filename=people.csv"
    raw = answer.get_data().decode()
    assert raw.startswith("\ufeff")
    assert list(csv.reader(StringIO(raw[1:]))) == [
        ["Name", "Phone", "Tags", "Gets email", "Plan"],
        ["'=1+1 Ünal", "+49", "'@b; a", "true", "Pro"],
        ["Ann Lee", "", "", "true", "Pro"],
    ]
    with Session(mainstem.engine) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert (entry.actor, entry.target) == ("olga@example.com", "people")
    assert entry.detail["filter"] == "Plan is “Pro”"
    assert entry.detail["columns"] == ["Name", "Phone", "Tags", "Gets email", "Plan"]


def test_a_broken_filter_exports_nobody(two: None, owner: FlaskClient):
    lines = send(owner, f"/organizations/export{filtered('{')}").get_data(as_text=True).splitlines()
    assert len(lines) == 1


@pytest.mark.parametrize(("role", "may"), [("standard", True), ("agent", False), ("read_only", False)])
def test_who_may_not_export_is_not_asked_to(two: None, app: Flask, factory: Factory, role: str, may: bool):
    client = log_in(app, factory.user("u@example.com", role).email)
    assert ("Export" in text(client.get("/people/"))) is may
    assert (send(client, "/people/export").status_code == 200) is may


def test_the_lists_are_narrowed_to_a_data_source_that_is_chosen(factory: Factory, owner: FlaskClient):
    assert "All data sources" not in text(owner.get("/people/"))
    sales, support = factory.source("Sales desk"), factory.source("Support desk")
    gone = factory.source("Old desk", "deleted")
    for source, name in ((sales, "Ann"), (support, "Bob")):
        factory.person(source, first_name=name, last_name="Lee")
        factory.organization(source, name=f"{name} Ltd")
    for path, all_of_them, chosen in (
        ("/people/", ["Bob Lee", "Ann Lee"], ["Ann Lee"]),
        ("/organizations/", ["Bob Ltd", "Ann Ltd"], ["Ann Ltd"]),
    ):
        page = owner.get(f"{path}?source=")
        assert sorted(names(page.get_data(as_text=True))) == sorted(all_of_them)
        assert "All data sources Sales desk Support desk" in text(page)
        shown = owner.get(f"{path}?source={sales.id}&sort=name").get_data(as_text=True)
        assert names(shown) == chosen
        assert f'<option value="{sales.id}" selected>Sales desk</option>' in shown
        assert shown.count('name="source"') == 1
        assert "Old desk" not in shown
        lines = send(owner, f"{path}export?source={sales.id}").get_data(as_text=True).splitlines()
        assert len(lines) == 2
        assert owner.get(f"{path}?source={gone.id}").status_code == 404
        assert owner.get(f"{path}?source=99").status_code == 404


def test_organizations_are_archived_restored_and_tagged(two: None, owner: FlaskClient, mainstem: Mainstem):
    path = re.search(r"/organizations/[0-9a-f-]{36}", owner.get("/organizations/?q=acme").get_data(as_text=True))
    assert path
    assert "Tagged" in text(send(owner, f"{path[0]}/tags", {"tag": "key  account"}, follow_redirects=True))
    page = text(send(owner, f"{path[0]}/archive", follow_redirects=True))
    assert "Archived: you can restore it" in page
    assert "key account" in page
    assert names(owner.get("/organizations/").get_data(as_text=True)) == ["beta"]
    assert "This organization is archived already" in text(send(owner, f"{path[0]}/archive", follow_redirects=True))
    send(owner, f"{path[0]}/restore")
    assert "taken away" in text(send(owner, f"{path[0]}/tags/remove", {"tag": "key account"}, follow_redirects=True))
    page = text(owner.get("/organizations/"))
    assert "Acme" in page
    assert "key account" not in page
