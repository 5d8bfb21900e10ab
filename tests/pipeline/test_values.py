"""Whose value stands: each rule of the merge, the lineage it leaves, and that the order of arrival does not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from core.contract.types import MergePolicy, Page, Record
from core.db.engine import writing
from core.db.models import Identity, Link, Membership, Merge, Person, RefusedRecord, Tagging
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.pipeline.values import Values, absorb, take_in
from tests.pipeline.conftest import FIELDS, NOW, POLICY, World, at, chat, policy, user

NOW_TEXT = "2026-11-24T12:00:00Z"
LATER = timedelta(hours=1)
LATER_TEXT = "2026-11-24T13:00:00Z"
OTHER = replace(POLICY, source_id=2, now=NOW + LATER)


def meet(target: Values, *records: Record, policy: Policy = OTHER) -> dict[str, Any]:
    """Take the records in, one page each, and return the values that stand."""
    for record in records:
        (shaped,) = Shaper(policy).shape(Page(records=[record])).records
        take_in(target, shaped, policy)
    return target.values


def ann(**values: Any) -> Values:
    """A person that source 1 brought."""
    given = {"email": "ann@example.com", "first_name": "Ann", **values}
    return Values(given, {"*": [1, NOW_TEXT]}, initial_source_id=1, is_new=False)


# Rule 1


def test_fields_outside_the_chosen_ones_are_dropped(world: World):
    chosen = policy(fields={"user": FIELDS["user"][:1]}, deselected={"user": frozenset({"phone"})})
    world.apply(user("1", email="a@example.com", phone="123", plan="pro", seats=3), policy=chosen)
    (person,) = world.people()
    assert (person["email"], person["phone"], person["fields"]) == ("a@example.com", None, {"acme.plan": "pro"})


def test_a_field_chosen_later_comes_in_though_the_vendor_changed_nothing(world: World):
    world.apply(user("1", plan="pro", seats=3), policy=policy(fields={"user": FIELDS["user"][:1]}))
    assert world.apply(user("1", plan="pro", seats=3)) == {"user": {"read": 1, "updated": 1}}
    assert world.people()[0]["fields"] == {"acme.plan": "pro", "acme.seats": 3}


# Rule 2


def test_ignore_leaves_who_was_here_before_as_she_was_but_for_the_link(world: World):
    world.apply(user("1", email="ann@example.com", first_name="Ann"))
    (before,) = world.people()
    ignoring = policy(source_id=2, strategy="ignore", now=NOW + LATER)
    counts = world.apply(user("9", 5, email="ann@example.com", first_name="Zoe", plan="x"), policy=ignoring)
    assert counts == {"user": {"read": 1, "skipped": 1, "merged": 1}}
    assert world.people() == [before]
    world.apply(chat("c", ("p", "9", at())), policy=ignoring)
    assert {link["entity_id"] for link in world.rows(Link) if link["object"] == "user"} == {before["id"]}


def test_ignore_follows_those_whom_this_data_source_brought(world: World):
    ignoring = policy(strategy="ignore")
    world.apply(user("1", email="ann@example.com", first_name="Ann"), policy=ignoring)
    counts = world.apply(user("1", 5, email="ann@example.com", first_name="Anna"), policy=ignoring)
    assert counts == {"user": {"read": 1, "updated": 1}}
    assert world.people()[0]["first_name"] == "Anna"


def test_ignore_leaves_who_was_made_by_hand():
    target = replace(ann(), initial_source_id=None)
    assert meet(target, user("9", first_name="Zoe", plan="x"), policy=replace(OTHER, strategy="ignore")) == ann().values
    assert not target.changed


# Rule 3


def test_a_system_field_that_may_not_be_modified_stays_even_when_empty():
    target = ann()
    only = replace(OTHER, modify=frozenset({"last_name"}))
    assert meet(target, user("9", first_name="Zoe", last_name="Fox", phone="1"), policy=only) == {
        **ann().values,
        "last_name": "Fox",
    }


def test_what_may_be_modified_does_not_limit_a_new_person(world: World):
    world.apply(user("1", email="a@example.com", first_name="Ann"), policy=policy(modify=frozenset()))
    assert world.people()[0]["first_name"] == "Ann"


def test_with_keep_existing_a_value_stays_and_an_empty_one_is_filled():
    keeping = replace(OTHER, keep_existing=True)
    assert meet(ann(), user("9", first_name="Zoe", last_name="Fox"), policy=keeping)["first_name"] == "Ann"
    assert meet(ann(), user("9", first_name="Zoe", last_name="Fox"), policy=keeping)["last_name"] == "Fox"


def test_with_keep_existing_even_the_source_that_wrote_a_value_may_not_clear_it():
    own = replace(POLICY, keep_existing=True)
    assert meet(ann(), user("1", first_name=None), policy=own)["first_name"] == "Ann"


# Rule 4


def test_append_only_sets_where_empty():
    appending = replace(OTHER, strategy="append_only")
    assert meet(ann(), user("9", first_name="Zoe", last_name="Fox"), policy=appending) == {
        **ann().values,
        "last_name": "Fox",
    }


def test_overwrite_existing_sets():
    assert meet(ann(), user("9", first_name="Zoe"))["first_name"] == "Zoe"


def test_an_empty_value_clears_only_what_the_same_data_source_wrote():
    target = ann()
    meet(target, user("9", first_name=None, last_name="Fox"))
    assert target.values == {**ann().values, "last_name": "Fox"}
    meet(target, user("9", 1, first_name=None, last_name=None))
    assert target.values == ann().values
    assert meet(ann(), user("1", first_name=None), policy=POLICY) == {"email": "ann@example.com"}


def test_what_the_record_does_not_speak_of_stays():
    assert meet(ann(), user("1", last_name="Fox"), policy=POLICY)["first_name"] == "Ann"


# Rule 5


@pytest.mark.parametrize(
    "changes",
    [{"strategy": "append_only"}, {"keep_existing": True}, {"modify": frozenset()}],
    ids=lambda c: next(iter(c)),
)
def test_fields_of_the_vendor_always_follow_it(changes: dict[str, Any]):
    following = replace(OTHER, **changes)
    target = ann(**{"acme.plan": "free"})
    assert meet(target, user("9", plan="pro"), policy=following)["acme.plan"] == "pro"
    assert "acme.plan" not in meet(target, user("9", 1, plan=None), policy=following)


# Rule 6


def test_a_record_older_than_what_its_source_wrote_changes_nothing():
    target = ann()
    meet(target, user("9", 5, first_name="Zoe"), user("8", 4, first_name="Old", plan="old"))
    assert target.values == {**ann().values, "first_name": "Zoe"}


def test_two_records_of_one_moment_end_alike_whichever_comes_first():
    one, other = user("8", 5, first_name="Eve"), user("9", 5, first_name="Zoe")
    assert meet(ann(), one, other) == meet(ann(), other, one)


def test_what_another_source_wrote_later_is_no_hindrance(world: World):
    world.apply(user("1", 50, email="ann@example.com", first_name="Ann"))
    world.apply(user("9", 1, email="ann@example.com", first_name="Zoe"), policy=OTHER)
    assert world.people()[0]["first_name"] == "Zoe"


def test_without_the_vendors_time_the_last_to_arrive_wins(world: World):
    world.apply(user("1", None, first_name="Ann"))
    world.apply(user("1", None, first_name="Anna"))
    assert world.people()[0]["first_name"] == "Anna"


# Rule 7 is in test_identity.py; here what becomes of the values.


def test_the_survivor_is_filled_up_and_knows_who_wrote_what():
    survivor, absorbed = ann(), Values({"first_name": "Zoe", "phone": "1"}, {"*": [2, LATER_TEXT]}, 2, is_new=False)
    absorb(survivor, absorbed)
    assert survivor.values == {**ann().values, "phone": "1"}
    assert survivor.lineage == {"*": [1, NOW_TEXT], "phone": [2, LATER_TEXT]}


# Lineage


def test_a_new_person_has_one_entry_for_all_values(world: World):
    world.apply(user("1", email="a@example.com", plan="pro", phone=None))
    (person,) = world.people()
    assert person["lineage"] == {"*": [1, NOW_TEXT]}
    assert person["initial_source_id"] == 1


def test_a_change_tells_who_when_and_what_it_replaced(world: World):
    world.apply(user("1", email="ann@example.com", first_name="Ann", plan="free"))
    world.apply(user("9", email="ann@example.com", first_name="Zoe", last_name="Fox"), policy=OTHER)
    world.apply(user("1", 1, email="ann@example.com", plan=None))
    assert world.people()[0]["lineage"] == {
        "*": [1, NOW_TEXT],
        "first_name": [2, LATER_TEXT, "Ann"],
        "last_name": [2, LATER_TEXT],
        "acme.plan": [1, NOW_TEXT, "free"],
    }


def test_the_writer_of_a_value_is_its_own_entrys_or_else_the_makers():
    target = ann()
    meet(target, user("9", last_name="Fox"))
    assert (target.writer("first_name"), target.writer("last_name")) == (1, 2)
    assert Values({}, {}, None, is_new=True).writer("email") is None


def test_an_equal_value_writes_no_lineage(world: World):
    world.apply(user("1", email="a@example.com", first_name="Ann"))
    (before,) = world.people()
    world.statements.clear()
    world.apply(user("1", 5, email="a@example.com", first_name=" Ann "))
    assert world.people() == [before]
    assert not [statement for statement in world.statements if statement.startswith("INSERT INTO person")]


# Order

NAMES = ("Ann", "Bob", None)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Record], list[list[Record]]]:
    """Records of a few contacts that share emails, and the same records in another order, cut into pages."""
    records = []
    for contact in range(draw(st.integers(1, 5))):
        email = draw(st.sampled_from(["a@example.com", "b@example.com", None]))
        for minutes in draw(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True)):
            values = {key: draw(st.sampled_from(NAMES)) for key in ("first_name", "phone", "plan")}
            records.append(user(str(contact), minutes, email=email, **values))
    shuffled = draw(st.permutations(records))
    pages: list[list[Record]] = [[]]
    for record in shuffled:
        if draw(st.booleans()):
            pages.append([])
        pages[-1].append(record)
    return records, pages


def table(world: World) -> list[tuple[Any, ...]]:
    columns = ("email", "phone", "external_id", "first_name", "last_name", "fields", "email_subscribed")
    return sorted((tuple(person[column] for column in columns) for person in world.people()), key=repr)


def clear(world: World) -> None:
    with writing(world.engine) as connection:
        for model in (Identity, Link, Membership, Merge, Person, RefusedRecord, Tagging):
            connection.execute(delete(model))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(histories())
def test_the_same_records_in_any_order_and_pages_make_the_same_people(
    world: World, history: tuple[list[Record], list[list[Record]]]
):
    by_email = policy(matching={"user": MergePolicy(("email",))})
    records, pages = history
    clear(world)
    world.apply(*records, policy=by_email)
    at_once = table(world)
    clear(world)
    for page in pages:
        world.apply(*page, policy=by_email)
    assert table(world) == at_once
