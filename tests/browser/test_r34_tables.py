"""R34, R35, R36, R41 in the lists: columns of one's own, lineage, filters that are links, organizations put away."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import NARROW, faults, violations
from tests.web.factories import NOW, PASSWORD, Factory


@pytest.fixture
def people(factory: Factory) -> None:
    """Three people, and an organization of one of them."""
    source = factory.source()
    factory.field(source, "plan", "Plan")
    factory.field(source, "seats", "Seats", type="integer")
    for name, plan, seats in (("Ann", "Pro", 40), ("Bob", "Free", 7), ("Cy", "Pro", None)):
        lineage = {"*": [source.id, NOW.isoformat()], "desk.plan": [source.id, NOW.isoformat(), "Trial"]}
        fields = {"desk.plan": plan, "desk.seats": seats}
        person = factory.person(source, first_name=name, last_name="Lee", fields=fields, lineage=lineage)
        if name == "Ann":
            factory.membership(person, factory.organization(source, name="Acme Rockets"))


def names(page: Page) -> list[str]:
    return page.locator("tbody th a").all_inner_texts()


def test_r34_columns_are_chosen_by_keyboard_and_sorted_by(owner: Page, address: str, people: None):
    owner.goto(f"{address}/people/")
    columns = owner.locator("summary", has_text="Columns")
    columns.press("Enter")
    owner.keyboard.press("Escape")
    expect(owner.get_by_role("button", name="Show these")).to_be_hidden()
    expect(columns).to_be_focused()
    owner.keyboard.press("Enter")
    owner.get_by_role("searchbox", name="Search columns").press_sequentially("seat")
    expect(owner.get_by_role("checkbox", name="Phone", include_hidden=True)).to_be_hidden()
    owner.get_by_role("checkbox", name="Seats").press("Space")
    assert faults(owner) == []
    owner.get_by_role("button", name="Show these").press("Enter")
    seats = owner.get_by_role("columnheader", name="Seats")
    expect(seats.get_by_role("img", name="Front Desk")).to_be_visible()
    expect(owner.get_by_role("columnheader", name="Phone")).to_be_visible()
    seats.get_by_role("link").press("Enter")
    expect(seats).to_have_attribute("aria-sort", "ascending")
    assert names(owner) == ["Bob Lee", "Ann Lee", "Cy Lee"]
    seats.get_by_role("link").click()
    expect(seats).to_have_attribute("aria-sort", "descending")
    assert names(owner) == ["Ann Lee", "Bob Lee", "Cy Lee"]
    assert faults(owner) == []
    owner.locator("summary", has_text="Columns").click()
    owner.get_by_role("button", name="Reset").click()
    expect(seats).to_have_count(0)


def test_r35_a_value_tells_where_it_comes_from_and_what_it_was(owner: Page, address: str, people: None):
    owner.goto(f"{address}/people/?q=ann")
    owner.get_by_role("link", name="Ann Lee").click()
    button = owner.get_by_role("button", name="Where Plan comes from")
    expect(button).to_have_accessible_description("Support desk, 3 Nov 2026, was Trial")
    button.hover()
    told = owner.get_by_role("tooltip").filter(has_text="was Trial")
    expect(told).to_have_css("opacity", "1")
    assert violations(owner) == []


def test_r36_a_filter_is_a_link_that_reads_as_a_sentence_and_gives_a_file(
    owner: Page, address: str, people: None, tmp_path: Path
):
    owner.goto(f"{address}/people/")
    owner.locator("summary", has_text="Filter").click()
    owner.get_by_label("Field").select_option("Plan")
    owner.get_by_role("textbox", name="Value").fill("pro")
    assert faults(owner) == []
    owner.get_by_role("textbox", name="Value").press("Enter")
    said = owner.locator("summary", has_text="People where Plan is “pro”")
    expect(said).to_be_visible()
    assert names(owner) == ["Cy Lee", "Ann Lee"]
    link = owner.url
    with owner.expect_download() as download:
        owner.get_by_role("button", name="Export").click()
    download.value.save_as(tmp_path / "people.csv")
    with (tmp_path / "people.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["Name"] for row in csv.DictReader(file)] == ["Cy Lee", "Ann Lee"]
    owner.get_by_role("link", name="Clear filter").click()
    expect(said).to_have_count(0)
    owner.go_back()
    expect(said).to_be_visible()
    assert owner.url == link
    owner.set_viewport_size(NARROW)
    said.click()
    owner.get_by_role("button", name="Organization", exact=True).click()
    expect(owner.get_by_text("Belongs to an organization that meets")).to_be_visible()
    assert faults(owner) == []


def test_r41_an_organization_is_tagged_put_away_and_brought_back(owner: Page, address: str, people: None):
    owner.goto(f"{address}/organizations/")
    assert faults(owner) == []
    owner.get_by_role("link", name="Acme Rockets").click()
    owner.get_by_label("New tag").fill("key account")
    owner.get_by_role("button", name="Tag", exact=True).click()
    expect(owner.locator(".tags")).to_contain_text("key account")
    owner.get_by_role("button", name="Archive").click()
    expect(owner.locator(".profile-states")).to_contain_text("Archived")
    assert faults(owner) == []
    owner.get_by_role("link", name="Organizations").first.click()
    expect(
        owner.get_by_text("No organization was found").or_(owner.get_by_text("No organizations yet"))
    ).to_be_visible()
    owner.goto(f"{address}/organizations/?state=archived")
    owner.get_by_role("link", name="Acme Rockets").click()
    owner.get_by_role("button", name="Restore").click()
    expect(owner.locator(".profile-states")).to_have_count(0)


@pytest.fixture
def without_script(browser: Browser, address: str, factory: Factory) -> Iterator[Page]:
    factory.user()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/people/")
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    yield page
    context.close()


def test_r34_columns_and_filters_work_without_script(people: None, without_script: Page):
    page = without_script
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="Seats").check()
    page.get_by_role("checkbox", name="Phone", include_hidden=True).uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Seats")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Phone")).to_have_count(0)
    page.locator("summary", has_text="Filter").click()
    page.get_by_label("Field").select_option("Seats")
    page.get_by_role("button", name=re.compile("Show what fits")).click()
    page.get_by_label("Comparison").select_option("is greater than …")
    page.get_by_role("textbox", name="Value").fill("10")
    page.get_by_role("button", name="Apply filter").click()
    expect(page.locator("summary", has_text="People where Seats is greater than 10")).to_be_visible()
    assert names(page) == ["Ann Lee"]
