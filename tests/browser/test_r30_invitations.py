"""R30: an invitation by email, from sending to the first login."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.services import mail
from core.services.mainstem import Mainstem
from tests.browser.pages import faults
from tests.support.browser import outside_requests
from tests.support.smtp import Postbox, postbox
from tests.web.factories import installation


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as opened:
        yield opened


@pytest.fixture
def mainstem(sqlite_url: str, tmp_path: Path, valkey_url: str, box: Postbox) -> Iterator[Mainstem]:
    opened = installation(sqlite_url, str(tmp_path / "instance"), REDIS_URL=valkey_url, SMTP_URL=box.url)
    yield opened
    opened.engine.dispose()


def invite(owner: Page, emails: str) -> None:
    owner.get_by_role("link", name="User management").click()
    owner.get_by_role("link", name="Add users").click()
    owner.get_by_label("Emails").fill(emails)
    owner.get_by_label("Role").select_option("Agent")
    owner.get_by_label("Agent access").check()
    owner.get_by_role("button", name="Send invitations").click()


def path_in(box: Postbox, recipient: str) -> str:
    """Where the last mail to this address leads."""
    mails = [each for each in box.mails if each["To"] == recipient]
    found = re.search(r"https?://[^/]+(/(?:accept|password)/\S+)", mails[-1].get_content())
    assert found
    return found[1]


def test_r30_from_the_invitation_to_the_first_login(
    owner: Page, address: str, mainstem: Mainstem, box: Postbox, browser: Browser
):
    invite(owner, "ann@example.com, bob@example.com")
    expect(owner.get_by_role("status")).to_contain_text("2 users are invited")
    assert mail.send_due(mainstem) == 2
    stranger = browser.new_context()
    outside = outside_requests(stranger)
    ann = stranger.new_page()
    ann.goto(address + path_in(box, "ann@example.com"))
    assert faults(ann) == []
    expect(ann.get_by_label("Email")).to_have_value("ann@example.com")
    ann.get_by_label("Name").fill("Ann Lee")
    ann.get_by_label("Password", exact=True).fill("a long password")
    ann.get_by_label("Password again").fill("another password")
    ann.get_by_role("button", name="Accept").click()
    expect(ann.get_by_text("differs from the password above")).to_be_visible()
    expect(ann.get_by_label("Name")).to_have_value("Ann Lee")
    ann.get_by_label("Password", exact=True).fill("a long password")
    ann.get_by_label("Password again").fill("a long password")
    ann.get_by_role("button", name="Accept").click()
    expect(ann.get_by_role("status")).to_contain_text("Welcome")
    expect(ann.get_by_text("Ann Lee")).to_be_visible()
    ann.goto(address + path_in(box, "ann@example.com"))
    expect(ann.get_by_role("heading", level=1)).to_contain_text("no longer valid")
    assert outside == []
    stranger.close()


def test_r31_a_forgotten_password_is_replaced_by_mail(
    owner: Page, address: str, mainstem: Mainstem, box: Postbox, browser: Browser
):
    elsewhere = browser.new_context().new_page()
    elsewhere.goto(f"{address}/login")
    elsewhere.get_by_role("link", name="Forgotten your password?").click()
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Forgotten your password?")
    assert faults(elsewhere) == []
    elsewhere.get_by_label("Email").fill("olga@nowhere")
    elsewhere.keyboard.press("Enter")
    expect(elsewhere.get_by_text("needs an address")).to_be_visible()
    assert faults(elsewhere) == []
    elsewhere.get_by_label("Email").fill("olga@example.com")
    elsewhere.keyboard.press("Enter")
    expect(elsewhere.get_by_role("status")).to_contain_text("a link is on its way")
    assert faults(elsewhere) == []
    assert mail.send_due(mainstem) == 1
    elsewhere.goto(address + path_in(box, "olga@example.com"))
    assert faults(elsewhere) == []
    elsewhere.get_by_label("New password", exact=True).fill("short")
    elsewhere.get_by_label("New password again").fill("short")
    elsewhere.get_by_role("button", name="Keep it and log in").click()
    expect(elsewhere.get_by_text("at least 10 characters").first).to_be_visible()
    elsewhere.get_by_label("New password", exact=True).fill("a quite new password")
    elsewhere.get_by_label("New password again").fill("a quite new password")
    elsewhere.get_by_role("button", name="Keep it and log in").click()
    expect(elsewhere.get_by_role("status")).to_contain_text("you are logged in")
    owner.goto(f"{address}/people/")
    expect(owner.get_by_role("heading", level=1)).to_have_text("Log in")
    elsewhere.context.close()


def test_r30_until_acceptance_only_the_invitation_can_be_changed(
    owner: Page, address: str, mainstem: Mainstem, box: Postbox, page: Page
):
    invite(owner, "ann@example.com")
    mail.send_due(mainstem)
    first = path_in(box, "ann@example.com")
    owner.get_by_role("link", name="ann@example.com").click()
    expect(owner.get_by_text("can be changed once the invitation is accepted")).to_be_visible()
    expect(owner.get_by_role("button", name="Save role")).to_have_count(0)
    assert faults(owner) == []
    owner.get_by_role("button", name="Send the invitation again").click()
    expect(owner.get_by_role("status")).to_contain_text("Invited again")
    mail.send_due(mainstem)
    assert path_in(box, "ann@example.com") != first
    owner.get_by_role("link", name="Delete").click()
    assert faults(owner) == []
    owner.get_by_role("button", name="Delete").click()
    expect(owner.get_by_role("status")).to_contain_text("The user is deleted")
    expect(owner.get_by_role("link", name="ann@example.com")).to_have_count(0)


def test_r30_the_outbox_tells_what_became_of_mail(owner: Page, mainstem: Mainstem, box: Postbox):
    box.refusals = {"ann@example.com": "550 no such user"}
    invite(owner, "ann@example.com")
    owner.get_by_role("link", name="Outbox").click()
    owner.locator("summary").click()
    expect(owner.locator("pre")).to_contain_text("/accept/")
    mail.send_due(mainstem)
    owner.reload()
    expect(owner.locator("summary")).to_contain_text("550 no such user")
    owner.locator("summary").click()
    assert faults(owner) == []
    box.refusals = {}
    owner.get_by_role("button", name="Send again").click()
    expect(owner.locator("summary")).to_contain_text("Waiting")
    mail.send_due(mainstem)
    owner.reload()
    expect(owner.locator("summary")).to_contain_text("Sent")
    assert len(box.mails) == 1
