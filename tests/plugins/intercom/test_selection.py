"""An admin's conditions in Intercom's search language: never fewer contacts than meet them, and few requests (R9)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract.types import AllOf, AnyOf, Condition, Conditions, FieldSpec, Partition, Record, Scope
from core.filters import OPERATORS, parse
from core.services.selecting import catalogue_of, selection_of, wanted_by
from plugins.base.client import Declined
from plugins.intercom import contact_stream, lookups, plugin
from plugins.intercom.client import IntercomClient
from plugins.intercom.contact_stream import created_in
from plugins.intercom.sandbox import fields, search
from plugins.intercom.selection import where as sent
from plugins.intercom.selection import words_of
from tests.plugins.intercom.support import Read, Workspace, read_partition, source

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime.now(UTC)


@cache
def world() -> tuple[Workspace, Mapping[str, Record], list[FieldSpec]]:
    """A workspace, its contacts as the host sees them, and their fields."""
    workspace = Workspace(people=120, conversations=0)
    for number, contact in enumerate(list(workspace.store.contacts)[:6]):
        given = contact.fields["custom_attributes"]
        workspace.store.update_contact(
            contact.fields["id"],
            name=["Ann  Marie Smith", "Smith, Ann", "ann", "", "Ann", "Zoë"][number],
            custom_attributes={**given, "seats": number, "plan": ["Free", "FREE", "", "free", "x", "y"][number]},
        )
    fields = [spec for spec in source.field_schema(account=workspace.account) if spec.object == "contact"]
    records = {record.remote_id: record for record in workspace.read(["contact"]).records["contact"]}
    return workspace, records, fields


def values_of(key: str) -> list[Any]:
    _, records, _ = world()
    found = [{**record.values, **record.fields, "tags": record.tags}.get(key) for record in records.values()]
    items = [item for value in found for item in (value if isinstance(value, list | tuple) else [value])]
    return sorted({item[:60] if isinstance(item, str) else item for item in items} - {None, ""}, key=str) or ["x"]


def value_of(operand: str, key: str) -> st.SearchStrategy[Any]:
    known = st.sampled_from(values_of(key))
    texts = st.builds(
        lambda value, change, start, end: change(str(value))[start:end] or "a",
        known,
        st.sampled_from([str, str.upper, str.title]),
        st.integers(0, 2),
        st.sampled_from([None, 3, 5]),
    ).filter(lambda text: text.strip() == text)
    numbers = known.map(int) | st.integers(0, 50)
    days = st.integers(1, 1_200).map(lambda days: (NOW - timedelta(days)).date().isoformat())
    return {
        "none": st.none(),
        "text": known.map(str) | texts if key != "tags" else known.map(str),
        "texts": st.lists(known.map(str), min_size=1, max_size=3),
        "number": numbers,
        "numbers": st.lists(numbers, min_size=2, max_size=2).map(sorted),
        "boolean": st.booleans(),
        "day": days,
        "days": st.lists(days, min_size=2, max_size=2).map(sorted),
        "day_count": st.integers(1, 300),
        "item_count": st.integers(0, 3),
    }[operand]


@st.composite
def leaves(draw: Any) -> dict[str, Any]:
    _, _, specs = world()
    field = draw(st.sampled_from([*((spec.key, spec.type) for spec in specs), ("tags", "tags")]))
    key, op = field[0], draw(st.sampled_from(sorted(OPERATORS[field[1]])))
    operand = OPERATORS[field[1]][op].operand
    tree = {"field": key, "op": op}
    return tree if operand == "none" else {**tree, "value": draw(value_of(operand, key))}


TREES = st.recursive(
    leaves(),
    lambda of: st.builds(
        lambda join, members: {join: members}, st.sampled_from(["all", "any"]), st.lists(of, min_size=1, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(tree=TREES, zone=st.sampled_from([BERLIN, ZoneInfo("UTC"), ZoneInfo("America/New_York")]))
def test_what_is_asked_finds_whoever_meets_the_conditions(tree: Any, zone: ZoneInfo):
    workspace, records, specs = world()
    filters = {"person": parse(tree, catalogue_of(plugin.manifest, specs, "person"))}
    conditions = selection_of(filters, plugin.manifest, specs, NOW, zone)["contact"]  # type: ignore[arg-type]
    meets = wanted_by(filters, plugin.manifest, specs, NOW, zone)["contact"]  # type: ignore[arg-type]
    wanted = {key for key, record in records.items() if meets(record)}

    words = words_of(workspace.account, conditions, lambda: BERLIN)
    parser = search.Parser(fields.CONTACTS, BERLIN, by_day=True)
    parser.parse(created_in(1, 86_400, sent(words.clauses)))  # with the bounds of a part it must not be refused
    query = parser.parse(created_in(None, None, sent(words.clauses)))
    found = {contact.fields["id"] for contact in workspace.store.contacts if query.matches(contact)}
    assert wanted <= found
    if words.exact:
        assert found == wanted


# --- reading ------------------------------------------------------------------------------------------------------


def custom(key: str, op: Any, value: Any, type: Any = "text") -> Condition:
    return Condition(f"custom_{key}", type, op, value)


ENTERPRISE = AllOf((custom("plan", "is", "Enterprise"), custom("seats", "at_least", 1, "integer")))


def planned(workspace: Workspace, conditions: Conditions) -> list[Partition]:
    account = replace(workspace.account, objects={"contact": None})
    return list(source.plan_sync(account=account, scope=Scope({"contact": None}, selection={"contact": conditions})))


def read(workspace: Workspace, partitions: list[Partition]) -> Read:
    done = Read()
    for partition in partitions:
        read_partition(workspace.account, partition, done)
    return done


def meeting(workspace: Workspace) -> set[str]:
    return {
        key
        for key, contact in workspace.everyone().items()
        if contact.value("custom_attributes.plan") == "enterprise" and contact.value("custom_attributes.seats")
    }


def test_a_selection_of_few_reads_few_pages(monkeypatch: pytest.MonkeyPatch):
    workspace = Workspace(people=3_000, conversations=0)
    wanted = meeting(workspace)
    partitions = planned(workspace, ENTERPRISE)
    assert [partition.narrowed for partition in partitions] == [True]
    done = read(workspace, partitions)
    assert set(done.ids("contact")) == wanted
    assert 0 < len(wanted) < 1_000
    # Two counts, and pages of 150.
    assert workspace.asked("POST /contacts/search") == 2 + -(-len(wanted) // 150)
    assert workspace.asked("GET /contacts") == 1
    assert done.pages[0].expected == len(wanted)

    monkeypatch.setattr(contact_stream, "SPLIT_FROM", 50)
    monkeypatch.setattr(contact_stream, "LEAST", 40)
    partitions = planned(workspace, ENTERPRISE)
    assert len(partitions) > 3
    assert sorted(read(workspace, partitions).ids("contact")) == sorted(wanted)


def test_ranges_that_miss_some_are_followed_by_a_search_of_the_same_conditions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contact_stream, "SPLIT_FROM", 10)
    monkeypatch.setattr(contact_stream, "LEAST", 5)
    monkeypatch.setattr(contact_stream, "zones", lambda account: ZoneInfo("Pacific/Kiritimati"))
    workspace = Workspace(people=900, conversations=0)
    *ranges, rest = planned(workspace, custom("plan", "is", "starter"))
    assert rest.key == "missing"
    done = read(workspace, [*ranges, rest])
    plans = {contact.fields["id"]: contact.value("custom_attributes.plan") for contact in workspace.store.contacts}
    assert {plans[key] for key in done.ids("contact")} == {"starter"}
    assert set(done.ids("contact")) == {key for key, plan in plans.items() if plan == "starter"}


@pytest.mark.parametrize("when", ["planning", "reading"])
def test_where_intercom_takes_no_such_conditions_everything_is_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
):
    workspace = Workspace(people=300, conversations=0)
    ask = IntercomClient.search

    def refuses(self: Any, path: str, body: Any = None, params: Any = None) -> Any:
        if "custom_attributes.plan" in str(body):
            body = {**body, "query": {"field": "plan", "operator": "=", "value": "x"}}
        return ask(self, path, body, params)

    if when == "planning":
        monkeypatch.setattr(IntercomClient, "search", refuses)
    with caplog.at_level(logging.WARNING):
        partitions = planned(workspace, custom("plan", "is", "starter"))
        monkeypatch.setattr(IntercomClient, "search", refuses)
        done = read(workspace, partitions)
    assert set(done.ids("contact")) == workspace.everyone().keys()
    assert "without conditions" in caplog.text
    assert "invalid_field" in caplog.text


def test_where_intercom_takes_no_null_the_other_conditions_narrow_all_the_same(monkeypatch: pytest.MonkeyPatch):
    workspace = Workspace(people=300, conversations=0)
    ask = IntercomClient.search

    def refuses(self: Any, path: str, body: Any = None, params: Any = None) -> Any:
        if "'value': None" in str(body):
            raise Declined("Intercom takes no null", 400)
        return ask(self, path, body, params)

    monkeypatch.setattr(IntercomClient, "search", refuses)
    unlike = replace(custom("seats", "is", 3, "integer"), negated=True)
    starter = custom("plan", "is", "starter")
    (partition,) = planned(workspace, AllOf((unlike, starter)))
    assert partition.narrowed
    assert partition.start["where"] == [{"field": "custom_attributes.plan", "operator": "=", "value": "starter"}]
    assert [part.narrowed for part in planned(workspace, unlike)] == [False]


def test_where_the_zone_is_refused_everything_is_read(monkeypatch: pytest.MonkeyPatch):
    workspace = Workspace(people=300, conversations=0)

    def refuses(account: Any) -> Any:
        raise Declined("not for you", 403)

    monkeypatch.setattr(contact_stream, "zones", refuses)
    seen = Condition("last_seen_at", "datetime", "from", NOW)
    assert [part.narrowed for part in planned(workspace, seen)] == [False]


def test_a_search_that_lacks_many_is_not_asked(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    workspace = Workspace(people=300, conversations=0)
    monkeypatch.setattr(contact_stream, "_count_all", lambda client: 312)
    (partition,) = planned(workspace, custom("plan", "is", "starter"))
    assert (partition.key, partition.narrowed) == ("all", False)
    assert "search shows 300 of 312" in caplog.text


# --- counting -----------------------------------------------------------------------------------------------------


def counted(workspace: Workspace, conditions: Conditions) -> Mapping[str, int]:
    account = replace(workspace.account, objects={"contact": None})
    found: Mapping[str, int] = source.count_selected(account=account, selection={"contact": conditions})
    return found


def test_intercom_counts_what_it_can_be_asked_for_to_the_very_contact():
    workspace, _, _ = world()
    everyone = workspace.everyone().values()
    leads = sum(contact.fields["role"] == "lead" for contact in everyone)
    role = Condition("role", "text", "is", "Lead")
    assert counted(workspace, role) == {"contact": leads}
    assert counted(workspace, replace(role, negated=True)) == {"contact": len(everyone) - leads}
    assert counted(workspace, AllOf(())) == {"contact": len(everyone)}
    assert counted(workspace, AllOf((role, Condition("utm_term", "text", "is", "x")))) == {}
    assert counted(workspace, Condition("first_name", "text", "is", "Ann")) == {}
    # Groups within groups, and more of them than a search has room for.
    deep = AnyOf((AllOf((role, custom("plan", "is", "free"))), AllOf((replace(role, value="user"),))))
    plans = [contact.value("custom_attributes.plan") for contact in everyone if contact.fields["role"] == "lead"]
    assert counted(workspace, deep) == {
        "contact": len(everyone) - leads + sum(str(plan).lower() == "free" for plan in plans)
    }
    assert counted(workspace, AnyOf(tuple(custom("plan", "is", str(number)) for number in range(16)))) == {}
    assert counted(workspace, Condition("tags", "tags", "contains", "no such tag")) == {}


def test_a_tag_is_asked_for_by_its_id():
    workspace, records, _ = world()
    name = next(tag for record in records.values() for tag in record.tags or ())
    having = sum(name in (record.tags or ()) for record in records.values())
    assert counted(workspace, Condition("tags", "tags", "contains", name)) == {"contact": having}
    assert name in (lookups.tags(workspace.account) or {}).values()
