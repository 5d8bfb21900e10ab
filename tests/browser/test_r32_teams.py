"""R32: teams and members."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.pages import faults
from tests.web.factories import Factory


def test_r32_a_team_is_made_filled_renamed_and_deleted(owner: Page, address: str, factory: Factory):
    factory.user("ann@example.com", "agent", name="Ann Lee")
    owner.get_by_role("link", name="Teams and members").click()
    expect(owner.get_by_role("heading", name="No team yet")).to_be_visible()
    for name in ("Help", "Sales"):
        owner.goto(f"{address}/teams/")
        owner.get_by_label("New team").fill(name)
        owner.get_by_role("button", name="Make team").click()
    owner.get_by_label("Add").select_option("Ann Lee")
    owner.get_by_role("button", name="Add member").click()
    expect(owner.locator("tbody tr")).to_contain_text("Ann Lee")
    owner.get_by_label("Name").fill("Help")
    owner.get_by_role("button", name="Rename").click()
    expect(owner.get_by_role("alert")).to_contain_text("already a team «Help»")
    owner.get_by_label("Name").fill("Sales north")
    owner.get_by_role("button", name="Rename").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Sales north")
    assert faults(owner) == []
    owner.get_by_role("button", name="Remove Ann Lee").click()
    expect(owner.get_by_role("heading", name="Nobody is in this team")).to_be_visible()
    owner.get_by_role("link", name="Delete").click()
    owner.get_by_label("Its conversations go to").select_option("Help")
    assert faults(owner) == []
    owner.get_by_role("button", name="Delete team").click()
    expect(owner.get_by_text("its conversations went to")).to_be_visible()
    assert faults(owner) == []
