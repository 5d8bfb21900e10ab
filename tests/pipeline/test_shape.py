"""What a record must look like, what becomes of it, and what is said of one that cannot be taken."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from core.contract.types import Activity, FieldType, Page, Record, Ref, Refusal
from core.pipeline.schemas import COLUMN_LENGTH, Reader
from core.pipeline.shape import Batch, Shaped, Shaper
from tests.pipeline.conftest import NOW, POLICY, World, at, chat, policy, user


def shape(*records: Record | Refusal, **changes: Any) -> Batch:
    return Shaper(policy(**changes)).shape(Page(records=records))


def shaped(record: Record) -> Shaped:
    batch = shape(record)
    assert not batch.refused, batch.refused
    return batch.records[0]


def reason(record: Record | Refusal) -> str:
    batch = shape(record)
    assert not batch.records
    assert batch.counts[record.object]["rejected"] == 1
    (row,) = batch.refused.values()
    return str(row["reason"])


def said(**changes: Any) -> Record:
    activity = Activity("said", "part:1", at(), (Ref("user", "1"),))
    return Record("chat", "c", activities=(replace(activity, **changes),))


# Refusals

WHOLE = "must be a whole number of at most 64 bits"
FINITE = "must be a finite number"
TIME = "must be a time: unix seconds or ISO 8601"
ID = "must be text of at most 200 printable characters"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (user("1", email=5), "email: must be text"),
        (user("1", email=["a@example.com"]), "email: must be text"),
        (user("1", first_name="x" * (COLUMN_LENGTH + 1)), f"first_name: Longer than maximum length {COLUMN_LENGTH}."),
        (user("1", country={"nested": 1}), "country: must be text"),
        (user("1", country=math.nan), "country: must be text"),
        (user("1", nickname="x"), "nickname: the plugin gives a value that does not exist for Users"),
        (user("1", tags=(" ",)), "tags: must be names"),
        (user("1", tags=(5,)), "tags: must be names"),
        (user("1", permissions={"sms": "no"}), "permissions.sms: must be true or false"),
        (user("", email="a@example.com"), "id: missing"),
        (user("x" * 201), f"id: {ID}"),
        (user("1\0"), f"id: {ID}"),
        (user("\ud800"), f"id: {ID}"),
        (user(5), f"id: {ID}"),  # type: ignore[arg-type]
        (replace(user("1"), updated_at=datetime(2026, 1, 1)), "updated_at: must be a moment with a time zone"),  # noqa: DTZ001
        (replace(user("1"), created_at="now"), "created_at: must be a moment with a time zone"),  # type: ignore[arg-type]
        (user("1", firms=("",)), "organizations: missing"),
        (user("1", firms=("a\0",)), f"organizations: {ID}"),
        (
            replace(user("1"), organizations=(Ref("user", "2"),)),
            "organizations: the plugin has no object 'user' of kind organization",
        ),
        (
            replace(user("1"), organizations=(Ref("ghost", "2"),)),
            "organizations: the plugin has no object 'ghost' of kind organization",
        ),
        (Record("text", "1", parent=Ref("text", "2")), "parent: the plugin has no object 'text' of kind collection"),
        (Record("ghost", "1"), "ghost: the plugin has no such object"),
        (Record("text", "1", values={"translations": {"fr": "x"}}), "translations: "),
        (Record("shelf", "1", values={"position": "top"}), f"position: {WHOLE}"),
        (said(type="sang"), "sang: the plugin does not declare this activity"),
        (said(remote_id=""), "said.id: missing"),
        (said(remote_id="x" * 201), f"said.id: {ID}"),
        (said(occurred_at=None), "said.occurred_at: must be a moment with a time zone"),
        (said(occurred_at=datetime(2026, 11, 24)), "said.occurred_at: must be a moment with a time zone"),  # noqa: DTZ001
        (said(people=(Ref("firm", "1"),)), "people: the plugin has no object 'firm' of kind person"),
        (said(organization=Ref("user", "1")), "organization: the plugin has no object 'user' of kind organization"),
        (said(attributes={"a": {"b": 1}}), "said.a: must be a scalar or a list of scalars"),
        (said(attributes={"a": [["b"]]}), "said.a: must be a scalar or a list of scalars"),
        (said(attributes={"a": math.nan}), "said.a: must be a finite number"),
        (said(attributes={"a": 10**5000}), "a value cannot be stored: "),
        (Refusal("user", "1", "email: broken"), "email: broken"),
    ],
    ids=lambda value: None if isinstance(value, str) else "record",
)
def test_a_record_that_cannot_be_taken_is_set_aside_with_the_field_and_what_is_allowed(
    record: Record | Refusal, message: str
):
    assert reason(record).startswith(message)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (user("1", plan=["a"]), "plan: must be text"),
        (user("1", plan=10**5000), "plan: must be text"),
        (user("1", seats="many"), f"seats: {WHOLE}"),
        (user("1", seats=2**63), f"seats: {WHOLE}"),
        (user("1", seats=10**400), f"seats: {WHOLE}"),
        (user("1", seats=math.inf), f"seats: {WHOLE}"),
        (user("1", seats=2.5), f"seats: {WHOLE}"),
        (user("1", seats=True), f"seats: {WHOLE}"),
        (user("1", seats=[1]), f"seats: {WHOLE}"),
        (user("1", score=math.nan), f"score: {FINITE}"),
        (user("1", score="-inf"), f"score: {FINITE}"),
        (user("1", score=10**400), f"score: {FINITE}"),
        (user("1", score=True), f"score: {FINITE}"),
        (user("1", vip="perhaps"), "vip: must be true or false"),
        (user("1", vip=[True]), "vip: must be true or false"),
        (user("1", joined="yesterday"), f"joined: {TIME}"),
        (user("1", joined="2026-01-31T10:00:00"), f"joined: {TIME}"),
        (user("1", joined=datetime(2026, 1, 31)), f"joined: {TIME}"),  # noqa: DTZ001
        (user("1", joined=True), f"joined: {TIME}"),
        (user("1", joined=1e20), f"joined: {TIME}"),
        (user("1", joined={"at": 1}), f"joined: {TIME}"),
        (user("1", born="31.1.2026"), "born: must be a date"),
        (user("1", born=[2026, 1, 31]), "born: must be a date"),
        (user("1", langs="en"), "langs: must be a list of texts"),
        (user("1", langs=[["en"]]), "langs: must be text"),
    ],
    ids=lambda value: None if isinstance(value, str) else "record",
)
def test_a_value_of_the_vendors_own_field_that_cannot_be_taken_costs_nothing_else(record: Record, message: str):
    good = {"plan": "Pro", "vip": True}
    batch = shape(replace(record, values={"email": "z@example.com"}, fields={**good, **record.fields}))
    (row,) = batch.refused.values()
    assert row["reason"] == f"taken without {message}"
    (taken,) = batch.records
    assert taken.values == {"email": "z@example.com"}
    assert taken.fields == {f"acme.{key}": value for key, value in good.items() if key not in record.fields}
    assert batch.counts["user"] == {"read": 1, "incomplete": 1, "capped": 0}


def test_a_refused_record_harms_no_other():
    batch = shape(user("1"), user("2", email=5), user("3"))
    assert [record.remote_id for record in batch.records] == ["1", "3"]
    assert batch.counts["user"] == {"read": 3, "rejected": 1, "capped": 0}


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        ({"a": 1}, {"a": 1}),
        (["a"], {"value": ["a"]}),
        (None, {"value": None}),
        ({"a": "x\0\ud800"}, {"a": "x?"}),
        ({"a": math.nan}, {"text": "{'a': nan}"}),
        ({"a": {1, 2}}, {"text": "{'a': {1, 2}}"}),
        ({1: "a", "b": 2}, {"text": "{1: 'a', 'b': 2}"}),
    ],
)
def test_whatever_was_sent_is_kept_with_the_refusal(payload: Any, kept: Any):
    (row,) = shape(Refusal("user", "1", "broken", payload)).refused.values()
    assert row["payload"] == kept


@pytest.mark.parametrize(
    "refusal", [Refusal("user", "1\0\ud800", "\0bad\ud800", {}), Refusal("user", "x" * 900, "y" * 9_000)]
)
def test_odd_and_endless_texts_of_a_refusal_can_be_stored(world: World, refusal: Refusal):
    assert world.apply(refusal) == {"user": {"read": 1, "rejected": 1}}


def test_refusals_without_an_id_are_told_apart_by_what_was_sent():
    batch = shape(*(Refusal("user", "", "no id", {"n": n}) for n in (1, 2, 2)))
    assert [row["payload"] for row in batch.refused.values()] == [{"n": 1}, {"n": 2}]


# Normal forms

EAST = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"email": " Ann@Example.COM "}, {"email": "ann@example.com"}),
        ({"email": "  "}, {"email": None}),
        ({"email": "\0"}, {"email": None}),
        ({"email": None}, {"email": None}),
        ({"first_name": "A\0nn "}, {"first_name": "Ann"}),
        ({"first_name": "Ann\ud83d"}, {"first_name": "Ann?"}),
        ({"external_id": "AbC"}, {"external_id": "AbC"}),
        ({"country": 49}, {"country": "49"}),
        ({"plan": True}, {"acme.plan": "true"}),
        ({"plan": 1.5}, {"acme.plan": "1.5"}),
        ({"seats": "7"}, {"acme.seats": 7}),
        ({"seats": 7.0}, {"acme.seats": 7}),
        ({"seats": -(2**63)}, {"acme.seats": -(2**63)}),
        ({"score": 3}, {"acme.score": 3.0}),
        ({"score": "3.5"}, {"acme.score": 3.5}),
        ({"vip": "true"}, {"acme.vip": True}),
        ({"vip": 0}, {"acme.vip": False}),
        ({"joined": 0}, {"acme.joined": "1970-01-01T00:00:00Z"}),
        ({"joined": "2026-01-31T23:30:00-02:00"}, {"acme.joined": "2026-02-01T01:30:00Z"}),
        ({"joined": datetime(2026, 1, 31, 2, tzinfo=EAST)}, {"acme.joined": "2026-01-30T23:00:00Z"}),
        ({"born": "2026-01-31"}, {"acme.born": "2026-01-31"}),
        ({"born": date(2026, 1, 31)}, {"acme.born": "2026-01-31"}),
        ({"born": 86_400 * 1.5}, {"acme.born": "1970-01-02"}),
        ({"langs": ["en", 5]}, {"acme.langs": ["en", "5"]}),
    ],
    ids=repr,
)  # fmt: skip
def test_values_have_one_normal_form(given: dict[str, Any], kept: dict[str, Any]):
    record = shaped(user("1", **given))
    assert record.values | record.fields == kept


def test_tags_are_trimmed_and_told_once():
    assert shaped(user("1", tags=(" vip ", "vip", "new\0"))).tags == ("vip", "new")


def test_what_no_database_can_store_is_taken_out_of_attributes():
    record = shaped(said(attributes={"text": "a\0b\udfff", "list": ("x\0",)}))
    assert record.activities[0].attributes == {"text": "ab?", "list": ["x"]}


def test_html_is_made_safe():
    html = '<p onclick="x()">Hi <script>alert(1)</script><a href="javascript:x()">go</a></p>'
    record = shaped(Record("text", "1", values={"body": html, "translations": {"fr": {"title": "<b>", "body": html}}}))
    french = record.values["translations"]["fr"]
    for body in (record.values["body"], french["body"]):
        assert body.startswith("<p>Hi ")
        assert not any(evil in body for evil in ("script", "onclick"))
    assert french["title"] == "<b>"


# Duplicates


def test_of_two_of_one_object_the_newer_counts_whichever_comes_first():
    for records in ((user("1", 1, plan="old"), user("1", 2, plan="new")), (user("1", 2, plan="new"), user("1", 1))):
        batch = shape(*records)
        assert [record.fields for record in batch.records] == [{"acme.plan": "new"}]
        assert batch.counts["user"] == {"read": 2, "unchanged": 1, "capped": 0}


def test_of_two_without_a_time_the_later_in_the_page_counts():
    batch = shape(user("1", None, plan="a"), user("1", None, plan="b"))
    assert [record.fields["acme.plan"] for record in batch.records] == ["b"]


def test_what_the_plugin_left_out_as_known_is_counted():
    batch = Shaper(POLICY).shape(Page(unchanged={"user": 7}))
    assert batch.counts == {"user": {"read": 7, "unchanged": 7}}


# Retention


def test_each_type_of_activity_is_kept_as_long_as_the_admin_wants():
    days = [1, 40, 100, 400]
    activities = [
        Activity(type_, f"{type_}:{n}", NOW - timedelta(days=n)) for type_ in ("said", "closed") for n in days
    ]
    record = Record("chat", "c", activities=tuple(activities))

    def kept(keep_days: dict[str | None, int | None]) -> list[str]:
        return [a.remote_id for found in shape(record, keep_days=keep_days).records for a in found.activities]

    assert kept({None: 90}) == ["said:1", "said:40", "closed:1", "closed:40"]
    assert kept({None: 30, "closed": 365}) == ["said:1", "closed:1", "closed:40", "closed:100"]
    assert kept({None: 0, "said": None}) == ["said:1", "said:40", "said:100", "said:400"]
    assert kept({None: None}) == [activity.remote_id for activity in activities]


def test_a_chat_of_which_nothing_is_kept_is_skipped():
    old = chat("c", ("p", "1", NOW - timedelta(days=91)))
    batch = shape(old)
    assert batch.records == []
    assert batch.counts["chat"] == {"read": 1, "skipped": 1}
    assert batch.accepted == {"chat": {"c"}}


def test_a_refused_activity_outside_retention_is_refused_all_the_same():
    assert reason(said(occurred_at=NOW - timedelta(days=91), remote_id="")) == "said.id: missing"


# At most so many


def test_no_object_relates_to_more_than_the_limit_and_the_rest_is_counted():
    record = user("1", firms=[f"f{n}" for n in range(80)] + ["f0"])
    batch = shape(record)
    assert [ref.remote_id for ref in batch.records[0].organizations or ()] == [f"f{n}" for n in range(50)]
    assert batch.counts["user"]["capped"] == 30


def test_people_left_out_of_a_chat_are_counted_once_however_much_they_said():
    people = tuple(Ref("user", str(n)) for n in range(5))
    activities = tuple(Activity("said", f"part:{n}", at(n), people) for n in range(3))
    batch = shape(Record("chat", "c", activities=activities), link_limit=3)
    assert [len(activity.people) for activity in batch.records[0].activities] == [3, 3, 3]
    assert batch.counts["chat"]["capped"] == 2


def test_one_named_twice_counts_as_one():
    batch = shape(user("1", firms=("a", "a", "b")), link_limit=2)
    assert batch.records[0].organizations == (Ref("firm", "a"), Ref("firm", "b"))
    assert batch.counts["user"]["capped"] == 0


# The hash


def test_the_hash_does_not_depend_on_the_order_of_keys_nor_on_writing():
    one = shaped(user("1", email="a@example.com", first_name="Ann", plan="x", seats=1))
    other = shaped(user("1", seats="1", plan=" x ", first_name="Ann", email="A@EXAMPLE.COM"))
    assert one.content_hash == other.content_hash
    said_so = [shaped(said(attributes=a)) for a in ({"a": 1, "b": [2]}, {"b": (2,), "a": 1})]
    assert said_so[0].content_hash == said_so[1].content_hash


@pytest.mark.parametrize(
    "other",
    [
        user("1", 0, plan="y", tags=(), firms=()),
        user("1", 1, plan="x", tags=(), firms=()),
        user("1", 0, plan="x", seats=None, tags=(), firms=()),
        user("1", 0, plan="x", tags=("vip",), firms=()),
        user("1", 0, plan="x", tags=None, firms=()),
        user("1", 0, plan="x", tags=(), firms=("f",)),
        replace(user("1", 0, plan="x", tags=(), firms=()), created_at=NOW),
    ],
)
def test_the_hash_differs_when_anything_does(other: Record):
    assert shaped(user("1", 0, plan="x", tags=(), firms=())).content_hash != shaped(other).content_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "closed"},
        {"remote_id": "part:2"},
        {"occurred_at": at(1)},
        {"people": (Ref("user", "2"),)},
        {"organization": Ref("firm", "f")},
        {"attributes": {"a": 1}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_hash_of_a_record_differs_when_an_activity_does(changes: dict[str, Any]):
    assert shaped(said()).content_hash != shaped(said(**changes)).content_hash


def test_a_payload_and_permissions_are_not_part_of_the_hash():
    one, other = replace(user("1"), payload={"a": 1}), user("1", permissions={"email": False})
    assert shaped(one).content_hash == shaped(other).content_hash


# The short way for usual values leads where marshmallow's way does.

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | st.text(max_size=20)
    | st.sampled_from([" x ", "\0", "5", "1e999", "2026-01-31", "2026-01-31T10:00:00Z", "yes", "x" * 600, " " * 600])
)  # fmt: skip
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


def outcome(read: Any, value: Any) -> Any:
    try:
        return read(value)
    except ValidationError as error:
        return str(error)


@pytest.mark.parametrize("type", get_args(FieldType))
@given(value=VALUES)
def test_usual_values_are_read_as_marshmallow_reads_them(type: FieldType, value: Any):
    reader = Reader("key", type)
    by_field = outcome(reader._deserialize, value) if value is not None else None
    assert repr(outcome(reader, value)) == repr(None if by_field == "" else by_field)


@given(value=VALUES)
def test_so_are_identifiers(value: Any):
    reader = Reader("key", "text", identifier=True)
    by_field = outcome(reader._deserialize, value) if value is not None else None
    assert outcome(reader, value) == (by_field or None)


def test_the_longest_text_of_a_column_fits_an_index(world: World):
    longest = "".join(chr(0x1F300 + (n * 37) % 700) for n in range(COLUMN_LENGTH))
    world.apply(Record("firm", "f", values={"name": longest}), user("u" * 200, email=longest))
    assert [person["email"] for person in world.people()] == [longest]
