"""R31: user management."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import faults
from tests.web.factories import PASSWORD, Factory


def open_user(owner: Page, address: str, name: str) -> None:
    owner.goto(f"{address}/users/")
    owner.get_by_role("link", name=name).click()


def test_r31_role_teams_revoke_and_reactivate(owner: Page, address: str, factory: Factory):
    factory.user("ann@example.com", "agent", name="Ann Lee")
    owner.goto(f"{address}/teams/")
    owner.get_by_label("New team").fill("Help")
    owner.get_by_role("button", name="Make team").click()
    open_user(owner, address, "Ann Lee")
    owner.get_by_role("combobox", name="Role").select_option("Admin")
    owner.get_by_role("button", name="Save role").click()
    expect(owner.get_by_role("status")).to_be_focused()
    expect(owner.locator(".profile-head")).to_contain_text("Admin")
    owner.get_by_label("Help").check()
    owner.get_by_role("button", name="Save teams").click()
    expect(owner.get_by_label("Help")).to_be_checked()
    assert faults(owner) == []
    owner.get_by_role("link", name="Revoke access").click()
    owner.get_by_role("button", name="Revoke access").click()
    expect(owner.locator(".profile-states")).to_contain_text("Revoked")
    owner.get_by_role("button", name="Reactivate").click()
    expect(owner.locator(".profile-states")).to_contain_text("Active")


def test_r31_the_list_is_filtered(owner: Page, address: str, factory: Factory):
    factory.user("ann@example.com", "agent", name="Ann Lee")
    factory.user("bob@example.com", "agent", name="Bob", state="revoked")
    owner.goto(f"{address}/users/")
    owner.get_by_label("Role").select_option("Agent")
    owner.get_by_label("State").select_option("Active")
    owner.get_by_role("button", name="Search").click()
    expect(owner.locator("tbody tr")).to_have_count(1)
    expect(owner.locator("tbody tr")).to_contain_text("Ann Lee")
    owner.get_by_role("searchbox", name="Name or email").fill("olga")
    owner.keyboard.press("Enter")
    expect(owner.get_by_role("heading", name="Nobody was found")).to_be_visible()
    assert faults(owner) == []


def test_r31_ownership_is_handed_over(owner: Page, address: str, factory: Factory):
    factory.user("ann@example.com", "admin", name="Ann Lee")
    open_user(owner, address, "Ann Lee")
    owner.get_by_role("link", name="Make owner").click()
    expect(owner.get_by_role("heading", level=1)).to_contain_text("Make Ann Lee the owner?")
    owner.get_by_role("button", name="Make owner").click()
    expect(owner.get_by_role("status")).to_contain_text("you are an admin now")
    expect(owner.locator(".me-name")).to_contain_text("Admin")
    expect(owner.locator(".profile-head")).to_contain_text("Owner")
    expect(owner.get_by_role("link", name="Revoke access")).to_have_count(0)


def test_r31_the_roles_are_explained_on_one_page(owner: Page, address: str):
    owner.goto(f"{address}/users/")
    owner.get_by_role("link", name="Roles").click()
    owner.wait_for_url(f"{address}/users/roles")
    row = owner.get_by_role("row", name="Hand over ownership")
    assert [cell.split()[-1] for cell in row.get_by_role("cell").all_inner_texts()] == ["Yes", "No", "No", "No", "No"]
    assert faults(owner) == []


def test_r31_whoever_only_reads_sees_no_way_to_change(browser: Browser, address: str, factory: Factory):
    factory.user("rea@example.com", "read_only", name="Rea")
    person = factory.person(factory.source())
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/login")
    page.get_by_label("Email").fill("rea@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/")
    for path in ("/users/", "/teams/", f"/people/{person.id}", "/sources/"):
        page.goto(address + path)
        buttons = page.locator("main").get_by_role("button")
        said = {text.strip() for text in buttons.all_inner_texts()}
        assert {text for text in said if not text.startswith("Where ")} <= {"Filter", "Search", ""}, path
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
    assert page.goto(f"{address}/audit/").status == 403  # type: ignore[union-attr]
    context.close()
