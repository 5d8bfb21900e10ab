from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from core.db.engine import writing
from core.db.models import AuditEntry, Partition, Run
from core.services.mainstem import Mainstem
from tests.browser.filling import fill
from tests.browser.pages import NARROW, WIDE, Complaints, faults, violations
from tests.web.factories import PASSWORD, Factory


def test_every_page_is_accessible_and_fits(owner: Page, address: str, factory: Factory):
    for path in fill(factory).values():
        owner.goto(address + path)
        assert faults(owner) == []


def test_no_list_scrolls_sideways_up_to_the_width_of_a_tablet(owner: Page, address: str, factory: Factory):
    owner.set_viewport_size({"width": 767, "height": 900})
    for path in (*fill(factory).values(), "/users/roles", "/teams/", "/audit/"):
        owner.goto(address + path)
        wide = "[...document.querySelectorAll('.table-responsive')].filter(each => each.scrollWidth > each.clientWidth)"
        assert owner.evaluate(f"{wide}.map(each => each.ariaLabel)") == [], path


def test_empty_pages_and_the_login_are_accessible_and_fit(visitor: Page, address: str):
    assert faults(visitor) == []
    visitor.get_by_label("Email").fill("olga@example.com")
    visitor.get_by_label("Password").fill(PASSWORD)
    visitor.get_by_role("button", name="Log in").click()
    for path in ("/", "/sources/", "/people/", "/organizations/", "/teams/", "/outbox/", "/audit/"):
        visitor.goto(address + path)
        assert faults(visitor) == []


def test_a_wrong_password_keeps_the_email_and_says_what_to_do(visitor: Page, complaints: Complaints):
    visitor.get_by_label("Email").fill("olga@example.com")
    visitor.get_by_label("Password").fill("wrong")
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("alert")).to_contain_text("do not belong together")
    expect(visitor.get_by_label("Email")).to_have_value("olga@example.com")
    expect(visitor.get_by_label("Password")).to_be_focused()
    complaints.expect(401)


def test_logging_in_leads_to_the_page_that_was_asked_for(visitor: Page, address: str):
    visitor.goto(f"{address}/people/?q=ann")
    visitor.get_by_label("Email").fill("olga@example.com")
    visitor.get_by_label("Password").fill(PASSWORD)
    visitor.keyboard.press("Enter")
    visitor.wait_for_url("**/people/?q=ann")
    visitor.get_by_role("button", name="Log out").click()
    visitor.wait_for_url("**/login")


def test_a_person_is_found_and_opened_by_keyboard_alone(owner: Page, factory: Factory):
    fill(factory)
    owner.keyboard.press("Tab")
    expect(owner.get_by_role("link", name="Skip to content")).to_be_focused()
    for _ in range(4):
        owner.keyboard.press("Tab")
    expect(owner.get_by_role("link", name="People", exact=True)).to_be_focused()
    owner.keyboard.press("Enter")
    owner.wait_for_url("**/people/")
    owner.get_by_role("searchbox").focus()
    owner.keyboard.type("ann")
    owner.keyboard.press("Enter")
    owner.wait_for_url("**/people/?*q=ann*")
    owner.get_by_role("link", name="Ann Lee").focus()
    owner.keyboard.press("Enter")
    expect(owner.get_by_role("heading", level=1)).to_have_text("Ann Lee")


def test_where_a_value_comes_from_is_shown_on_hover_and_by_keyboard(owner: Page, address: str, factory: Factory):
    pages = fill(factory)
    owner.goto(address + pages["person"])
    tip = owner.get_by_role("tooltip", name="").filter(has_text="was old@example.com")
    expect(tip).to_be_hidden()
    button = owner.get_by_role("button", name="Where Email comes from")
    expect(button).to_have_accessible_description(re.compile(r"Shop, 3 Nov 2026, was old@example\.com"))
    button.focus()
    expect(tip).to_be_visible()
    owner.get_by_role("heading", level=1).click()
    expect(tip).to_be_hidden()
    button.hover()
    expect(tip).to_be_visible()


def test_the_menu_of_a_phone_opens_and_closes(owner: Page, address: str):
    owner.set_viewport_size(NARROW)
    owner.reload()
    menu = owner.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    owner.get_by_role("button", name="Menu").click()
    expect(menu).to_be_visible()
    assert violations(owner) == []
    owner.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    owner.get_by_role("button", name="Menu").click()
    owner.get_by_role("button", name="Log out").focus()
    owner.keyboard.press("Tab")
    expect(menu).to_be_hidden()
    owner.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Organizations").click()
    owner.wait_for_url("**/organizations/")


def test_the_theme_follows_the_system_until_one_is_chosen(owner: Page):
    html = owner.locator("html")
    owner.emulate_media(color_scheme="dark")
    expect(html).to_have_attribute("data-bs-theme", "dark")
    owner.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-bs-theme", "light")
    owner.get_by_role("button", name="Dark").click()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    owner.reload()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    expect(owner.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


def test_a_data_source_is_renamed_in_place(owner: Page, address: str, factory: Factory):
    source = factory.source()
    owner.goto(f"{address}/sources/{source.id}")
    owner.get_by_text("Rename").click()
    owner.get_by_label("Name", exact=True).fill("Support of Europe")
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Support of Europe")
    expect(owner.get_by_role("status").first).to_contain_text("Renamed")


def test_disconnecting_is_asked_for_and_can_be_cancelled(owner: Page, address: str, factory: Factory):
    source = factory.source()
    owner.goto(f"{address}/sources/{source.id}")
    owner.get_by_role("link", name="Disconnect").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Disconnect «Support desk»?")
    owner.get_by_role("link", name="Cancel").click()
    expect(owner.get_by_text("Connected", exact=True).first).to_be_visible()
    owner.get_by_role("link", name="Disconnect").click()
    owner.get_by_role("button", name="Disconnect").click()
    expect(owner.get_by_role("link", name="Reconnect")).to_be_visible()
    expect(owner.get_by_role("button", name="Sync now")).to_have_count(0)


def test_a_running_sync_is_followed_to_its_end(owner: Page, address: str, factory: Factory, mainstem: Mainstem):
    source = factory.source()
    run = factory.run(source, "running", started_at=datetime.now(UTC) - timedelta(minutes=1), finished_at=None)
    part = factory.partition(run, state="ready", expected=1000, counts={"contact": {"read": 250, "created": 250}})
    owner.goto(f"{address}/sources/{source.id}")
    expect(owner.locator(".run-of")).to_have_text("250 of 1,000")
    progress = owner.get_by_role("progressbar", name="Contacts")
    expect(progress).to_have_attribute("value", "250")
    assert violations(owner) == []

    with writing(mainstem.engine) as connection:
        counts = {"contact": {"read": 900, "created": 900}}
        connection.execute(update(Partition).where(Partition.id == part.id).values(counts=counts))
    expect(progress).to_have_attribute("value", "900")

    factory.person(source)
    with writing(mainstem.engine) as connection:
        connection.execute(update(Partition).where(Partition.id == part.id).values(state="done"))
        ended = {"state": "succeeded", "finished_at": datetime.now(UTC)}
        connection.execute(update(Run).where(Run.id == run.id).values(**ended))
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible()
    expect(owner.locator("#run")).not_to_have_attribute("hx-get", re.compile("."))
    expect(owner.locator("#numbers .stat").first).to_contain_text("1")


def test_when_the_session_ends_a_followed_page_goes_to_the_login(
    owner: Page, address: str, factory: Factory, complaints: Complaints
):
    source = factory.source()
    factory.run(source, "running")
    owner.goto(f"{address}/sources/{source.id}")
    owner.context.clear_cookies()
    owner.wait_for_url("**/login")
    complaints.expect(401)


def test_a_refused_record_opens_to_what_the_vendor_sent(owner: Page, address: str, factory: Factory):
    pages = fill(factory)
    owner.goto(address + pages["health"])
    payload = owner.get_by_label("What the vendor sent")
    expect(payload).to_be_hidden()
    owner.get_by_text("'x' is no email address").click()
    expect(payload).to_contain_text('"email": "x"')


@pytest.fixture
def without_script(browser: Browser, address: str, factory: Factory) -> Iterator[Page]:
    """A browser that runs no script."""
    factory.user()
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    yield context.new_page()
    context.close()


def test_all_but_live_updates_works_without_script(without_script: Page, address: str, factory: Factory):
    page, pages = without_script, fill(factory)
    page.goto(f"{address}/people/")
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("searchbox").fill("ann")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Ann Lee").click()
    expect(page.get_by_text("Changed 3 Nov 2026, 10:0").first).to_contain_text("UTC")
    page.goto(address + pages["source"])
    page.get_by_text("Rename").click()
    page.get_by_label("Name", exact=True).fill("By hand")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("By hand")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_moments_are_shown_and_days_asked_for_in_the_readers_time_zone(
    browser: Browser, address: str, factory: Factory
):
    factory.user()
    late = datetime(2026, 11, 3, 20, 30, tzinfo=UTC)
    person = factory.person(None, created_at=late)
    factory.add_all([AuditEntry(at=late, actor="ann@example.com", action="export", target="people")])
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-US")
    page = context.new_page()
    page.goto(f"{address}/people/{person.id}")
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Added 4 Nov 2026")).to_be_visible()
    page.goto(f"{address}/audit/")
    page.get_by_label("To day").fill("2026-11-03")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing was found")).to_be_visible()
    page.goto(f"{address}/audit/?since=2026-11-04&until=tomorrow&zone=Asia/Tokyo")
    expect(page.get_by_label("To day")).to_have_accessible_description("«tomorrow» is no day: write it like 2026-11-03")
    assert faults(page) == []
    page.get_by_label("To day").fill("")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_contain_text("4 Nov 2026, 05:30")
    context.close()
