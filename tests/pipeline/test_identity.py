"""Who is who: R10, R11, and no duplicates whatever runs beside."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.contract.types import MergePolicy, Ref
from core.db.engine import writing
from core.db.models import Activity, Identity, Link, Membership, Merge, Person
from core.pipeline.merges import UndoError, undo
from tests.pipeline.conftest import NOW, World, at, chat, policy, user


def test_a_record_makes_a_person_and_a_repetition_writes_nothing(world: World):
    assert world.apply(user("1", email=" Ann@Example.com ")) == {"user": {"read": 1, "created": 1}}
    assert world.people()[0]["email"] == "ann@example.com"
    world.statements.clear()
    assert world.apply(user("1", email=" Ann@Example.com ")) == {"user": {"read": 1, "unchanged": 1}}
    assert not [s for s in world.statements if s.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_two_contacts_with_one_email_are_one_person_with_two_remote_ids(world: World):
    counts = world.apply(user("1", email="ann@example.com"), user("2", 1, email="ANN@example.com"))
    assert counts == {"user": {"read": 2, "created": 1, "updated": 1, "merged": 1}}
    (person,) = world.people()
    assert [link["entity_id"] for link in world.rows(Link)] == [person["id"], person["id"]]


def test_in_a_later_page_too(world: World):
    world.apply(user("1", email="ann@example.com"))
    assert world.apply(user("2", email="ann@example.com")) == {"user": {"read": 1, "updated": 1, "merged": 1}}
    assert len(world.people()) == 1


def test_without_merge_keys_only_the_remote_id_counts(world: World):
    alone = policy(matching={})
    world.apply(user("1", email="ann@example.com"), user("2", email="ann@example.com"), policy=alone)
    assert len(world.people()) == 2


def test_next_if_empty_looks_at_the_second_key_only_without_the_first(world: World):
    next_ = policy(matching={"user": MergePolicy(("email", "external_id"), "next_if_empty")})
    world.apply(
        user("1", email="a@example.com", external_id="x"),
        user("2", email="b@example.com", external_id="x"),
        policy=next_,
    )
    assert len(world.people()) == 2
    world.apply(user("3", external_id="y"), user("4", external_id="y"), policy=next_)
    assert len(world.people()) == 3


def test_all_keys_must_agree(world: World):
    both = policy(matching={"user": MergePolicy(("email", "external_id"), "all")})
    world.apply(
        user("1", email="a@example.com", external_id="x"),
        user("2", email="a@example.com", external_id="y"),
        policy=both,
    )
    assert len(world.people()) == 2
    world.apply(user("3", email="a@example.com", external_id="x"), policy=both)
    assert len(world.people()) == 2


def test_a_person_found_by_two_keys_is_merged_and_the_elder_survives(world: World):
    world.apply(user("1", email="a@example.com", plan="old"))
    world.apply(
        user("2", external_id="x", seats=3, tags=("vip",), firms=("f",)), policy=policy(now=NOW + timedelta(hours=1))
    )
    world.apply(chat("c", ("p", "2", at())))
    elder, younger = world.people()
    world.apply(user("3", 5, email="a@example.com", external_id="x"))
    (person,) = world.people()
    assert person["id"] == elder["id"]
    assert person["fields"] == {"acme.plan": "old", "acme.seats": 3}
    assert [row["person_id"] for row in world.rows(Activity)] == [elder["id"]]
    assert [row["person_id"] for row in world.rows(Membership)] == [elder["id"]]
    assert {row["entity_id"] for row in world.rows(Link) if row["object"] == "user"} == {elder["id"]}
    assert {row["entity_id"] for row in world.rows(Identity)} == {elder["id"]}
    (merge,) = world.rows(Merge)
    assert merge["absorbed_id"] == younger["id"]


def test_a_merge_can_be_undone(world: World):
    world.apply(user("1", email="a@example.com"), user("2", external_id="x", seats=3, firms=("f",)))
    world.apply(chat("c", ("p", "2", at()), ("q", "1", at())))
    before = {row["id"]: row for row in world.people()}
    acts = world.rows(Activity, "id")
    world.apply(user("3", 5, email="a@example.com", external_id="x"))
    (merge,) = world.rows(Merge)
    with writing(world.engine) as connection:
        undo(connection, merge["id"], NOW)
    after = {row["id"]: row for row in world.people()}
    assert after.keys() == before.keys()
    for id, row in before.items():
        assert {k: v for k, v in after[id].items() if k in ("email", "external_id", "fields")} == {
            k: v for k, v in row.items() if k in ("email", "external_id", "fields")
        } or id == merge["survivor_id"]
    assert world.rows(Activity, "id") == acts
    with pytest.raises(UndoError, match="no such merge"), writing(world.engine) as connection:
        undo(connection, merge["id"], NOW)


def test_a_changed_email_frees_the_old_one(world: World):
    world.apply(user("1", email="shared@example.com"))
    world.apply(user("1", 1, email="own@example.com"))
    world.apply(user("2", email="shared@example.com"))
    assert sorted(person["email"] for person in world.people()) == ["own@example.com", "shared@example.com"]


def test_an_email_still_claimed_by_another_contact_of_the_person_stays(world: World):
    world.apply(user("1", email="a@example.com"), user("2", email="a@example.com"))
    world.apply(user("1", 1, email="b@example.com"))
    world.apply(user("3", email="a@example.com"))
    assert len(world.people()) == 1


def test_what_the_vendor_merged_merges_here(world: World):
    world.apply(user("lead", plan="free"), user("user", email="a@example.com"))
    world.apply(chat("c", ("p", "lead", at())))
    world.apply(merged=[(Ref("user", "lead"), Ref("user", "user"))])
    (person,) = world.people()
    assert person["email"] == "a@example.com"
    assert person["fields"] == {"acme.plan": "free"}
    assert [row["person_id"] for row in world.rows(Activity)] == [person["id"]]
    world.apply(merged=[(Ref("user", "lead"), Ref("user", "user"))])
    assert len(world.rows(Merge)) == 1


def test_activities_may_come_before_people(world: World):
    world.apply(chat("c", ("p", "1", at())))
    assert world.people() == []
    assert world.apply(user("1", email="a@example.com")) == {"user": {"read": 1, "created": 1}}
    (person,) = world.people()
    assert world.rows(Activity)[0]["person_id"] == person["id"]


def test_a_person_met_before_and_known_by_email_keeps_her_activities(world: World):
    world.apply(user("1", email="a@example.com"))
    world.apply(chat("c", ("p", "2", at())))
    world.apply(user("2", email="a@example.com"))
    (person,) = world.people()
    assert world.rows(Activity)[0]["person_id"] == person["id"]
    assert world.rows(Merge) == []


def test_only_existing_records_when_none_shall_be_made(world: World):
    world.apply(user("1", email="a@example.com"))
    known_only = policy(source_id=2, create_missing=False)
    counts = world.apply(
        user("9", email="a@example.com", plan="x"), user("8", email="b@example.com"), policy=known_only
    )
    assert counts == {"user": {"read": 2, "updated": 1, "merged": 1, "skipped": 1}}
    assert len(world.people()) == 1


def test_600_shared_emails_from_four_parallel_sources_are_600_people(world: World):
    def load(source_id: int) -> None:
        records = [user(f"{source_id}-{n}", email=f"p{n}@example.com", plan=f"s{source_id}") for n in range(600)]
        random.Random(source_id).shuffle(records)
        for start in range(0, 600, 50):
            world.apply(*records[start : start + 50], policy=policy(source_id=source_id))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, (1, 2, 3, 4)))
    people = world.people()
    assert len(people) == 600
    links = world.rows(Link)
    assert len(links) == 2400
    assert {link["entity_id"] for link in links} == {person["id"] for person in people}
    assert len(world.rows(Person)) == 600


def test_parallel_pages_of_one_source_that_merge_into_each_other(world: World):
    """Two keys that chain everybody together, from four threads: one person a chain, nothing lost."""
    records = [
        user(f"{chain}-{n}", n, email=f"{chain}-{n // 2}@example.com", external_id=f"{chain}-{(n + 1) // 2}")
        for chain in range(20)
        for n in range(8)
    ]
    random.Random(7).shuffle(records)
    pages = [records[start : start + 10] for start in range(0, len(records), 10)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda page: world.apply(*page), pages))
    people = world.people()
    assert len(people) == 20
    assert {link["entity_id"] for link in world.rows(Link)} == {person["id"] for person in people}
