from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.filters import ACTIVITY_OPERATORS, Occurrence
from tests.filters.world import Entity, ids


def closed(day: str, source: int = 1, type: str = "closed", **attributes: Any) -> Occurrence:
    return Occurrence(type, datetime.fromisoformat(f"{day}T12:00:00Z"), attributes, source)


def asked(op: str, activity: str = "shop.closed", **parts: Any) -> dict[str, Any]:
    return {"activity": activity, "op": op, **parts}


def doing(**activities: list[Occurrence]) -> dict[str, Entity]:
    return {name: Entity(id, activities=done) for (name, done), id in zip(activities.items(), ids(), strict=False)}


LAST_WEEK: dict[str, Any] = {"op": "in_the_last", "value": 7}


@pytest.fixture
def people() -> dict[str, Entity]:
    return doing(
        never=[],
        now=[closed("2026-11-24")],
        old=[closed("2025-01-01")],
        both=[closed("2025-01-01"), closed("2026-11-23")],
        opened=[closed("2026-11-24", type="opened")],
        elsewhere=[closed("2026-11-24", source=3)],
    )


@pytest.mark.parametrize("kind", ["person", "organization"])
def test_when_an_activity_occurred(find, people, kind):
    expected = {
        "has_occurred": ("now old both", "now both"),
        "has_not_occurred": ("never opened elsewhere", "never old opened elsewhere"),
        "first_occurred": (None, "now"),
        "last_occurred": (None, "now both"),
    }
    for op, (ever, last_week) in expected.items():
        if ever is not None:
            assert find(asked(op), people, kind=kind) == ever
        assert find(asked(op, when=LAST_WEEK), people, kind=kind) == last_week
    assert set(expected) == set(ACTIVITY_OPERATORS)


def test_data_sources_and_types(find, people):
    assert find(asked("has_occurred", "any.closed"), people) == "now old both elsewhere"
    assert find(asked("has_occurred", "shop.opened"), people) == "opened"
    assert find(asked("has_occurred", "any"), people) == "now old both opened elsewhere"
    assert find(asked("has_not_occurred", "any"), people) == "never"


def test_counts(find):
    people = doing(
        zero=[closed("2026-11-24", type="opened")],
        one=[closed("2026-11-24")],
        two=[closed("2026-11-24"), closed("2026-11-24")],
        three=[closed("2025-01-01"), closed("2026-11-24"), closed("2026-11-24")],
    )
    expected = {
        ("at_least", 1): ("one two three", "one two three"),
        ("at_least", 2): ("two three", "two three"),
        ("at_least", 3): ("three", ""),
        ("at_most", 0): ("zero", "zero"),
        ("at_most", 2): ("zero one two", "zero one two three"),
        ("exactly", 0): ("zero", "zero"),
        ("exactly", 1): ("one", "one"),
        ("exactly", 2): ("two", "two three"),
    }
    found = {
        (op, count): (
            find(asked("has_occurred", times={op: count}), people),
            find(asked("has_occurred", times={op: count}, when=LAST_WEEK), people),
        )
        for op, count in expected
    }
    assert found == expected


def test_attributes(find):
    people = doing(
        sales=[closed("2026-11-24", team="Sales", rating=5, labels=["vip"])],
        support=[closed("2026-11-24", team="Support", rating=1)],
        apart=[closed("2026-11-24", team="Sales", rating=1), closed("2026-11-24", team="Support", rating=5)],
        nothing=[closed("2026-11-24")],
    )
    sales = {"field": "team", "op": "is", "value": "sales"}
    good = {"field": "rating", "op": "at_least", "value": 4}
    assert find(asked("has_occurred", where=sales), people) == "sales apart"
    # One and the same activity has to meet all of them.
    assert find(asked("has_occurred", where={"all": [sales, good]}), people) == "sales"
    assert find(asked("has_occurred", where={"any": [sales, good]}), people) == "sales apart"
    assert find(asked("has_not_occurred", where=sales), people) == "support nothing"
    is_not = {"field": "team", "op": "is_not", "value": "Sales"}
    assert find(asked("has_occurred", where=is_not), people) == "support apart nothing"
    vip = {"field": "labels", "op": "contains", "value": "vip"}
    assert find(asked("has_occurred", where=vip, times={"exactly": 1}), people) == "sales"
    assert find(asked("last_occurred", where=sales, when=LAST_WEEK), people) == "sales apart"


def test_attributes_of_which_the_vendor_has_changed_the_type(find):
    written = {"text": "5", "number": 5, "precise": 5.0, "no": False, "quoted": 'A "5"', "items": ["5", "É"]}
    people = doing(**{name: [closed("2026-11-24", team=each, labels=each)] for name, each in written.items()})

    def who(field: str, op: str, value: Any) -> str:
        found: str = find(asked("has_occurred", where={"field": field, "op": op, "value": value}), people)
        return found

    assert who("team", "is", "5") == "text number"
    assert who("team", "is", "FALSE") == "no"
    assert who("team", "is", 'a "5"') == "quoted"
    assert who("team", "is", "007") == ""
    assert who("team", "is", "٥") == ""
    assert who("team", "is", "5" * 1000) == ""
    assert who("labels", "contains", "É") == "items"
    assert who("labels", "contains_any", ["6", "5"]) == "items"


def test_the_first_is_the_first_of_those_that_are_looked_at(find):
    people = doing(ann=[closed("2025-01-01", team="Support"), closed("2026-11-24", team="Sales")])
    sales = {"field": "team", "op": "is", "value": "Sales"}
    assert find(asked("first_occurred", when=LAST_WEEK), people) == ""
    assert find(asked("first_occurred", when=LAST_WEEK, where=sales), people) == "ann"


def test_those_who_took_part_have_done_it_too_and_once(find):
    # Of what «both» joined one has no owner, and one is her own: see world.store.
    fresh = ids()
    people = {
        "owner": Entity(next(fresh), activities=[closed("2026-11-24")]),
        "joined": Entity(next(fresh), joined=[closed("2026-11-24")]),
        "both": Entity(next(fresh), joined=[closed("2026-11-24"), closed("2026-11-24")]),
    }
    assert find(asked("has_occurred"), people) == "owner joined both"
    assert find(asked("has_occurred", times={"exactly": 1}), people) == "owner joined"
    assert find(asked("has_occurred", times={"exactly": 2}), people) == "both"
    assert find(asked("last_occurred", when=LAST_WEEK), people) == "owner joined both"
    assert find(asked("has_not_occurred"), people) == ""


def test_windows_follow_the_clock_of_the_zone(find):
    night = Occurrence("closed", datetime(2026, 11, 23, 23, 30, tzinfo=UTC), {}, 1)
    people = doing(ann=[night])
    today = {"op": "in_the_last", "value": 1}
    for op in ("has_occurred", "first_occurred", "last_occurred"):
        assert find(asked(op, when=today), people, zone=ZoneInfo("Europe/Berlin")) == "ann"
        assert find(asked(op, when=today), people, zone=UTC) == ""


def test_activities_of_organizations(find):
    fresh = ids()
    busy, idle = Entity(next(fresh), activities=[closed("2026-11-24")]), Entity(next(fresh))
    people = {"ann": Entity(next(fresh), organizations=[busy]), "bob": Entity(next(fresh), organizations=[idle])}
    assert find({"organization": asked("has_occurred")}, people) == "ann"
    assert find({"organization": asked("has_not_occurred")}, people) == "bob"
    assert find(asked("has_occurred"), people) == ""
