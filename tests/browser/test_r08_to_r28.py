"""What needs neither sandbox nor worker: questions of the set-up, a slow vendor, the life of a data source."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect

from core.app import create_app
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Cursor, Partition
from core.contract.types import Page as Batch
from core.db.models import Activity, DataSource, Draft, Person
from core.host import Host
from core.services.mainstem import Mainstem
from tests.browser.pages import violations
from tests.services.conftest import rows
from tests.web.factories import Desk, Factory


class SlowDesk(Desk):
    """Gives no record before it is let."""

    def __init__(self) -> None:
        self.asked, self.let = Event(), Event()

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Batch:
        self.asked.set()
        self.let.wait()
        return Batch()


@pytest.fixture
def desk() -> SlowDesk:
    return SlowDesk()


@pytest.fixture
def app(mainstem: Mainstem, desk: SlowDesk) -> Flask:
    return create_app(Mainstem(**{**vars(mainstem), "host": Host([desk])}))


@pytest.fixture
def address(address: str, desk: SlowDesk) -> Iterator[str]:
    yield address
    # The server ends when all that was asked of it is answered.
    desk.let.set()


def connect(owner: Page, address: str) -> str:
    """Paste the token; return the address of the wizard."""
    owner.goto(f"{address}/sources/new/desk")
    owner.get_by_label("Token").fill("open")
    owner.get_by_role("button", name="Connect", exact=True).click()
    owner.wait_for_url("**/fields")
    return owner.url.removesuffix("/fields")


def test_r8_how_long_activities_are_kept_is_90_days_or_longer_for_some(owner: Page, address: str, mainstem: Mainstem):
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/retention")
    expect(owner.get_by_role("combobox", name="All activities")).to_have_value("90")
    owner.get_by_role("combobox", name="Conversation closed are kept").select_option("365")
    owner.get_by_role("button", name="Next").last.click()
    owner.wait_for_url("**/merge")
    owner.goto(f"{wizard}/done")
    expect(owner.get_by_text("90 days; Conversation closed 365 days")).to_be_visible()
    (draft,) = rows(mainstem.engine, Draft)
    assert draft["config"]["retention"] == {"days": 90, "activities": {"closed": 365}}


def test_r11_by_what_people_are_recognised_is_chosen(owner: Page, address: str, mainstem: Mainstem):
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/merge")
    people = owner.get_by_role("region", name="who is the same person?")
    people.get_by_label("First merge key").select_option(label="Phone")
    people.get_by_label("Second merge key").select_option(label="None")
    owner.get_by_role("button", name="Next").last.click()
    owner.wait_for_url("**/done")
    expect(owner.get_by_text("People are recognised by Front Desk's own id, then by Phone.")).to_be_visible()
    (draft,) = rows(mainstem.engine, Draft)
    assert draft["config"]["merge"]["people"]["keys"] == ["phone"]


def test_r12_a_slow_vendor_holds_up_nothing_and_loses_nothing(
    owner: Page, address: str, mainstem: Mainstem, desk: SlowDesk, context: BrowserContext
):
    wizard = connect(owner, address)
    owner.get_by_role("checkbox", name="Articles").uncheck()
    owner.get_by_role("button", name="Next").last.click()
    owner.wait_for_url("**/retention")
    owner.goto(f"{wizard}/done")
    trial = owner.locator("#trial")
    expect(trial.get_by_text("A few records are read and tried")).to_be_visible()
    assert desk.asked.wait(30)
    # Meanwhile everything else answers, there and in another tab, and the answers are kept.
    other = context.new_page()
    other.goto(f"{wizard}/fields")
    expect(other.get_by_role("checkbox", name="Articles")).not_to_be_checked()
    other.close()
    expect(owner.get_by_role("button", name="Done, start the first sync")).to_be_enabled()
    expect(trial.get_by_text("A few records are read and tried")).to_be_visible()
    assert violations(owner) == []
    desk.let.set()
    expect(trial.get_by_text("nothing was written")).to_be_visible()
    assert rows(mainstem.engine, DataSource) == []


def test_r28_the_whole_life_of_a_data_source(owner: Page, address: str, mainstem: Mainstem, factory: Factory):
    source = factory.source(remote_id="desk-1", secrets=mainstem.vault.seal({"token": "open"}))
    factory.activity(source, factory.person(source))
    owner.goto(f"{address}/sources/{source.id}")
    details = owner.locator(".pane")
    offered = {
        "Disconnect": "Disconnected",
        "Reconnect": "Connected",
        "disconnect again": "Disconnected",
        "Archive": "Archived",
        "Restore": "Disconnected",
        "archive again": "Archived",
    }
    for action, state in offered.items():
        name = action.removesuffix(" again").capitalize()
        details.get_by_role("link", name=name, exact=True).click()
        owner.wait_for_url(f"**/{name.lower()}")
        assert violations(owner) == []
        owner.get_by_role("main").get_by_role("button", name=name).first.click()
        expect(details.locator(".definitions").get_by_text(state, exact=True).first).to_be_visible()
        # Only what is disconnected and archived can be deleted.
        expect(details.get_by_role("link", name="Delete")).to_have_count(1 if state == "Archived" else 0)
    details.get_by_role("link", name="Delete").click()
    owner.get_by_role("main").get_by_role("button", name="Delete").click()
    owner.wait_for_url("**/sources/")
    expect(owner.get_by_text("The data source is deleted")).to_be_visible()
    assert len(rows(mainstem.engine, Person)) == len(rows(mainstem.engine, Activity)) == 1


def test_r50_new_fields_are_added_by_one_click(owner: Page, address: str, factory: Factory):
    source = factory.source(state="disconnected", config={"objects": {"contact": ["email"]}})
    factory.field(source, "email", "Email")
    factory.field(source, "plan", "Plan", is_new=True, selected=False)
    owner.goto(f"{address}/sources/{source.id}")
    expect(owner.get_by_text("1 new field at Front Desk: Plan.")).to_be_visible()
    owner.get_by_role("button", name="Add it").click()
    expect(owner.get_by_text("The fields are added")).to_be_visible()
    expect(owner.get_by_text("1 new field")).to_have_count(0)
