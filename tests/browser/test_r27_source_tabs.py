"""R27: the tabs of a data source; R50: the log of a run; and the first page."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.pages import NARROW, WIDE, faults
from tests.web.factories import Factory

TOP = "it => it.getBoundingClientRect().top"


def test_r27_activity_and_audience(owner: Page, address: str, factory: Factory):
    source = factory.source()
    ann = factory.person(source, first_name="Ann", last_name="Lee", email=f"{'a' * 40}@example.com")
    now = datetime.now(UTC)
    for number in range(30):
        attributes = {"subject": f"Question {number}"}
        factory.activity(source, ann, occurred_at=now - timedelta(minutes=number), attributes=attributes)
    factory.activity(source, ann, occurred_at=now - timedelta(days=8), attributes={"subject": "Long ago"})
    owner.goto(f"{address}/sources/{source.id}")
    owner.get_by_role("link", name="Activity", exact=True).click()
    expect(owner.locator(".timeline li")).to_have_count(25)
    expect(owner.locator(".timeline li").first).to_contain_text("Question 0")
    assert faults(owner) == []
    owner.get_by_role("link", name="Older").click()
    expect(owner.locator(".timeline li")).to_have_count(5)
    expect(owner.get_by_text("Long ago")).to_have_count(0)
    owner.get_by_role("link", name="Ann Lee").first.click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Ann Lee")
    owner.goto(f"{address}/sources/{source.id}/audience")
    expect(owner.locator("tbody tr")).to_have_count(1)
    assert faults(owner) == []
    owner.set_viewport_size(WIDE)
    assert owner.get_by_role("region", name="Table of people").evaluate("it => it.scrollWidth <= it.clientWidth")
    owner.set_viewport_size(NARROW)
    tabs = owner.get_by_role("navigation", name="Pages of this data source")
    assert tabs.evaluate(TOP) < owner.get_by_role("region", name="Change").evaluate(TOP)
    owner.get_by_role("link", name="Settings").click()
    owner.wait_for_url(f"{address}/sources/{source.id}#settings")
    expect(owner.get_by_role("region", name="Settings")).to_be_in_viewport()


def test_r26_what_can_be_changed_is_no_longer_than_the_page(owner: Page, address: str, factory: Factory):
    source = factory.source()
    factory.partition(factory.run(source))
    owner.set_viewport_size(WIDE)
    owner.goto(f"{address}/sources/{source.id}")
    change, settings = (owner.get_by_role("region", name=name).bounding_box() for name in ("Change", "Settings"))
    assert change
    assert settings
    assert change["y"] + change["height"] < settings["y"] + settings["height"]
    assert change["x"] + change["width"] < settings["x"]


def test_r50_the_log_of_a_run_is_a_file(owner: Page, address: str, factory: Factory):
    source = factory.source()
    run = factory.run(source, "partial")
    factory.partition(run, counts={"contact": {"read": 3, "created": 2, "rejected": 1}})
    factory.refused(source, "email: 'x' is no email address", run_id=run.id, remote_id="=1+1")
    owner.goto(f"{address}/sources/{source.id}/health")
    with owner.expect_download() as waiting:
        owner.get_by_role("link", name=f"Log of run {run.id} as CSV").click()
    with Path(waiting.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {row["outcome"]: row["count"] for row in rows if not row["remote_id"]}
    assert (counts["read"], counts["created"], counts["rejected"]) == ("3", "2", "1")
    assert [(row["remote_id"], row["reason"]) for row in rows if row["remote_id"]] == [
        ("'=1+1", "email: 'x' is no email address")
    ]
    with owner.expect_download() as waiting:
        owner.get_by_role("link", name=f"Log of run {run.id} as JSON").click()
    told = json.loads(Path(waiting.value.path()).read_text())
    assert told["status"] == "partial"
    assert told["log"][-1]["outcome"] == "refused"


def test_home_tells_what_needs_attention_and_leads_there(owner: Page, address: str, factory: Factory):
    source = factory.source()
    tired = factory.source("Shop", "needs_attention", error="Front Desk refused this token")
    factory.run(source, "running")
    factory.refused(source, "odd")
    now = datetime.now(UTC)
    factory.activity(source, factory.person(source, created_at=now), occurred_at=now)
    factory.user("ann@example.com", "agent", state="invited")
    owner.goto(f"{address}/")
    matters = owner.get_by_role("region", name="Needs attention")
    expect(matters.get_by_role("listitem")).to_have_count(4)
    expect(matters).to_contain_text("1 record of Support desk was refused")
    expect(matters).to_contain_text("The plugin Broken is broken")
    expect(matters).to_contain_text("1 invited user has not accepted yet")
    expect(owner.get_by_role("region", name="Syncs at work")).to_contain_text("Support desk")
    assert faults(owner) == []
    matters.get_by_role("link", name="Shop must be reconnected").click()
    owner.wait_for_url(f"{address}/sources/{tired.id}")


def test_home_is_calm_when_there_is_nothing(owner: Page, address: str, factory: Factory):
    factory.source()
    owner.goto(f"{address}/")
    expect(owner.get_by_role("region", name="People added in the last 30 days")).to_contain_text("None in these days")
    assert faults(owner) == []
