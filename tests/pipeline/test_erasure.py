"""Whoever was erased stays erased, whatever a vendor brings (R41)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID

from core.contract.types import Activity as Event_
from core.contract.types import MergePolicy, Page, Record, Ref, Refusal
from core.db.engine import writing
from core.db.models import (
    Activity,
    Erased,
    Identity,
    Link,
    Membership,
    Merge,
    Organization,
    Participant,
    Person,
    RefusedRecord,
    Tagging,
)
from core.pipeline import erasure
from core.pipeline.apply import apply_page
from core.pipeline.shape import Shaper
from tests.pipeline.conftest import POLICY, World, at, chat, policy, user


def erase(world: World, email: str = "ann@example.com") -> UUID:
    id: UUID = next(row["id"] for row in world.people() if row["email"] == email)
    with writing(world.engine) as connection:
        erasure.erase(connection, "person", id)
    return id


def emails(world: World) -> list[str]:
    return [row["email"] for row in world.people()]


def test_nothing_of_hers_is_left_in_the_clear(world: World):
    world.apply(
        user("1", email="ann@example.com", external_id="x-1", phone="+49 30 123", firms=["f"], tags=("vip",)),
        user("2", email="bob@example.com"),
        chat("c", ("p1", "1", at()), ("p2", "2", at(1))),
        Refusal("user", "1", "odd", {"id": "1", "email": "ann@example.com"}),
    )
    erase(world)
    assert emails(world) == ["bob@example.com"]
    assert [row["remote_id"] for row in world.rows(Activity)] == ["part:p2"]
    assert {row["remote_id"] for row in world.rows(Link)} == {"2", "c", "f"}
    for model in (Membership, Tagging, RefusedRecord):
        assert world.rows(model) == [], model
    assert {row["value"] for row in world.rows(Identity)} == {"bob@example.com"}
    hashes = {row["id"] for row in world.rows(Erased)}
    assert len(hashes) == 4  # her link, her email, her external id, her phone number
    assert not hashes & {row["id"] for model in (Link, Identity) for row in world.rows(model)}


def test_a_resync_does_not_bring_her_back(world: World):
    ann = user("1", email="ann@example.com")
    world.apply(ann)
    erase(world)
    for record in (ann, user("1", 5, email="ann@example.com"), user("1", 9, email="new@example.com")):
        assert world.apply(record) == {"user": {"read": 1, "skipped": 1}}
    assert world.people() == []
    assert world.rows(Person) == []
    assert world.rows(Link) == []


def test_nor_does_another_data_source_that_knows_her_email(world: World):
    world.apply(user("1", email="ann@example.com"))
    erase(world)
    other = policy(source_id=2)
    assert world.apply(user("77", email="ANN@example.com"), policy=other) == {"user": {"read": 1, "skipped": 1}}
    # That contact is refused for good: also what it does, and when it changes its email.
    assert world.apply(user("77", 3, email="other@example.com"), policy=other)["user"] == {"read": 1, "skipped": 1}
    assert world.apply(chat("c", ("p", "77", at())), policy=other) == {"chat": {"read": 1, "skipped": 1}}
    assert world.rows(Activity) == []
    assert world.rows(Person) == []


def test_by_a_data_source_that_joins_by_nothing_she_is_another_person(world: World):
    world.apply(user("1", email="ann@example.com"))
    erase(world)
    assert world.apply(user("77", email="ann@example.com"), policy=policy(source_id=2, matching={}))["user"]["created"]


def test_what_she_does_is_not_taken_in_and_what_others_do_with_her_is(world: World):
    world.apply(user("1", email="ann@example.com"), user("2", email="bob@example.com"))
    erase(world)
    both = Event_("said", "part:both", at(1), (Ref("user", "2"), Ref("user", "1")), attributes={})
    counts = world.apply(chat("a", ("p1", "1", at())), Record("chat", "b", updated_at=at(), activities=(both,)))
    assert counts == {"chat": {"read": 2, "created": 1, "skipped": 1}}
    assert [row["remote_id"] for row in world.rows(Activity)] == ["part:both"]
    assert world.rows(Participant) == []
    assert {row["remote_id"] for row in world.rows(Link)} == {"2", "b"}


def test_a_contact_that_was_only_referred_to_goes_when_it_turns_out_to_be_her(world: World):
    world.apply(user("1", email="ann@example.com"))
    erase(world)
    world.apply(chat("c", ("p", "9", at())))
    assert len(world.rows(Activity)) == 1
    assert world.apply(user("9", email="ann@example.com")) == {"user": {"read": 1, "skipped": 1}}
    assert world.rows(Activity) == []
    assert world.rows(Person) == []


def test_whoever_is_here_by_another_identity_stays(world: World):
    world.apply(user("1", email="ann@example.com"), user("2", email="bob@example.com"))
    erase(world)
    assert world.apply(user("2", 5, email="ann@example.com", plan="pro")) == {"user": {"read": 1, "skipped": 1}}
    assert emails(world) == ["bob@example.com"]


def test_those_who_were_merged_into_her_go_with_her(world: World):
    world.apply(user("1", email="old@example.com"), user("2", 1, email="ann@example.com"))
    world.apply(merged=[(Ref("user", "1"), Ref("user", "2"))])
    assert len(world.people()) == 1
    erase(world, world.people()[0]["email"])
    assert world.rows(Person) == []
    assert world.rows(Merge) == []
    for id, email in (("1", None), ("2", None), ("3", "old@example.com"), ("4", "ann@example.com")):
        assert world.apply(user(id, 9, email=email))["user"] == {"read": 1, "skipped": 1}, (id, email)


def test_all_keys_together_are_erased_together(world: World):
    both = policy(matching={"user": MergePolicy(("email", "external_id"), "all")})
    world.apply(user("1", email="ann@example.com", external_id="x"), policy=both)
    erase(world)
    again = user("2", email="ann@example.com", external_id="x")
    assert world.apply(again, policy=both) == {"user": {"read": 1, "skipped": 1}}
    other = user("3", email="ann@example.com", external_id="y")
    assert world.apply(other, policy=both) == {"user": {"read": 1, "created": 1}}


def test_a_page_in_flight_does_not_bring_her_back(world: World):
    """The page has looked who is erased, and is about to write; she is erased meanwhile."""
    world.apply(user("1", email="ann@example.com"))
    id = world.people()[0]["id"]
    inside, started = Event(), Event()

    def erase_meanwhile() -> None:
        inside.wait(30)
        started.set()
        with writing(world.engine) as connection:
            erasure.erase(connection, "person", id)

    def checkpoint(connection: object, counts: object) -> None:
        inside.set()
        started.wait(30)

    page = Page(records=[user("1", 5, email="ann@example.com"), user("2", email="bob@example.com")])
    with ThreadPoolExecutor(1) as pool:
        erasing = pool.submit(erase_meanwhile)
        apply_page(world.engine, page, Shaper(POLICY), POLICY, checkpoint)
        erasing.result()
    assert emails(world) == ["bob@example.com"]
    assert world.apply(user("1", 9, email="ann@example.com")) == {"user": {"read": 1, "skipped": 1}}


FIRM = Record("firm", "f", updated_at=at(), values={"name": "Acme", "domain": "acme.example"}, tags=("key",))


def firm_there(world: World) -> UUID:
    """Ann and her firm, what she did there, and what nobody of it did."""
    said = (
        Event_("said", "hers", at(), (Ref("user", "1"),), Ref("firm", "f"), {"text": "hi"}),
        Event_("said", "its", at(), (), Ref("firm", "f"), {"text": "bought"}),
    )
    world.apply(FIRM, user("1", email="ann@example.com", firms=["f"]), Record("chat", "c", at(), activities=said))
    id: UUID = world.rows(Organization)[0]["id"]
    with writing(world.engine) as connection:
        erasure.erase(connection, "organization", id)
    return id


def test_the_people_of_an_erased_organization_stay_with_what_they_did(world: World):
    firm_there(world)
    assert emails(world) == ["ann@example.com"]
    kept = [(row["remote_id"], row["organization_id"], row["organization_link_id"]) for row in world.rows(Activity)]
    assert kept == [("hers", None, None)]
    for model in (Organization, Membership, Tagging):
        assert world.rows(model) == [], model
    assert {row["remote_id"] for row in world.rows(Link)} == {"1", "c"}
    assert len(world.rows(Erased)) == 3  # its link, its name, its domain


def test_no_record_of_any_kind_brings_an_erased_organization_back(world: World):
    firm_there(world)
    said = (
        Event_("said", "hers", at(7), (Ref("user", "1"),), Ref("firm", "f"), {"text": "changed"}),
        Event_("said", "its", at(7), (), Ref("firm", "f"), {"text": "changed"}),
    )
    counts = world.apply(
        Record("firm", "f", updated_at=at(9), values={"name": "Acme Inc."}),
        user("1", 9, email="ann@example.com", firms=["f", "g"]),
        Record("chat", "c", at(9), activities=said),
    )
    assert counts["firm"] == {"read": 1, "skipped": 1}
    assert {row["remote_id"] for row in world.rows(Link)} == {"1", "c", "g"}
    assert [row["organization_link_id"] for row in world.rows(Activity)] == [None]
    assert len(world.rows(Membership)) == 1


def test_an_organization_by_the_name_of_an_erased_one_is_it_where_names_join(world: World):
    firm_there(world)
    by_name = policy(source_id=2, matching={"firm": MergePolicy(("name",))})
    # First only referred to, then told: what was kept for it goes.
    world.apply(user("5", email="eve@example.com", firms=["x"]), policy=by_name)
    assert len(world.rows(Membership)) == 1
    told = Record("firm", "x", updated_at=at(5), values={"name": "ACME"})
    assert world.apply(told, policy=by_name) == {"firm": {"read": 1, "skipped": 1}}
    assert world.rows(Membership) == world.rows(Organization) == []
    assert world.apply(told, policy=policy(source_id=3)) == {"firm": {"read": 1, "created": 1}}


def test_what_was_merged_into_an_erased_organization_goes_with_it(world: World):
    other = Record("firm", "e", updated_at=at(), values={"name": "Old Acme"})
    world.apply(other)
    world.apply(FIRM, merged=[(Ref("firm", "e"), Ref("firm", "f"))])
    id = next(row["id"] for row in world.rows(Organization) if row["merged_into"] is None)
    with writing(world.engine) as connection:
        erasure.erase(connection, "organization", id)
    assert world.rows(Organization) == world.rows(Merge) == world.rows(Link) == []
    assert world.apply(FIRM, other) == {"firm": {"read": 2, "skipped": 2}}
