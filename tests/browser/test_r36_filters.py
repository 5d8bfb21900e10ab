"""R36: the builder of filters, with all it offers, on a page that says whom the filter finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, render_template_string, request
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select

from core.app import create_app
from core.db.models import Person
from core.filters import Catalogue, FilterActivity, FilterError, FilterField, parse, where
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from core.web.builder import shown, trees
from core.web.builder.form import state
from core.web.builder.parts import Group
from core.web.database import session
from tests.browser.pages import NARROW, faults
from tests.support.serving import served
from tests.web.factories import NOW, Factory

ATTRIBUTES = {"team": FilterField("Team"), "rating": FilterField("Rating", "integer")}
CLOSED = {"desk.closed": FilterActivity("Conversation closed", "closed", None, ATTRIBUTES)}
CATALOGUE = Catalogue(
    {"first_name": FilterField("First name", column="first_name"), "desk.plan": FilterField("Plan")},
    CLOSED,
    Catalogue({"name": FilterField("Name", column="name")}, CLOSED),
)
PAGE = """{% extends "layout.html" %}
{% from "builder.html" import group with context %}
{% block head %}{% include "_htmx.html" %}{% endblock %}
{% block content %}<h1>People</h1>
<form class="stack" method="post"><input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
{{ group(shown, shown.root, "people") }}
<button class="btn btn-primary" type="submit">Filter</button></form>
<p id="sentence">{{ shown.sentence }}</p><p id="found">{{ found|join(", ") }}</p>{% endblock %}"""


def with_a_builder(app: Flask) -> Flask:
    def page() -> str:
        root = state(request.form, "people") if request.form else Group()
        found, errors = [], {}
        try:
            asked = parse(trees.tree(root, CATALOGUE), CATALOGUE)
            met = where(asked, "person", now_utc(), now_utc().tzinfo)  # type: ignore[arg-type]
            found = list(session().scalars(select(Person.first_name).where(met).order_by(Person.first_name)))
        except FilterError as error:
            told = {f"people.{at}": text for at, text in error.errors.items()}
            errors = shown.told("people", root, CATALOGUE, told, "people") if "do" not in request.form else {}
        return render_template_string(
            PAGE, shown=shown.Builder("people", CATALOGUE, root, errors), found=found, section="people"
        )

    app.add_url_rule("/filtered", "filtered", page, methods=["GET", "POST"])
    return app


@pytest.fixture
def address(mainstem: Mainstem) -> Iterator[str]:
    with served(with_a_builder(create_app(mainstem))) as address:
        yield address


@pytest.fixture
def people(factory: Factory) -> None:
    """Ann had two conversations closed by Sales, Bob one by Support; Ann and Cid belong to Acme."""
    source = factory.source()
    ann, bob, cid = (factory.person(first_name=name) for name in ("Ann", "Bob", "Cid"))
    acme = factory.organization(name="Acme")
    factory.membership(ann, acme)
    factory.membership(cid, acme)
    for person, team in ((ann, "Sales"), (ann, "Sales"), (bob, "Support")):
        factory.activity(source, person, "closed", occurred_at=NOW, attributes={"team": team})


def ask(page: Page) -> Locator:
    """Build «closed at least twice where Team is Sales, and belongs to an organization named Acme»."""
    page.get_by_role("button", name="Remove condition 1").click()
    fit(page)
    page.get_by_role("button", name="Activity").click()
    fit(page)
    row = page.get_by_role("group", name="Condition 1, on an activity")
    row.get_by_label("Activity", exact=True).select_option("Conversation closed")
    fit(page)
    row.get_by_label("How often").select_option("at least … times")
    fit(page)
    row.get_by_label("Times").fill("2")
    row.get_by_role("button", name="Attribute").click()
    fit(page)
    row.get_by_label("Field").select_option("Team")
    fit(page)
    row.get_by_label("Value").fill("sales")
    page.get_by_role("button", name="Organization").click()
    fit(page)
    organization = page.get_by_role("group", name="An organization of the person")
    organization.get_by_label("Field").select_option("Name")
    fit(page)
    organization.get_by_label("Value").fill("Acme")
    return row


def fit(page: Page) -> None:
    """Wait until what fits the choice is shown; without script a button shows it."""
    expect(page.locator(".htmx-request")).to_have_count(0)
    if (button := page.get_by_role("button", name="Show what fits")).count():
        button.click()


SENTENCE = (
    "(“Conversation closed” has occurred at least 2 times where Team is “sales”)"
    " and (belongs to an organization where Name is “Acme”)"
)


def test_r36_activities_and_organizations_are_asked_for(owner: Page, address: str, people: None):
    owner.goto(f"{address}/filtered")
    row = ask(owner)
    assert faults(owner) == []
    owner.get_by_role("button", name="Filter").click()
    expect(owner.locator("#sentence")).to_have_text(SENTENCE)
    expect(owner.locator("#found")).to_have_text("Ann")
    # By keyboard alone, on a phone: whoever was closed for no more than once.
    owner.set_viewport_size(NARROW)
    row.get_by_label("How often").focus()
    owner.keyboard.press("ArrowDown")
    fit(owner)
    expect(row.get_by_label("How often")).to_have_value("at_most")
    row.get_by_label("When").focus()
    owner.keyboard.press("m")
    expect(row.get_by_label("Days")).to_be_visible()
    owner.keyboard.press("Tab")
    owner.keyboard.press("Enter")
    expect(row.get_by_text("When: must be a whole number")).to_be_visible()
    assert faults(owner) == []
    row.get_by_label("Days").fill("1")
    row.get_by_label("Times").fill("1")
    owner.keyboard.press("Enter")
    expect(owner.locator("#found")).to_have_text("Cid")


def test_r36_it_works_without_script(browser: Browser, owner: Page, address: str, people: None):
    context = browser.new_context(java_script_enabled=False, storage_state=owner.context.storage_state())
    page = context.new_page()
    page.goto(f"{address}/filtered")
    ask(page)
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#sentence")).to_have_text(SENTENCE)
    expect(page.locator("#found")).to_have_text("Ann")
    context.close()
