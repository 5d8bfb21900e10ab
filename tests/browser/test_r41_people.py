"""R41: who and what is archived, restored and deleted for good; R34, R20: tags, and merges that can be undone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from core.contract.types import MergePolicy, Record, Ref
from core.contract.types import Page as PageOfVendor
from core.pipeline.apply import apply_page
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from tests.browser.pages import faults
from tests.web.factories import Desk, Factory


def take_in(mainstem: Mainstem, source_id: int, *records: Record, **page: object) -> None:
    policy = Policy(
        source_id=source_id,
        manifest=Desk.manifest,
        fields={},
        now=now_utc(),
        matching={"contact": MergePolicy(("email",))},
    )
    given = PageOfVendor(records=records, **page)  # type: ignore[arg-type]
    apply_page(mainstem.engine, given, Shaper(policy), policy, lambda connection, counts: None)


def contact(id: str, email: str, name: str) -> Record:
    return Record("contact", id, values={"email": email, "first_name": name}, tags=("vip",))


def test_r41_archive_restore_and_delete_for_good(owner: Page, address: str, factory: Factory, mainstem: Mainstem):
    source = factory.source()
    ann = contact("1", "ann@example.com", "Ann")
    take_in(mainstem, source.id, ann)
    owner.goto(f"{address}/people/")
    owner.get_by_role("link", name="Ann").click()
    owner.get_by_role("button", name="Archive").click()
    expect(owner.locator(".profile-states")).to_contain_text("Archived")
    owner.get_by_role("button", name="Restore").click()
    expect(owner.locator(".profile-states")).not_to_contain_text("Archived")
    owner.get_by_role("button", name="Archive").click()
    owner.get_by_role("link", name="Delete").click()
    expect(owner.get_by_text("This cannot be undone")).to_be_visible()
    assert faults(owner) == []
    owner.get_by_role("button", name="Delete for good").click()
    expect(owner.get_by_role("status")).to_contain_text("Deleted for good")
    take_in(mainstem, source.id, ann)
    owner.goto(f"{address}/people/?state=all")
    expect(owner.get_by_role("link", name="Ann")).to_have_count(0)
    owner.get_by_role("link", name="Audit log").click()
    expect(owner.locator("tbody tr").first).to_contain_text("erase")
    assert faults(owner) == []


def test_r41_delete_an_organization_and_keep_its_people(
    owner: Page, address: str, factory: Factory, mainstem: Mainstem
):
    source = factory.source()
    acme = Record("company", "9", values={"name": "Acme", "domain": "acme.example"})
    ann = Record("contact", "1", values={"first_name": "Ann"}, organizations=(Ref("company", "9"),))
    take_in(mainstem, source.id, acme, ann)
    owner.goto(f"{address}/organizations/")
    owner.get_by_role("link", name="Acme").click()
    owner.get_by_role("button", name="Archive").click()
    owner.get_by_role("link", name="Delete").click()
    expect(owner.get_by_text("Its people stay, and so does what they did")).to_be_visible()
    assert faults(owner) == []
    owner.get_by_role("button", name="Delete for good").click()
    expect(owner.get_by_role("status")).to_contain_text("Deleted for good")
    take_in(mainstem, source.id, acme, ann)
    owner.goto(f"{address}/organizations/?state=all")
    expect(owner.get_by_role("link", name="Acme")).to_have_count(0)
    owner.goto(f"{address}/people/")
    owner.get_by_role("link", name="Ann").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Ann")
    expect(owner.get_by_role("region", name="Organizations")).to_have_count(0)
    assert faults(owner) == []


def test_r34_own_tags_survive_syncs(owner: Page, address: str, factory: Factory, mainstem: Mainstem):
    source = factory.source()
    take_in(mainstem, source.id, contact("1", "ann@example.com", "Ann"))
    owner.goto(f"{address}/people/")
    owner.get_by_role("link", name="Ann").click()
    owner.get_by_label("New tag").fill("key account")
    owner.get_by_role("button", name="Tag", exact=True).click()
    take_in(mainstem, source.id, contact("1", "ann@example.com", "Anna"))
    owner.reload()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Anna")
    tags = owner.locator(".tags")
    expect(tags).to_contain_text("key account")
    expect(tags).to_contain_text("vip")
    expect(owner.get_by_role("button", name="Take away vip")).to_have_count(0)
    assert faults(owner) == []
    owner.get_by_role("button", name="Take away key account").click()
    expect(tags).not_to_contain_text("key account")


def test_r20_a_merge_is_listed_and_undone(owner: Page, address: str, factory: Factory, mainstem: Mainstem):
    source = factory.source()
    take_in(mainstem, source.id, contact("1", "ann@example.com", "Ann"))
    take_in(mainstem, source.id, contact("2", "lee@example.com", "Lee"))
    take_in(mainstem, source.id, merged=[(Ref("contact", "2"), Ref("contact", "1"))])
    owner.goto(f"{address}/people/")
    owner.get_by_role("link", name="Ann").click()
    merges = owner.get_by_role("region", name="Merges")
    expect(merges).to_contain_text("Lee")
    assert faults(owner) == []
    merges.get_by_role("button", name="Undo").click()
    expect(merges).to_contain_text("undone")
    owner.goto(f"{address}/people/")
    expect(owner.get_by_role("link", name="Lee")).to_be_visible()
