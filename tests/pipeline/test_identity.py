"""Who is who: R10, R11, and no duplicates whatever runs beside."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from core.contract.types import MergePolicy, Record, Ref
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


def merge_two(world: World) -> int:
    """Contact 1 and contact 2, whom contact 3 makes one; return the merge."""
    world.apply(user("1", email="a@example.com", first_name="Ann"))
    world.apply(user("2", external_id="x", last_name="Fox", plan="pro"), policy=policy(now=NOW + timedelta(hours=1)))
    world.apply(user("3", 5, email="a@example.com", external_id="x"))
    (person,) = world.people()
    assert (person["last_name"], person["fields"]) == ("Fox", {"acme.plan": "pro"})
    (merge,) = world.rows(Merge)
    return int(merge["id"])


def undone(world: World, merge_id: int) -> None:
    with writing(world.engine) as connection:
        undo(connection, merge_id, NOW)


def owner(world: World, id: str) -> Any:
    return next(row["entity_id"] for row in world.rows(Link) if row["remote_id"] == id)


def test_an_undone_merge_takes_back_what_it_filled_in_and_its_lineage(world: World):
    undone(world, merge_two(world))
    elder, younger = world.people()
    assert (elder["last_name"], elder["fields"], elder["external_id"]) == (None, {}, None)
    assert (younger["last_name"], younger["fields"]) == ("Fox", {"acme.plan": "pro"})
    assert not {"last_name", "acme.plan"} & elder["lineage"].keys()


def test_what_joined_them_does_not_join_them_again(world: World):
    undone(world, merge_two(world))
    one, other = owner(world, "1"), owner(world, "2")
    assert one != other
    world.apply(
        user("1", 9, email="a@example.com", plan="x"),
        user("2", 9, external_id="x", plan="y"),
        user("3", 9, email="a@example.com", external_id="x", plan="z"),
    )
    assert [owner(world, id) for id in "123"] == [one, other, one]
    assert len(world.people()) == 2


def test_nor_does_the_email_that_one_of_them_took_over(world: World):
    world.apply(user("1", email="a@example.com"))
    world.apply(user("2", email="b@example.com"), policy=policy(now=NOW + timedelta(hours=1)))
    world.apply(user("2", 5, email="a@example.com"))
    (merge,) = world.rows(Merge)
    undone(world, merge["id"])
    world.apply(user("2", 6, email="a@example.com", first_name="Zoe"))
    assert owner(world, "1") != owner(world, "2")
    assert [person["first_name"] for person in world.people()] == [None, "Zoe"]


def test_nor_does_the_vendor_who_tells_again_that_he_merged_them(world: World):
    world.apply(user("lead", plan="free"), user("user", email="a@example.com"))
    told = [(Ref("user", "lead"), Ref("user", "user"))]
    world.apply(merged=told)
    (merge,) = world.rows(Merge)
    undone(world, merge["id"])
    world.apply(merged=told)
    assert len(world.people()) == 2


def test_what_its_records_brought_meanwhile_comes_in_when_they_are_read_again(world: World):
    merge_id = merge_two(world)
    changed = user("2", 9, external_id="x", last_name="Wolf", tags=("vip",), firms=("f",))
    world.apply(changed)
    undone(world, merge_id)
    assert world.people()[1]["last_name"] == "Fox"
    world.apply(changed)
    assert world.people()[1]["last_name"] == "Wolf"
    assert [row["person_id"] for row in world.rows(Membership)] == [owner(world, "2")]


def test_an_unsubscribe_made_after_the_merge_stays_with_the_survivor(world: World):
    merge_id = merge_two(world)
    with world.engine.begin() as connection:
        connection.execute(update(Person).where(Person.merged_into.is_(None)).values(email_subscribed=False))
    undone(world, merge_id)
    assert [person["email_subscribed"] for person in world.people()] == [False, True]


def test_an_unsubscribe_that_the_absorbed_one_brought_goes_with_it(world: World):
    world.apply(user("1", email="a@example.com"))
    unsubscribed = user("2", external_id="x", permissions={"email": False})
    world.apply(unsubscribed, policy=policy(now=NOW + timedelta(hours=1)))
    world.apply(user("3", 5, email="a@example.com", external_id="x"))
    (merge,) = world.rows(Merge)
    undone(world, merge["id"])
    assert [person["email_subscribed"] for person in world.people()] == [True, False]


def test_the_later_of_two_merges_is_undone_first(world: World):
    first = merge_two(world)
    world.apply(user("0", external_id="0"), policy=policy(now=NOW - timedelta(hours=1)))
    by_id = policy(matching={"user": MergePolicy(("external_id",))})
    world.apply(merged=[(Ref("user", "1"), Ref("user", "0"))], policy=by_id)
    with pytest.raises(UndoError, match="merged again later"):
        undone(world, first)
    undone(world, max(merge["id"] for merge in world.rows(Merge)))
    undone(world, first)
    assert len({owner(world, id) for id in "012"}) == 3


def test_organizations_merge_and_come_apart_too(world: World):
    by_domain = policy(matching={"firm": MergePolicy(("domain",))})

    def firm(id: str, minutes: float, **values: str) -> Record:
        return Record("firm", id, at(minutes), values=values)

    world.apply(firm("1", 0, name="Acme", domain="acme.example"), user("u", firms=("2",)), policy=by_domain)
    world.apply(firm("2", 0, name="Acme Ltd", domain="old.example"), policy=by_domain)
    world.apply(firm("2", 1, name="Acme Ltd", domain="ACME.example"), policy=by_domain)
    assert owner(world, "1") == owner(world, "2")
    (merge,) = world.rows(Merge)
    undone(world, merge["id"])
    assert [row["organization_id"] for row in world.rows(Membership)] == [owner(world, "2")]
    world.apply(firm("2", 2, name="Acme Limited", domain="acme.example"), policy=by_domain)
    assert owner(world, "1") != owner(world, "2")


def test_only_existing_records_means_that_who_was_only_met_in_a_chat_is_not_made(world: World):
    known_only = policy(create_missing=False)
    world.apply(chat("c", ("p", "1", at())), policy=known_only)
    assert world.apply(user("1", email="a@example.com"), policy=known_only) == {"user": {"read": 1, "skipped": 1}}
    assert world.people() == []


def test_phones_match_by_their_digits(world: World):
    by_phone = policy(matching={"user": MergePolicy(("phone",))})
    world.apply(user("1", phone="+49 (30) 1234"), user("2", phone="4930-1234"), user("3", phone="-"), policy=by_phone)
    assert len(world.people()) == 2


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
