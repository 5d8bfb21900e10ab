"""The fields of an account come, change, go and come back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from core.contract.types import FieldSpec
from core.db.engine import writing
from core.db.models import Field
from core.services.accounts import account_of
from core.services.configuration import Chosen
from core.services.connecting import connect
from core.services.fields import store_schema
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.sources import config_of, get_source, now_utc
from tests.services.conftest import CONFIG, rows, run
from tests.services.vendor import Vendor, user

NAME, PLAN, SEATS = (
    FieldSpec("user", "name", "Name", feeds="first_name"),
    FieldSpec("user", "plan", "Plan", custom=True, options=("free", "pro"), sample="pro"),
    FieldSpec("firm", "seats", "Seats", "integer", sample=3),
)
EVERYTHING: dict[str, Chosen] = {"user": None, "firm": None}


def store(
    mainstem: Mainstem, source: int, *schema: FieldSpec, objects: dict[str, Chosen] = EVERYTHING, later: int = 0
) -> datetime:
    now = now_utc() + timedelta(minutes=later)
    with writing(mainstem.engine) as connection:
        store_schema(connection, source, schema, objects, now)
    return now


def stored(mainstem: Mainstem) -> dict[str, Any]:
    return {row["key"]: row for row in rows(mainstem.engine, Field)}


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.fields = []
    return vendor


def test_a_field_is_stored_as_it_is_described(mainstem: Mainstem, source: int):
    now = store(mainstem, source, NAME, PLAN, SEATS)
    found = stored(mainstem)
    assert found["plan"] | {"id": 0} == {
        "id": 0,
        "source_id": source,
        "object": "user",
        "key": "plan",
        "label": "Plan",
        "type": "text",
        "custom": True,
        "feeds": None,
        "options": ["free", "pro"],
        "sample": "pro",
        "selected": True,
        "is_new": False,
        "position": 1,
        "first_seen_at": now,
        "retired_at": None,
    }
    assert (found["seats"]["type"], found["seats"]["sample"], found["name"]["feeds"]) == ("integer", 3, "first_name")


def test_a_new_one_appears_and_an_old_one_is_described_anew(mainstem: Mainstem, source: int):
    first = store(mainstem, source, PLAN)
    second = store(mainstem, source, NAME, FieldSpec("user", "plan", "Tariff", "list"), later=1)
    found = stored(mainstem)
    assert (found["plan"]["label"], found["plan"]["type"], found["plan"]["position"]) == ("Tariff", "list", 1)
    assert (found["plan"]["first_seen_at"], found["name"]["first_seen_at"]) == (first, second)


def test_a_sample_stays_until_there_is_another(mainstem: Mainstem, source: int):
    store(mainstem, source, PLAN, SEATS)
    store(mainstem, source, FieldSpec("user", "plan", "Plan"), FieldSpec("firm", "seats", "Seats", sample=4), later=1)
    found = stored(mainstem)
    assert (found["plan"]["sample"], found["seats"]["sample"]) == ("pro", 4)


def test_one_that_is_gone_is_retired_and_comes_back(mainstem: Mainstem, source: int):
    first = store(mainstem, source, NAME, PLAN)
    second = store(mainstem, source, NAME, later=1)
    store(mainstem, source, NAME, later=2)
    assert stored(mainstem)["plan"]["retired_at"] == second
    store(mainstem, source, NAME, PLAN, later=3)
    plan = stored(mainstem)["plan"]
    assert (plan["retired_at"], plan["first_seen_at"]) == (None, first)


def test_after_a_time_without_its_fields_an_object_is_read_anew(mainstem: Mainstem, vendor: Vendor, source: int):
    email, plan = FieldSpec("user", "email", "Email", feeds="email"), FieldSpec("user", "plan", "Plan", custom=True)
    vendor.fields, vendor.data = [email, plan], {"user": [user(1)]}
    run(mainstem, source)
    for fields in ([email], [email, plan]):
        vendor.fields = fields
        run(mainstem, source)
    run(mainstem, source)
    run(mainstem, source)
    assert [scope.since["user"] is None for scope in vendor.scopes] == [True, False, False, True, False]


def test_the_same_key_of_two_objects_is_two_fields(mainstem: Mainstem, source: int):
    store(mainstem, source, NAME, FieldSpec("firm", "name", "Name"))
    store(mainstem, source, NAME, later=1)
    assert {(row["object"], row["retired_at"] is None) for row in rows(mainstem.engine, Field)} == {
        ("user", True),
        ("firm", False),
    }


def test_the_last_description_of_a_key_counts(mainstem: Mainstem, source: int):
    store(mainstem, source, PLAN, FieldSpec("user", "plan", "Tariff"))
    assert stored(mainstem)["plan"]["label"] == "Tariff"


def test_selected_is_what_was_chosen(mainstem: Mainstem, source: int):
    store(mainstem, source, NAME, PLAN, SEATS, objects={"user": frozenset({"plan"})})
    assert {key: row["selected"] for key, row in stored(mainstem).items()} == {
        "name": False,
        "plan": True,
        "seats": False,
    }


def test_only_selected_fields_that_are_there_are_imported(mainstem: Mainstem, vendor: Vendor):
    vendor.fields = [NAME, PLAN, FieldSpec("user", "mail", "Mail", feeds="email"), FieldSpec("user", "old", "Old")]
    source = connect(mainstem, "acme", CONFIG | {"objects": {"user": ["plan", "mail", "old"]}}, "test")
    vendor.fields.pop()
    vendor.data = {"user": [user(1, first_name="Ann")]}
    run(mainstem, source)
    with mainstem.engine.connect() as connection:
        row = get_source(connection, source)
        config = config_of(mainstem, row)
        account = account_of(mainstem, row, config)
        policy = policy_of(mainstem, connection, row, config, account, now_utc(), historical=False)
    assert [spec.key for spec in policy.fields["user"]] == ["plan", "mail"]
    assert policy.fields["user"][0] == FieldSpec("user", "plan", "Plan", custom=True, options=("free", "pro"))
    assert policy.deselected["user"] == {"first_name"}
    from core.db.models import Person

    (person,) = rows(mainstem.engine, Person)
    assert (person["email"], person["first_name"]) == ("u1@example.com", None)
