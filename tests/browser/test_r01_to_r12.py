"""From the catalogue to a finished sync and back again, against the sandbox, with PostgreSQL, Valkey and a worker."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from sqlalchemy import update

from core.db.engine import writing
from core.db.models import Consent, DataSource, Draft, Person, Run, Team, User
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from plugins.intercom.sandbox import Sandbox
from tests.browser.pages import WIDE, Complaints, faults, violations
from tests.services.conftest import rows
from tests.support.serving import served
from tests.web.factories import PASSWORD, Factory

ROOT = Path(__file__).parents[2]
LONG = 60_000
STEPS = ("fields", "teams", "retention", "records", "merge", "done")


@pytest.fixture
def environ(postgres_url: str, valkey_url: str, tmp_path: Path, box: Sandbox, vendor: str) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "DATABASE_URL": postgres_url,
        "REDIS_URL": valkey_url,
        "MAINSTEM_INSTANCE": str(tmp_path / "instance"),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        **box.environment(vendor),
    }


@pytest.fixture
def mainstem(environ: dict[str, str]) -> Iterator[Mainstem]:
    opened = Mainstem.open(environ)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def address(app: Flask, mainstem: Mainstem) -> Iterator[str]:
    with served(app, int(mainstem.settings.public_url.rpartition(":")[2])) as address:
        yield address


@pytest.fixture
def worker(environ: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """One worker process."""
    with (tmp_path / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "core.cli", "worker", "-n", "1"]
        process = subprocess.Popen(command, env={**os.environ, **environ}, cwd=ROOT, stdout=log, stderr=log)
    yield
    process.terminate()
    process.wait()


def to_consent(page: Page, address: str) -> None:
    """Go from the catalogue to the vendor's page."""
    page.goto(f"{address}/sources/")
    page.get_by_role("link", name="New data source").click()
    page.get_by_role("link", name="Get started with Intercom").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Connect to"))).to_be_visible(timeout=LONG)


def connect(page: Page, address: str) -> str:
    """Consent; return the address of the wizard."""
    to_consent(page, address)
    page.get_by_role("link", name="Authorize access").click()
    page.wait_for_url("**/setup/*/fields")
    return page.url.removesuffix("/fields")


def following(page: Page, key: str) -> None:
    page.get_by_role("button", name="Next").last.click()
    page.wait_for_url(f"**/{key}")


def without_companies(page: Page) -> None:
    """Leave companies out: Intercom's scroll over them stays open for a minute, for which a second sync would wait."""
    page.get_by_role("checkbox", name="Companies").uncheck()
    following(page, "teams")


def paste(page: Page, address: str, token: str) -> None:
    page.goto(f"{address}/sources/new/intercom")
    page.get_by_text("Paste credentials instead").click()
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Connect with this").click()


# R1


def test_r1_the_catalogue_is_searched_and_shown_by_category(owner: Page, address: str, mainstem: Mainstem):
    owner.goto(f"{address}/sources/new")
    card = owner.get_by_role("listitem").filter(has=owner.get_by_role("heading", name="Intercom"))
    expect(card).to_contain_text("Imports contacts, companies, conversations")
    expect(card).to_contain_text("A paid Intercom plan")
    owner.get_by_role("link", name="Customer support").click()
    expect(card).to_be_visible()
    owner.get_by_label("Search data sources").fill("ledger")
    owner.keyboard.press("Enter")
    expect(owner.get_by_role("heading", name="Nothing matches")).to_be_visible()
    owner.get_by_role("link", name="Show all").click()
    owner.get_by_label("Search data sources").fill("conversations")
    owner.keyboard.press("Enter")
    expect(card).to_be_visible()
    expect(card.locator(".tier")).to_have_count(0)
    checks = mainstem.settings.instance / "checks"
    checks.mkdir()
    (checks / "intercom.json").write_text('{"plugin": "intercom", "tier": "excellent", "rules": []}')
    owner.reload()
    expect(card.locator(".tier")).to_have_text("Excellent")


# R2 to R5, R12, R14: the whole way


def test_r5_the_whole_wizard_by_consent_to_a_finished_sync(
    owner: Page, address: str, mainstem: Mainstem, box: Sandbox, worker: None
):
    connect(owner, address)
    expect(owner.get_by_role("heading", level=1)).to_have_text("What should come in?")
    for key in STEPS[1:]:
        following(owner, key)
    expect(owner.get_by_text("nothing was written")).to_be_visible(timeout=LONG)
    assert rows(mainstem.engine, Person) == []
    owner.get_by_role("button", name="Done, start the first sync").click()
    owner.wait_for_url("**/sources/*")
    expect(owner.get_by_text("The first sync has started")).to_be_visible()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    people = [row for row in rows(mainstem.engine, Person) if not row["stub"] and row["merged_into"] is None]
    assert people
    assert rows(mainstem.engine, Draft) == []
    assert box.store.writes == []
    # R4
    owner.goto(f"{address}/sources/new/intercom")
    expect(owner.get_by_role("alert")).to_contain_text(
        "Data source already connected: disconnect, archive and delete the existing Intercom connection first"
    )
    owner.get_by_role("link", name="Go to the existing connection").click()
    owner.wait_for_url("**/sources/*")
    expect(owner.get_by_role("heading", level=1)).to_have_text("Intercom")


def test_r2_what_it_may_modify_is_chosen_before_connecting(owner: Page, address: str, mainstem: Mainstem):
    owner.goto(f"{address}/sources/new/intercom")
    owner.get_by_text("Advanced options").click()
    owner.get_by_role("group", name="People").get_by_label("Phone").uncheck()
    owner.get_by_label("Never change a field that has a value").check()
    owner.get_by_label("Archive records that are deleted at Intercom").check()
    owner.get_by_role("button", name="Connect", exact=True).click()
    owner.get_by_role("link", name="Authorize access").click()
    owner.wait_for_url("**/fields")
    (draft,) = rows(mainstem.engine, Draft)
    options = draft["config"]["options"]
    assert (options["keep_existing_values"], options["archive_deleted"]) == (True, True)
    assert "phone" not in options["modify_fields"]
    assert "email" in options["modify_fields"]


def test_r3_a_pasted_token_opens_the_account(
    owner: Page, address: str, box: Sandbox, mainstem: Mainstem, complaints: Complaints
):
    paste(owner, address, "wrong")
    expect(owner.get_by_text("Intercom refused this access token")).to_be_visible()
    complaints.expect(400)
    assert rows(mainstem.engine, Draft) == []
    owner.get_by_label("Access token").fill(box.credentials["access_token"])
    owner.get_by_role("button", name="Connect with this").click()
    owner.wait_for_url("**/fields")


def test_r3_refusing_at_the_vendor_says_what_to_do(
    owner: Page, address: str, mainstem: Mainstem, complaints: Complaints
):
    to_consent(owner, address)
    owner.get_by_role("link", name="Cancel").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Intercom is not connected")
    expect(owner.get_by_text("connect again and allow the access")).to_be_visible()
    assert violations(owner) == []
    owner.get_by_role("link", name="Try again").click()
    owner.get_by_role("button", name="Connect", exact=True).click()
    owner.get_by_role("link", name="Authorize access").click()
    owner.wait_for_url("**/fields")
    assert len(rows(mainstem.engine, Draft)) == 1
    complaints.expect(400)


def test_r3_an_answer_that_is_used_late_foreign_or_made_up_ends_on_a_page_that_says_so(
    owner: Page,
    address: str,
    mainstem: Mainstem,
    vendor: str,
    browser: Browser,
    factory: Factory,
    complaints: Complaints,
):
    answers: list[str] = []
    owner.on("request", lambda request: answers.append(request.url) if "/callback?" in request.url else None)
    connect(owner, address)
    owner.goto(answers[0])
    expect(owner.get_by_role("heading", level=1)).to_contain_text("was used before")
    owner.goto(f"{address}/oauth/intercom/callback?code=x&state=made-up")
    expect(owner.get_by_role("heading", level=1)).to_contain_text("was not asked for")
    to_consent(owner, address)
    with writing(mainstem.engine) as connection:
        connection.execute(update(Consent).values(expires_at=now_utc()))
    owner.get_by_role("link", name="Authorize access").click()
    expect(owner.get_by_role("heading", level=1)).to_contain_text("too late")
    # Another admin, in another browser, is given the answer that belongs here.
    to_consent(owner, address)
    link = owner.get_by_role("link", name="Authorize access").get_attribute("href")
    answer = owner.request.get(f"{vendor}{link}", max_redirects=0).headers["location"]
    factory.user("eve@example.com", "admin")
    foreign = browser.new_context()
    page = foreign.new_page()
    page.goto(answer)
    page.get_by_label("Email").fill("eve@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("another browser")
    foreign.close()
    complaints.expect(400)


def test_r3_a_wrong_secret_is_told(owner: Page, address: str, vendor: str, mainstem: Mainstem, complaints: Complaints):
    mainstem.environ["INTERCOM_CLIENT_SECRET"] = "of another app"  # type: ignore[index]
    to_consent(owner, address)
    owner.get_by_role("link", name="Authorize access").click()
    expect(owner.get_by_text("the app's secret is wrong")).to_be_visible()
    complaints.expect(400)


def test_r3_r12_a_slow_vendor_is_waited_for_in_sight(owner: Page, address: str, box: Sandbox, context: BrowserContext):
    """Whom one waits for is said, nothing moves, and no button works twice; at 204 a browser stays where it is."""
    held = re.compile("/accept\\?|/refresh$")
    to_consent(owner, address)
    context.route(held, lambda route: route.fulfill(status=204))
    owner.get_by_role("link", name="Authorize access").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Back from Intercom")
    expect(owner.get_by_role("status").first).to_have_text("Waiting for Intercom: the account is opened and looked at.")
    assert faults(owner) == []
    context.unroute(held)
    owner.get_by_role("link", name="Go on").click()
    owner.wait_for_url("**/fields")
    sent: list[str] = []
    owner.on("request", lambda request: sent.append(request.url) if held.search(request.url) else None)
    context.route(held, lambda route: route.fulfill(status=204))
    again = owner.get_by_role("button", name="Look again")
    again.scroll_into_view_if_needed()
    before = again.bounding_box()
    again.dblclick()
    expect(owner.locator(".waiting-for")).to_have_text("Waiting for Intercom: what it offers is read again")
    expect(again).to_be_disabled()
    assert (len(sent), again.bounding_box()) == (1, before)
    assert faults(owner) == []
    box.app.wsgi_app.latency = 0.2  # type: ignore[attr-defined]
    owner.goto(owner.url.replace("fields", "done"))
    trial = owner.get_by_role("region", name="Trial on a sample")
    expect(trial).to_contain_text("Waiting for Intercom: a few records are read and tried")
    expect(trial).to_contain_text("nothing was written", timeout=LONG)


def test_r3_a_missing_permission_is_told_when_connecting(
    owner: Page, address: str, box: Sandbox, complaints: Complaints
):
    box.store.drop_scope("contacts")
    to_consent(owner, address)
    owner.get_by_role("link", name="Authorize access").click()
    expect(owner.get_by_text("Give the app this permission at Intercom")).to_be_visible()
    complaints.expect(400)


def test_r4_two_set_ups_of_one_account_end_with_one_connection(
    owner: Page, address: str, mainstem: Mainstem, complaints: Complaints
):
    first, second = connect(owner, address), connect(owner, address)
    owner.goto(f"{first}/done")
    owner.get_by_role("button", name="Done, start the first sync").click()
    owner.wait_for_url("**/sources/*")
    owner.goto(f"{second}/done")
    owner.get_by_role("button", name="Done, start the first sync").click()
    expect(owner.get_by_role("alert")).to_contain_text("Data source already connected")
    assert len(rows(mainstem.engine, DataSource)) == 1
    assert len(rows(mainstem.engine, Draft)) == 1
    complaints.expect(409)


# R5: leaving and coming back


def test_r5_a_set_up_is_left_and_taken_up_again_in_another_browser(
    owner: Page, address: str, browser: Browser, mainstem: Mainstem, factory: Factory
):
    connect(owner, address)
    owner.get_by_role("checkbox", name="Articles").uncheck()
    following(owner, "teams")
    owner.get_by_role("combobox", name="Role", exact=True).select_option("read_only")
    owner.get_by_role("button", name="Save and leave").click()
    owner.wait_for_url("**/sources/")
    expect(owner.get_by_text("Set-up not finished")).to_be_visible()
    factory.user("eve@example.com", "admin")
    elsewhere = browser.new_context()
    page = elsewhere.new_page()
    page.goto(f"{address}/sources/")
    page.get_by_label("Email").fill("eve@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url("**/retention")
    page.get_by_role("link", name="Teams", exact=False).filter(has_text="answered").click()
    expect(page.get_by_role("combobox", name="Role", exact=True)).to_have_value("read_only")
    page.get_by_role("link", name="Fields", exact=False).filter(has_text="answered").click()
    expect(page.get_by_role("checkbox", name="Articles")).not_to_be_checked()
    elsewhere.close()
    owner.get_by_role("link", name="Discard").click()
    owner.get_by_role("button", name="Discard").click()
    expect(owner.get_by_text("Set-up not finished")).to_have_count(0)
    assert rows(mainstem.engine, Draft) == []


def test_r5_back_reload_and_a_second_tab_lose_nothing(owner: Page, address: str, context: BrowserContext):
    wizard = connect(owner, address)
    owner.get_by_role("checkbox", name="Tickets").uncheck()
    following(owner, "teams")
    following(owner, "retention")
    owner.get_by_role("combobox", name="All activities").select_option("365")
    following(owner, "records")
    owner.go_back()
    owner.go_back()
    owner.go_back()
    owner.reload()
    expect(owner.get_by_role("checkbox", name="Tickets")).not_to_be_checked()
    other = context.new_page()
    other.goto(f"{wizard}/retention")
    expect(other.get_by_role("combobox", name="All activities")).to_have_value("365")
    other.get_by_role("combobox", name="Conversation closed are kept").select_option("ever")
    following(other, "records")
    owner.goto(f"{wizard}/retention")
    expect(owner.get_by_role("combobox", name="Conversation closed are kept")).to_have_value("ever")
    other.close()


# R6


def test_r6_fields_are_searched_ticked_together_and_show_a_sample_and_what_they_feed(
    owner: Page, address: str, mainstem: Mainstem
):
    connect(owner, address)
    contacts = owner.get_by_role("region", name="Contacts", exact=True)
    row = contacts.get_by_role("row").filter(has=owner.get_by_label("First name", exact=True))
    expect(row.get_by_role("cell").nth(1)).not_to_have_text("no value seen")
    expect(row.get_by_role("cell").last).to_have_text("First name")
    expect(contacts.get_by_role("row").filter(has_text="Custom").first).to_be_visible()
    contacts.get_by_role("button", name="Select none").click()
    expect(contacts.locator("[data-count]")).to_have_text(re.compile("^0 of"))
    owner.get_by_label("Search the fields").fill("signed")
    expect(contacts.get_by_label("Email", exact=True)).to_be_hidden()
    contacts.get_by_role("button", name="Select all").click()
    owner.get_by_label("Search the fields").fill("")
    contacts.get_by_label("Email", exact=True).check()
    expect(contacts.locator("[data-count]")).to_have_text(re.compile("^2 of"))
    following(owner, "teams")
    (draft,) = rows(mainstem.engine, Draft)
    assert draft["config"]["objects"]["contact"] == ["email", "signed_up_at"]
    assert draft["config"]["objects"]["company"] == "all"


# R7


def member(page: Page, team: str, name: str) -> Locator:
    return page.get_by_role("list", name=f"Members of {team}").get_by_label(name)


def test_r7_teams_and_members_are_chosen_each_by_itself(owner: Page, address: str, mainstem: Mainstem, worker: None):
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/teams")
    # A team without its members; members without their team; deselected in one of two teams; nobody without a team.
    for name in ("Zara Lindqvist", "Tomás Ribeiro", "Priya Raman"):
        member(owner, "Customer support", name).uncheck()
    owner.get_by_label("Billing", exact=True).uncheck()
    owner.get_by_role("checkbox", name="Luc Tremblay").uncheck()
    owner.get_by_role("combobox", name="Role", exact=True).select_option("standard")
    owner.get_by_text("Give somebody another role").click()
    owner.get_by_label("Role of Priya Raman").select_option("admin")
    following(owner, "retention")
    owner.go_back()
    expect(member(owner, "Customer support", "Priya Raman")).not_to_be_checked()
    expect(member(owner, "Billing", "Priya Raman")).to_be_checked()
    owner.goto(f"{wizard}/done")
    owner.get_by_role("button", name="Done, start the first sync").click()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    users = {row["name"]: row for row in rows(mainstem.engine, User) if row["source_id"]}
    assert "Zara Lindqvist" not in users
    assert "Luc Tremblay" not in users
    assert (users["Priya Raman"]["role"], users["Kwame Mensah"]["role"]) == ("admin", "standard")
    teams = {row["name"] for row in rows(mainstem.engine, Team)}
    assert "Customer support" in teams
    assert "Billing" not in teams


# R9


def test_r9_conditions_choose_the_records_that_come_in(
    owner: Page, address: str, mainstem: Mainstem, worker: None, complaints: Complaints
):
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/records")
    conditions = owner.locator("#builder-people")
    expect(conditions).to_be_hidden()
    owner.get_by_role("region", name="Contacts").get_by_label("Selectively sync").check()
    owner.get_by_role("button", name="Next").last.click()
    expect(conditions.get_by_text("Choose a field, or remove this condition")).to_be_visible()
    owner.wait_for_load_state()
    complaints.expect(400)
    conditions.get_by_label("Field").select_option(label="Role")
    conditions.get_by_label("Value").fill("lead")
    conditions.get_by_role("button", name="Group").click()
    conditions.get_by_role("button", name="Remove this group").click()
    expect(conditions.get_by_role("group", name="Group of conditions")).to_have_count(0)
    conditions.get_by_role("button", name="Condition", exact=True).click()
    row = conditions.get_by_role("group", name="Condition 2")
    row.get_by_label("Field").select_option(label="Signed up")
    row.get_by_label("Comparison").select_option(label="has a value")
    conditions.get_by_label("Meets").select_option("any")
    row.get_by_role("button", name="Remove condition 2").click()
    expect(row).to_have_count(0)
    assert violations(owner) == []
    following(owner, "merge")
    owner.goto(f"{wizard}/records")
    expect(conditions.get_by_label("Value")).to_have_value("lead")
    owner.goto(f"{wizard}/done")
    expect(owner.get_by_text("Only people where: Role is “lead”", exact=True)).to_be_visible()
    owner.get_by_role("button", name="Done, start the first sync").click()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    people = [row for row in rows(mainstem.engine, Person) if not row["stub"]]
    assert people
    assert {row["fields"]["intercom.role"] for row in people} == {"lead"}


# R10, R11


def test_r10_and_r11_strategy_and_merge_keys_are_chosen_in_plain_words(owner: Page, address: str, mainstem: Mainstem):
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/merge")
    people = owner.get_by_role("region", name="who is the same person?")
    expect(people.get_by_label("First merge key")).to_have_value("email")
    expect(people.get_by_label("Second merge key")).to_have_value("external_id")
    owner.get_by_label("Import and merge new records only").check()
    owner.get_by_label("Existing records only").check()
    expect(people.get_by_label("With two keys")).to_be_visible()
    people.get_by_label("Second merge key").select_option(label="None")
    expect(people.get_by_label("With two keys")).to_be_hidden()
    owner.get_by_role("region", name="which is the same organization?").get_by_label("First merge key").select_option(
        label="Domain"
    )
    following(owner, "done")
    expect(owner.get_by_text("gets values only where there are none")).to_be_visible()
    expect(owner.get_by_text("Nobody new is added.")).to_be_visible()
    (draft,) = rows(mainstem.engine, Draft)
    assert draft["config"]["merge"] == {
        "strategy": "append_only",
        "existing_only": True,
        "people": {"keys": ["email"], "mode": "any"},
        "organizations": {"keys": ["domain"], "mode": "any"},
    }


# R12


def test_r12_the_trial_shows_values_side_by_side_and_writes_nothing(
    owner: Page, address: str, mainstem: Mainstem, box: Sandbox, factory: Factory
):
    known = next(contact.fields for contact in box.store.contacts if contact.fields.get("email"))
    factory.person(None, email=known["email"].lower(), first_name="Known", last_name="Already")
    with writing(mainstem.engine) as connection:
        from core.db.bulk import table_of
        from core.db.models import Identity
        from core.pipeline.ids import identity_id

        (person,) = rows(mainstem.engine, Person)
        identity = {"kind": "person", "type": "email", "value": person["email"], "entity_id": person["id"]}
        id = identity_id("person", "email", person["email"])
        connection.execute(table_of(Identity).insert().values(id=id, **identity))
    wizard = connect(owner, address)
    owner.goto(f"{wizard}/done")
    trial = owner.locator("#trial")
    expect(trial.get_by_text("nothing was written")).to_be_visible(timeout=LONG)
    example = trial.locator("details").filter(has_text="would join who is here").first
    example.locator("summary").click()
    expect(example.get_by_role("row", name=re.compile("First name Known"))).to_be_visible()
    assert violations(owner) == []
    assert len(rows(mainstem.engine, Person)) == 1
    assert rows(mainstem.engine, DataSource) == []


# R26


def test_r26_choices_are_changed_on_the_data_sources_page(owner: Page, address: str, mainstem: Mainstem, worker: None):
    wizard = connect(owner, address)
    without_companies(owner)
    owner.goto(f"{wizard}/done")
    owner.get_by_role("button", name="Done, start the first sync").click()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    page = owner.url
    for label in ("Modifiable fields", "Fields", "Teams", "Data retention", "Select records", "Merge"):
        owner.get_by_role("link", name=label, exact=True).click()
        expect(owner.locator(".notice-warning").first).to_be_visible()
        assert violations(owner) == []
        owner.get_by_role("link", name="Cancel").click()
        owner.wait_for_url(page)
    owner.get_by_role("link", name="Data retention", exact=True).click()
    expect(owner.get_by_text("People may leave audiences and enter them again")).to_be_visible()
    owner.get_by_role("combobox", name="All activities").select_option("365")
    owner.get_by_role("button", name="Save and resync").click()
    owner.wait_for_url(page)
    expect(owner.get_by_text("Saved; a sync has started")).to_be_visible()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    owner.get_by_role("link", name="Merge", exact=True).click()
    owner.get_by_label("Import new records only").check()
    owner.get_by_role("button", name="Save").last.click()
    expect(owner.get_by_text("Keep their values")).to_be_visible()
    (source,) = rows(mainstem.engine, DataSource)
    assert source["config"]["retention"]["days"] == 365
    assert source["config"]["merge"]["strategy"] == "ignore"
    assert [row["kind"] for row in rows(mainstem.engine, Run)] == ["initial", "incremental"]


# R29


def test_r29_a_revoked_token_needs_attention_and_is_mended_by_consent(
    owner: Page, address: str, mainstem: Mainstem, box: Sandbox, worker: None
):
    wizard = connect(owner, address)
    without_companies(owner)
    owner.goto(f"{wizard}/done")
    owner.get_by_role("button", name="Done, start the first sync").click()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)
    page = owner.url
    (source,) = rows(mainstem.engine, DataSource)
    box.store.revoke_token(mainstem.vault.open(source["secrets"])["access_token"])
    owner.get_by_role("button", name="Sync now").click()
    expect(owner.locator("#run").get_by_text("Paused")).to_be_visible(timeout=LONG)
    owner.goto(page)
    expect(owner.locator(".pane").get_by_text("Needs attention")).to_be_visible()
    owner.get_by_role("link", name="Reconnect").click()
    owner.get_by_role("button", name="Reconnect", exact=True).click()
    owner.get_by_role("link", name="Authorize access").click()
    owner.wait_for_url(page)
    expect(owner.get_by_role("status").filter(has_text="Reconnected")).to_be_visible()
    expect(owner.locator(".pane").get_by_text("Connected", exact=True).first).to_be_visible()
    expect(owner.locator("#run").get_by_text("Succeeded")).to_be_visible(timeout=LONG)


# All pages of it


def test_r5_every_page_of_the_set_up_is_accessible_and_fits(owner: Page, address: str):
    for path in ("/sources/new", "/sources/new/intercom"):
        owner.goto(address + path)
        assert faults(owner) == []
    wizard = connect(owner, address)
    for key in (*STEPS, "discard", "try"):
        owner.goto(f"{wizard}/{key}")
        if key == "records":
            owner.get_by_label("Selectively sync").first.check()
        if key == "done":
            expect(owner.get_by_text("nothing was written")).to_be_visible(timeout=LONG)
        for summary in owner.locator("main summary").all():
            if summary.locator("xpath=..").get_attribute("open") is None:
                summary.click()
        assert faults(owner) == []
    owner.goto(f"{address}/sources/")
    assert faults(owner) == []


def test_r9_the_builder_works_without_script(browser: Browser, address: str, factory: Factory, box: Sandbox):
    factory.user()
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    page = context.new_page()
    page.goto(f"{address}/sources/new/intercom")
    page.get_by_label("Email").fill("olga@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Paste credentials instead").click()
    page.get_by_label("Access token").fill(box.credentials["access_token"])
    page.get_by_role("button", name="Connect with this").click()
    page.wait_for_url("**/fields")
    page.get_by_role("button", name="Select none").first.click()
    expect(page.get_by_label("Email", exact=True)).not_to_be_checked()
    page.goto(page.url.replace("fields", "records"))
    page.get_by_label("Selectively sync").first.check()
    page.get_by_label("Field").first.select_option(label="Signed up")
    page.get_by_role("button", name="Show what fits the chosen fields").first.click()
    page.get_by_label("Comparison").select_option(label="is in the last … days")
    page.get_by_role("button", name="Show what fits the chosen fields").first.click()
    page.get_by_label("Days").fill("30")
    page.get_by_role("button", name="Condition", exact=True).first.click()
    page.get_by_role("button", name="Remove condition 2").click()
    page.get_by_role("button", name="Next").last.click()
    page.wait_for_url("**/merge")
    page.goto(page.url.replace("merge", "done"))
    page.get_by_role("link", name="Try it on a sample").click()
    expect(page.get_by_text("nothing was written")).to_be_visible(timeout=LONG)
    context.close()
