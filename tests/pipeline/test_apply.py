"""A page is taken in whole or not at all, with a fixed number of statements; what is refused or gone is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from core.contract.errors import Retry
from core.contract.types import Activity as Happened
from core.contract.types import Page, Record, Ref, Refusal
from core.db.base import Model
from core.db.models import (
    Activity,
    Article,
    DataSource,
    Identity,
    Link,
    Membership,
    Organization,
    Person,
    RefusedRecord,
    Tagging,
)
from core.pipeline import apply as module
from core.pipeline.apply import apply_page, summed
from core.pipeline.matching import Stale
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from tests.pipeline.conftest import MANIFEST, NOW, POLICY, World, at, chat, policy, user

LATER = NOW + timedelta(hours=1)


def refused(world: World) -> list[tuple[str, str, bool]]:
    rows = world.rows(RefusedRecord, "remote_id")
    return [(row["remote_id"], row["reason"], row["resolved_at"] is not None) for row in rows]


# Refused records


def test_a_refused_record_is_kept_with_reason_and_payload_and_the_rest_goes_in(world: World):
    counts = world.apply(user("1"), user("2", email=5), Refusal("chat", "c", "no parts", {"id": "c"}))
    assert counts == {"user": {"read": 2, "created": 1, "rejected": 1}, "chat": {"read": 1, "rejected": 1}}
    chat_row, user_row = sorted(world.rows(RefusedRecord), key=lambda row: str(row["object"]))
    assert (user_row["object"], user_row["remote_id"]) == ("user", "2")
    assert user_row["reason"] == "email: must be text"
    assert user_row["payload"] == {"id": "2", "email": 5}
    assert (user_row["refused_at"], user_row["resolved_at"], user_row["source_id"]) == (NOW, None, 1)
    assert (chat_row["reason"], chat_row["payload"]) == ("no parts", {"id": "c"})


def test_refused_again_it_is_still_one_with_the_newest_reason(world: World):
    world.apply(user("2", email=5))
    world.apply(user("2", phone=5), policy=policy(now=LATER))
    (row,) = world.rows(RefusedRecord)
    assert (row["reason"], row["refused_at"]) == ("phone: must be text", LATER)


def test_it_is_settled_when_it_comes_in_and_open_again_when_refused_again(world: World):
    world.apply(user("1", email=5), user("2", email=5), Refusal("chat", "1", "no parts"))
    world.apply(user("1", email="a@example.com"), policy=policy(now=LATER))
    text = "email: must be text"
    assert sorted(refused(world)) == [("1", text, True), ("1", "no parts", False), ("2", text, False)]
    world.apply(user("1", email=6))
    assert ("1", text, False) in refused(world)


def test_a_value_of_a_field_that_cannot_be_taken_leaves_what_was_there(world: World):
    world.apply(user("1", email="a@example.com", seats=3, plan="Pro"))
    assert world.apply(user("1", 1, email="a@example.com", seats="many", plan="Free")) == {
        "user": {"read": 1, "updated": 1, "incomplete": 1}
    }
    (person,) = world.rows(Person)
    assert person["fields"] == {"acme.seats": 3, "acme.plan": "Free"}
    told = "taken without seats: must be a whole number of at most 64 bits"
    assert refused(world) == [("1", told, False)]


def test_a_part_that_cannot_be_taken_costs_no_other_and_is_told_until_it_can(world: World):
    whole = chat("c", ("p", "1", at()), ("q", "1", at()))
    broken = replace(whole, activities=(whole.activities[0], replace(whole.activities[1], attributes={"x": {}})))
    counts = world.apply(broken, replace(whole, remote_id="d", activities=(), refused=("part r: no time",)))
    assert counts == {"chat": {"read": 2, "created": 1, "incomplete": 1, "rejected": 1}}
    assert [row["remote_id"] for row in world.rows(Activity)] == ["part:p"]
    told = "taken without said.x: must be a scalar or a list of scalars (of part:q)"
    assert refused(world) == [("c", told, False), ("d", "part r: no time", False)]
    world.apply(whole, policy=policy(now=LATER))
    assert sorted(row["remote_id"] for row in world.rows(Activity)) == ["part:p", "part:q"]
    assert [settled for *_, settled in refused(world)] == [True, False]


def test_it_is_settled_for_its_own_data_source_only(world: World):
    world.apply(user("1", email=5))
    world.apply(user("1", email="a@example.com"), policy=policy(source_id=2))
    assert [settled for *_, settled in refused(world)] == [False]


def test_it_is_settled_when_it_is_skipped_or_gone(world: World):
    world.apply(Refusal("chat", "c", "no parts"), Refusal("user", "1", "bad"))
    world.apply(chat("c", ("p", "1", NOW - timedelta(days=100))))
    world.apply(deleted=[Ref("user", "1")])
    assert [settled for *_, settled in refused(world)] == [True, True]


# Deleted records


def archived(world: World, model: type[Model] = Person) -> list[bool]:
    return [row["archived_at"] is not None for row in world.rows(model, "id")]


ARCHIVING = policy(archive_deleted=True, now=LATER)


def test_what_the_vendor_deleted_is_kept_and_its_link_is_marked(world: World):
    world.apply(user("1", email="a@example.com", tags=("vip",)))
    world.apply(deleted=[Ref("user", "1"), Ref("user", "unknown")], policy=policy(now=LATER))
    assert archived(world) == [False]
    (link,) = world.rows(Link)
    assert link["deleted_at"] == LATER


def test_it_is_archived_if_the_admin_wants_that(world: World):
    article, firm = Record("text", "t", values={"title": "x"}), Record("firm", "f", values={"name": "x"})
    world.apply(user("1"), user("2"), article, firm)
    world.apply(deleted=[Ref("user", "1"), Ref("text", "t"), Ref("firm", "f")], policy=ARCHIVING)
    assert sorted(archived(world)) == [False, True]
    assert archived(world, Article) == archived(world, Organization) == [True]
    world.apply(deleted=[Ref("user", "1")], policy=replace(ARCHIVING, now=LATER + timedelta(hours=1)))
    assert {row["archived_at"] for row in world.rows(Person)} == {None, LATER}


def test_a_person_is_archived_when_the_last_of_her_contacts_is_deleted(world: World):
    world.apply(user("1", email="a@example.com"), user("2", email="a@example.com"))
    world.apply(user("9", email="a@example.com"), policy=policy(source_id=2))
    for refs in ([Ref("user", "1")], [Ref("user", "2")]):
        world.apply(deleted=refs, policy=ARCHIVING)
        assert archived(world) == [False]
    world.apply(deleted=[Ref("user", "9")], policy=replace(ARCHIVING, source_id=2))
    assert archived(world) == [True]


def test_what_reappears_is_back(world: World):
    record = user("1", email="a@example.com", tags=("vip", "old"), firms=("f",))
    world.apply(record)
    world.apply(deleted=[Ref("user", "1")], policy=ARCHIVING)
    assert world.apply(record) == {"user": {"read": 1, "updated": 1}}
    assert archived(world) == [False]
    assert [row["deleted_at"] for row in world.rows(Link, "object")] == [None, None]
    world.apply(deleted=[Ref("user", "1")], policy=ARCHIVING)
    world.apply(user("1", 1, email="a@example.com", tags=("vip",), firms=()))
    assert archived(world) == [False]
    assert [row["name"] for row in world.rows(Tagging)] == ["vip"]
    assert world.rows(Membership) == []


def test_who_was_archived_here_stays_archived(world: World):
    world.apply(user("1", email="a@example.com"))
    with world.engine.begin() as connection:
        connection.execute(Person.__table__.update().values(archived_at=NOW))  # type: ignore[attr-defined]
    world.apply(deleted=[Ref("user", "1")], policy=ARCHIVING)
    world.apply(user("1", 1, email="b@example.com"))
    assert archived(world) == [True]


def test_a_record_older_than_the_deleted_one_does_not_bring_it_back(world: World):
    world.apply(user("1", 5, email="a@example.com"))
    world.apply(deleted=[Ref("user", "1")], policy=ARCHIVING)
    assert world.apply(user("1", 4, email="old@example.com")) == {"user": {"read": 1, "unchanged": 1}}
    assert archived(world) == [True]


# One transaction


def everything(world: World) -> list[Any]:
    return [world.rows(model) for model in (Person, Organization, Link, Identity, Activity, Membership, RefusedRecord)]


def test_a_checkpoint_that_fails_undoes_the_page(world: World):
    world.apply(user("1", email="a@example.com"))
    before = everything(world)

    def lose(connection: Connection, counts: Any) -> None:
        assert counts["user"]["created"] == 1
        raise LookupError("the lease is lost")

    records = [
        user("1", 1, email="b@example.com"),
        user("2", email=5),
        user("3", firms=("f",)),
        chat("c", ("p", "4", at())),
    ]
    with pytest.raises(LookupError, match="the lease is lost"):
        apply_page(world.engine, Page(records=records), Shaper(POLICY), POLICY, lose)
    assert everything(world) == before


def test_the_checkpoint_is_written_with_the_page(world: World):
    def save(connection: Connection, counts: Any) -> None:
        connection.execute(DataSource.__table__.update().values(name=f"{counts['user']['created']} came"))  # type: ignore[attr-defined]

    apply_page(world.engine, Page(records=[user("1"), user("2")]), Shaper(POLICY), POLICY, save)
    assert {row["name"] for row in world.rows(DataSource)} == {"2 came"}


class Refused(Exception):
    """What PostgreSQL's driver raises."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def failing(*errors: Exception) -> tuple[Any, list[int]]:
    """A checkpoint that fails as often as there are errors, and how often it was called."""
    left, calls = list(errors), []

    def checkpoint(connection: Connection, counts: Any) -> None:
        calls.append(counts["user"]["created"])
        if left:
            raise left.pop(0)

    return checkpoint, calls


def test_a_page_that_met_another_one_is_applied_again(world: World):
    errors = [
        Stale(),
        OperationalError("", {}, Refused("40P01")),
        OperationalError("", {}, Exception("database is locked")),
    ]
    checkpoint, calls = failing(*errors)
    apply_page(world.engine, Page(records=[user("1")]), Shaper(POLICY), POLICY, checkpoint)
    assert calls == [1, 1, 1, 1]
    assert len(world.people()) == 1


@pytest.mark.parametrize(
    ("error", "times"),
    [(Stale(), 10), (OperationalError("", {}, Refused("40001")), 10), (IntegrityError("", {}, Refused("23502")), 1)],
)
def test_but_not_for_ever_nor_when_that_would_not_help(world: World, error: Exception, times: int):
    checkpoint, calls = failing(*[error] * 20)
    with pytest.raises(Retry if isinstance(error, Stale) else type(error)):
        apply_page(world.engine, Page(records=[user("1")]), Shaper(POLICY), POLICY, checkpoint)
    assert len(calls) == times == (module._RETRIES if times > 1 else 1)
    assert world.people() == []


def test_an_empty_page_writes_nothing(world: World):
    assert statements(world, []) == []


def test_counts_add_up_by_object():
    counts = [{"user": {"read": 1, "created": 1}}, {"user": {"read": 2}, "chat": {"read": 1}}, {}]
    assert summed(counts) == {"user": {"read": 3, "created": 1}, "chat": {"read": 1}}


# Permissions


def permissions(world: World) -> list[tuple[bool, bool]]:
    return [(row["email_subscribed"], row["sms_subscribed"]) for row in world.people()]


def test_a_new_person_gets_the_plugins_defaults_unless_her_record_says_otherwise(world: World):
    world.apply(user("1", email="a@example.com"))
    assert permissions(world) == [(True, False)]
    world.apply(user("2", email="b@example.com", permissions={"email": False, "sms": True}))
    assert permissions(world) == [(True, False), (False, True)]
    texting = policy(manifest=replace(MANIFEST, permission_defaults={"sms": True}))
    world.apply(user("3", email="c@example.com"), policy=texting)
    assert permissions(world)[2] == (False, True)


def test_who_was_met_in_a_chat_is_new_when_her_record_comes(world: World):
    world.apply(chat("c", ("p", "1", at())))
    world.apply(user("1", email="a@example.com", permissions={"email": False}))
    assert permissions(world) == [(False, False)]


def test_permissions_of_who_is_here_never_change(world: World):
    world.apply(user("1", email="a@example.com", permissions={"email": False}))
    world.apply(user("1", 1, email="a@example.com", first_name="Ann", permissions={"email": True}))
    world.apply(user("9", email="a@example.com", permissions={"email": True, "sms": True}), policy=policy(source_id=2))
    assert permissions(world) == [(False, False)]


def test_an_unsubscribe_on_either_survives_a_merge(world: World):
    world.apply(user("1", email="a@example.com", permissions={"sms": True}))
    world.apply(user("2", external_id="x", permissions={"email": False, "sms": True}))
    world.apply(user("3", 1, email="a@example.com", external_id="x"))
    assert permissions(world) == [(False, True)]


# A fixed number of statements


def page(size: int, minutes: float = 0, changed: Iterable[int] = ()) -> list[Record]:
    """Organizations, people who share emails and belong to them, and what they did; tags and one refused record."""
    new = set(changed)
    records: list[Record] = []
    for n in range(size):
        at_minute = minutes if n in new or not new else 0
        plan = "new" if n in new else "old"
        firms = (f"f{n}", f"f{n // 2}")
        records += [
            Record("firm", f"f{n}", at(at_minute), values={"name": f"Firm {n}"}, fields={"tier": plan}, tags=("t",)),
            user(
                f"{n}",
                at_minute,
                email=f"p{n // 2}-{size}@example.com",
                external_id=f"x{n}-{size}",
                plan=plan,
                firms=firms,
                tags=(plan,),
            ),
            Record(
                "chat",
                f"c{n}",
                at(at_minute),
                activities=tuple(
                    Happened(
                        "said", f"{n}:{m}", at(), (Ref("user", f"{n}"), Ref("user", f"{m}")), attributes={"x": plan}
                    )
                    for m in range(3)
                ),
            ),
        ]
    return [*records, user("bad", seats="x")]


SIZES = (10, 150, 600)


def statements(world: World, records: Sequence[Record], policy: Policy = POLICY) -> list[str]:
    """The statements that a page takes, without the values they are given."""
    world.statements.clear()
    world.apply(*records, policy=policy)
    texts = [re.sub(r"%\(\w+\)s(::\w+)?", "?", text) for text in world.statements if not text.startswith("BEGIN")]
    return [re.sub(r"IN \([?, ]+\)", "IN", text) for text in texts]


def test_the_number_of_statements_does_not_depend_on_the_size_of_the_page(world: World):
    # The first page of an installation makes the salt of erasures.
    world.apply(user("first"))
    first, unchanged, little = [], [], []
    for source_id, size in enumerate(SIZES, 1):
        own = policy(source_id=source_id)
        first.append(statements(world, page(size), own))
        unchanged.append(statements(world, page(size), own))
        little.append(statements(world, page(size, 1, range(0, size, 100)), own))
    assert first[0] == first[1] == first[2]
    assert unchanged[0] == unchanged[1] == unchanged[2]
    assert little[0] == little[1] == little[2]
    assert len(first[0]) <= 19
    # One of them only as long as something is refused.
    assert len(unchanged[0]) <= 4
    assert len(little[0]) <= 23


def test_nor_when_people_are_matched_and_merged(world: World):
    # The first page of an installation makes the salt of erasures.
    world.apply(user("first"))
    numbers = []
    for source_id, size in enumerate(SIZES, 1):
        own = policy(source_id=source_id)
        alone = [user(f"{n}", email=f"{size}-{n}@example.com") for n in range(size)]
        named = [user(f"x{n}", external_id=f"{size}-{n}") for n in range(size)]
        both = [user(f"b{n}", 1, email=f"{size}-{n}@example.com", external_id=f"{size}-{n}") for n in range(size)]
        moved = [user(f"b{n}", 2, email=f"{size}+{n}@example.com") for n in range(size)]
        numbers.append([len(statements(world, records, own)) for records in (alone, named, both, moved)])
    assert numbers[0] == numbers[1] == numbers[2]
    assert max(numbers[0]) <= 23


def test_nothing_is_written_of_what_did_not_change(world: World):
    good = page(150)[:-1]
    world.apply(*good)
    assert [s for s in statements(world, good) if not s.startswith("SELECT")] == []
