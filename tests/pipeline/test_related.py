"""What hangs on a record: memberships, tags, activities, articles and their collections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any
from uuid import UUID

from core.contract.types import Activity as Happened
from core.contract.types import Page, Record, Ref
from core.db.models import Activity, Article, Collection, Membership, Organization, Participant, Person, Tagging
from core.pipeline.apply import apply_page
from core.pipeline.ids import link_id
from core.pipeline.shape import Shaper
from tests.pipeline.conftest import NOW, POLICY, World, at, chat, policy, user


def link(object: str, remote_id: str) -> UUID:
    return link_id(1, object, remote_id)


def firm(id: str, minutes: float = 0, **values: Any) -> Record:
    return Record("firm", id, updated_at=at(minutes), values=values)


def firms_of(world: World, id: str) -> list[tuple[UUID, int]]:
    rows = [row for row in world.rows(Membership, "position") if row["person_link_id"] == link("user", id)]
    return [(row["organization_link_id"], row["position"]) for row in rows]


def tags_of(world: World, object: str, id: str) -> list[str]:
    return [row["name"] for row in world.rows(Tagging, "name") if row["link_id"] == link(object, id)]


# Memberships


def test_a_person_belongs_to_exactly_what_her_record_names_in_its_order(world: World):
    world.apply(user("1", firms=("b", "a")), user("2", firms=("a",)))
    assert firms_of(world, "1") == [(link("firm", "b"), 0), (link("firm", "a"), 1)]
    world.apply(user("1", 1, firms=("c", "b")))
    assert firms_of(world, "1") == [(link("firm", "c"), 0), (link("firm", "b"), 1)]
    assert firms_of(world, "2") == [(link("firm", "a"), 0)]
    world.apply(user("1", 2, firms=()))
    assert firms_of(world, "1") == []


def test_a_record_that_does_not_tell_changes_no_membership(world: World):
    world.apply(user("1", firms=("a",)))
    world.apply(user("1", 1, plan="x"))
    assert firms_of(world, "1") == [(link("firm", "a"), 0)]


def test_an_organization_may_come_after_its_people(world: World):
    world.apply(user("1", firms=("a",)))
    (stub,) = world.rows(Organization)
    assert (stub["stub"], stub["name"]) == (True, None)
    assert world.apply(firm("a", name="Acme")) == {"firm": {"read": 1, "created": 1}}
    (organization,) = world.rows(Organization)
    assert (organization["stub"], organization["name"]) == (False, "Acme")
    (membership,) = world.rows(Membership)
    assert membership["organization_id"] == organization["id"]


def test_no_person_belongs_to_more_organizations_than_the_limit(world: World):
    counts = world.apply(user("1", firms=[f"f{n}" for n in range(80)]))
    assert counts == {"user": {"read": 1, "created": 1, "capped": 30}}
    assert [id for id, _ in firms_of(world, "1")] == [link("firm", f"f{n}") for n in range(50)]
    assert len(world.rows(Organization)) == 50


def test_two_contacts_of_one_person_each_keep_their_own_memberships_and_tags(world: World):
    world.apply(
        user("1", email="a@example.com", firms=("x",), tags=("old",)),
        user("2", email="a@example.com", firms=("x",), tags=("old", "new")),
    )
    world.apply(user("1", 1, email="a@example.com", firms=(), tags=()))
    (person,) = world.people()
    assert [(row["person_link_id"], row["person_id"]) for row in world.rows(Membership)] == [
        (link("user", "2"), person["id"])
    ]
    assert tags_of(world, "user", "1") == []
    assert tags_of(world, "user", "2") == ["new", "old"]


# Tags


def test_tags_are_those_the_record_names(world: World):
    world.apply(user("1", tags=("vip", "new")), Record("firm", "a", tags=("big",)))
    world.apply(user("1", 1, tags=("vip", "loyal")))
    world.apply(user("1", 2, plan="x"))
    assert tags_of(world, "user", "1") == ["loyal", "vip"]
    assert [(row["kind"], row["entity_id"]) for row in world.rows(Tagging) if row["name"] == "big"] == [
        ("organization", link("firm", "a"))
    ]


# Activities


def test_an_activity_belongs_to_its_first_person_and_the_others_took_part(world: World):
    people = tuple(Ref("user", id) for id in "123")
    world.apply(Record("chat", "c", activities=(Happened("said", "p", at(), people, Ref("firm", "a"), {"n": 1}),)))
    (activity,) = world.rows(Activity)
    assert (activity["person_id"], activity["person_link_id"]) == (link("user", "1"), link("user", "1"))
    assert (activity["organization_id"], activity["record_link_id"]) == (link("firm", "a"), link("chat", "c"))
    assert (activity["occurred_at"], activity["attributes"], activity["historical"]) == (at(), {"n": 1}, False)
    participants = {(row["activity_id"], row["person_id"]) for row in world.rows(Participant)}
    assert participants == {(activity["id"], link("user", "2")), (activity["id"], link("user", "3"))}
    assert [person["stub"] for person in world.rows(Person)] == [True, True, True]


def test_who_took_part_tells_of_the_activity_as_it_is_now(world: World):
    people = tuple(Ref("user", id) for id in "12")

    def tell(minutes: float, type: str, happened: float) -> None:
        said = Happened(type, "p", at(happened), people)
        world.apply(Record("chat", "c", updated_at=at(minutes), activities=(said,)))
        (activity,) = world.rows(Activity)
        (participant,) = world.rows(Participant)
        for told in (activity, participant):
            assert (told["source_id"], told["type"], told["occurred_at"]) == (1, type, at(happened))

    tell(0, "said", 0)
    tell(1, "closed", 0)
    tell(2, "closed", 5)
    tell(3, "closed", 5)


def test_who_no_longer_took_part_is_left_out(world: World):
    def said(minutes: float, *parts: tuple[str, str]) -> Record:
        activities = tuple(
            Happened("said", id, at(), tuple(Ref("user", who) for who in people)) for id, people in parts
        )
        return Record("chat", "c", updated_at=at(minutes), activities=activities)

    def participants() -> set[UUID]:
        return {row["person_link_id"] for row in world.rows(Participant)}

    world.apply(said(0, ("p", "123"), ("q", "14")))
    world.apply(said(1, ("p", "125")))
    assert participants() == {link("user", id) for id in "254"}
    world.apply(said(2, ("p", "1"), ("q", "1")))
    assert participants() == set()


def test_a_part_that_changed_is_updated_and_the_others_are_left_alone(world: World):
    world.apply(chat("c", ("p", "1", at()), ("q", "1", at())), policy=policy(historical=True))
    world.apply(chat("c", ("p", "2", at(5)), ("q", "1", at()), ("r", None, at(6)), minutes=1))
    rows = {row["remote_id"]: row for row in world.rows(Activity)}
    assert (rows["part:p"]["person_link_id"], rows["part:p"]["occurred_at"]) == (link("user", "2"), at(5))
    assert rows["part:r"]["person_id"] is None
    assert {id: row["historical"] for id, row in rows.items()} == {"part:p": True, "part:q": True, "part:r": False}


def test_parts_that_the_vendor_sends_no_more_stay(world: World):
    world.apply(chat("c", ("p", "1", at()), ("q", "1", at())))
    world.apply(chat("c", ("q", "1", at()), minutes=1))
    assert [row["remote_id"] for row in world.rows(Activity, "remote_id")] == ["part:p", "part:q"]


def test_a_chat_older_than_what_is_stored_changes_nothing(world: World):
    world.apply(chat("c", ("p", "1", at(5)), minutes=5))
    counts = world.apply(chat("c", ("p", "2", at(1)), minutes=1))
    assert counts == {"chat": {"read": 1, "unchanged": 1}}
    assert [row["person_link_id"] for row in world.rows(Activity)] == [link("user", "1")]


def test_a_person_and_her_activities_in_one_page(world: World):
    world.apply(user("1", email="a@example.com"), chat("c", ("p", "1", at()), ("q", "2", at())))
    (person,) = world.people()
    assert [row["person_id"] for row in world.rows(Activity, "remote_id")] == [person["id"], link("user", "2")]


def test_an_activity_written_while_its_person_is_merged_goes_to_the_survivor(world: World):
    """The page with the chat has looked up whose it is when another page finds out that she is somebody else."""
    world.apply(user("1", email="a@example.com"))
    world.apply(user("2", external_id="x"), policy=policy(now=NOW.replace(hour=13)))

    def merge() -> None:
        world.apply(user("3", 5, email="a@example.com", external_id="x"))

    def checkpoint(*args: Any) -> None:
        # Long enough for a merge that does not wait for this page, which would be wrong.
        wait([pool.submit(merge)], 0.3)

    with ThreadPoolExecutor(1) as pool:
        page = Page(records=[chat("c", ("p", "2", at()))])
        apply_page(world.engine, page, Shaper(POLICY), POLICY, checkpoint)
    (person,) = world.people()
    assert [row["person_id"] for row in world.rows(Activity)] == [person["id"]]


# Articles


def test_articles_lie_in_collections_that_may_come_later(world: World):
    article = Record("text", "1", values={"title": "Hi", "body": "<p>x</p><script>y</script>", "state": "published"})
    world.apply(replace(article, parent=Ref("shelf", "b"), created_at=at(), updated_at=at(1)))
    world.apply(
        Record("shelf", "b", values={"name": "Inner", "position": 2}, parent=Ref("shelf", "a")),
        Record("shelf", "a", values={"translations": {"fr": {"name": "Dehors"}}}),
    )
    (stored,) = world.rows(Article)
    inner, outer = world.rows(Collection, "name")
    assert (stored["title"], stored["body"], stored["state"]) == ("Hi", "<p>x</p>", "published")
    assert (stored["collection_id"], inner["parent_id"], outer["parent_id"]) == (inner["id"], outer["id"], None)
    assert (stored["created_at"], stored["updated_at"]) == (at(), at(1))
    assert (inner["position"], outer["position"]) == (2, 0)
    assert (outer["name"], outer["translations"]) == ("a", {"fr": {"name": "Dehors"}})


def test_an_article_follows_the_vendor(world: World):
    first = {"title": "Hi", "state": "published", "url": "https://help.example.com/hi", "locale": "en"}
    assert world.apply(Record("text", "1", at(), values=first)) == {"text": {"read": 1, "created": 1}}
    assert world.apply(Record("text", "1", at(1), values={"title": "Ho"})) == {"text": {"read": 1, "updated": 1}}
    (article,) = world.rows(Article)
    assert {key: article[key] for key in (*first, "body")} == {
        "title": "Ho",
        "state": "draft",
        "url": None,
        "locale": None,
        "body": "",
    }
