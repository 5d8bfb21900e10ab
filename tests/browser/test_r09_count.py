"""R9: how many records meet the conditions is told while they are built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core.app import create_app
from core.host import Host
from core.services import estimating
from core.services.mainstem import Mainstem
from tests.browser.pages import faults
from tests.support.serving import served
from tests.web.test_records_count import CountingDesk


@pytest.fixture
def desk() -> Iterator[CountingDesk]:
    made = CountingDesk()
    yield made
    made.open.set()


@pytest.fixture
def address(mainstem: Mainstem, desk: CountingDesk) -> Iterator[str]:
    with served(create_app(Mainstem(**{**vars(mainstem), "host": Host([desk])}))) as address:
        yield address


def test_r9_the_count_follows_the_conditions(
    owner: Page, address: str, desk: CountingDesk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(estimating, "PATIENCE", 0.1)
    desk.counts = {"contact": 4000}
    owner.goto(f"{address}/sources/new/desk")
    owner.get_by_label("Token").fill("open")
    owner.get_by_role("button", name="Connect").click()
    owner.wait_for_url("**/fields")
    owner.goto(owner.url.replace("fields", "records"))
    desk.open.clear()
    contacts = owner.get_by_role("region", name="Contacts")
    count = contacts.get_by_role("status")
    contacts.get_by_label("Selectively sync").check()
    expect(count).to_contain_text("once the conditions are complete")
    contacts.get_by_label("Field").select_option("Plan")
    contacts.get_by_label("Value").fill("b")
    contacts.get_by_label("Value").press("Tab")
    expect(count).to_contain_text("has not answered yet")
    assert faults(owner) == []
    desk.open.set()
    expect(count).to_contain_text("About 3,000 of 4,000 contacts")
    expect(count).to_contain_text("Plan is “b”")
    contacts.get_by_label("Comparison").select_option("is not …")
    expect(count).to_contain_text("About 1,000 of 4,000 contacts")
    assert faults(owner) == []
    contacts.get_by_role("button", name="Remove condition 1").click()
    expect(count).to_contain_text("About 4,000 of 4,000 contacts")
    contacts.get_by_label("Sync all").check()
    expect(count).to_be_hidden()
