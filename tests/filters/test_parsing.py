from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.filters import Catalogue, FilterError, FilterField, parse, sentence
from tests.filters.trees import trees
from tests.filters.world import ORGANIZATIONS, PEOPLE

CITY: Any = {"field": "shop.city", "op": "is", "value": "x"}
CLOSED: Any = {"activity": "shop.closed", "op": "has_occurred"}


def errors(tree: Any, catalogue: Catalogue = PEOPLE) -> dict[str, str]:
    with pytest.raises(FilterError) as caught:
        parse(tree, catalogue)
    assert str(caught.value)
    return caught.value.errors


def compared(key: str, op: str, value: Any) -> dict[str, str]:
    return errors({"field": key, "op": op, "value": value})


@pytest.mark.parametrize("tree", [None, [], "x", 5, {}, {"op": "is"}, {**CITY, "all": []}, {"ALL": [CITY]}])
def test_what_is_no_condition_at_all(tree):
    assert errors(tree) == {
        "": "must be an object with exactly one of the keys all, any, field, organization, activity"
    }


def test_unknown_field_says_what_is_near_and_what_there_is():
    small = Catalogue({"email": FilterField("Email"), "city": FilterField("City")})
    assert errors({"field": "emial", "op": "is", "value": "x"}, small) == {
        "field": "unknown field 'emial'; did you mean email?; allowed: email, city"
    }
    assert errors({"field": ["x"], "op": "is", "value": "x"}, small)["field"].startswith("unknown field ['x']; allowed")
    assert errors({"field": None}, Catalogue({})) == {"field": "unknown field (missing); allowed: none"}
    large = Catalogue({f"f{i}": FilterField("F") for i in range(25)})
    assert errors({"field": "y" * 500}, large)["field"].endswith("f18, f19 and 5 more")
    assert len(errors({"field": "y" * 500}, large)["field"]) < 300


def test_an_operator_that_does_not_fit_the_type():
    assert errors({"all": [CITY, {"field": "shop.seats", "op": "contains", "value": 5}]}) == {
        "all[1].op": "unknown operator for shop.seats, which is of type integer: 'contains'; allowed: is, is_not, "
        "greater_than, less_than, at_least, at_most, between, not_between, has_value, has_no_value"
    }
    assert "(missing)" in errors({"field": "shop.city", "value": "x"})["op"]


@pytest.mark.parametrize(
    ("key", "op", "value", "message"),
    [
        ("shop.city", "is", 5, "must be a text that is not empty"),
        ("shop.city", "is", "", "must be a text that is not empty"),
        ("shop.city", "is", "x" * 1001, "must have at most 1,000 characters"),
        ("shop.city", "is", "a\0b", "must not hold NUL characters or halves of surrogate pairs"),
        ("shop.city", "is", "\ud800", "must not hold NUL characters or halves of surrogate pairs"),
        ("shop.seats", "is", 1.5, "must be a whole number"),
        ("shop.seats", "is", True, "must be a number of at most 64 bits"),
        ("shop.seats", "is", 2**63, "must be a number of at most 64 bits"),
        ("shop.seats", "is", "5", "must be a whole number"),
        ("shop.seats", "between", [5, 1], "the lower bound must come first"),
        ("shop.seats", "between", [1], "must be a list of two: the lower and the upper bound"),
        ("shop.seats", "between", [1, None], "must be a whole number"),
        ("shop.spent", "is", float("nan"), "must be a number of at most 64 bits"),
        ("shop.spent", "is", float("inf"), "must be a number of at most 64 bits"),
        ("shop.active", "is", 1, "must be true or false"),
        ("shop.renewal", "on", "2026-02-30", "must be a day as YYYY-MM-DD, from 1000-01-01 to 2999-12-31"),
        ("shop.renewal", "on", "2026-W01-1", "must be a day as YYYY-MM-DD, from 1000-01-01 to 2999-12-31"),
        ("shop.renewal", "on", "0001-01-01", "must be a day as YYYY-MM-DD, from 1000-01-01 to 2999-12-31"),
        ("shop.renewal", "on", 5, "must be a day as YYYY-MM-DD, from 1000-01-01 to 2999-12-31"),
        ("shop.renewal", "between", ["2026-02-01", "2026-01-01"], "the lower bound must come first"),
        ("shop.renewal", "in_the_last", 0, "must be a whole number from 1 to 36,500"),
        ("shop.renewal", "in_the_last", True, "must be a whole number from 1 to 36,500"),
        ("shop.renewal", "exactly_days_ago", -1, "must be a whole number from 0 to 36,500"),
        ("shop.renewal", "anniversary_in_the_next", 367, "must be a whole number from 1 to 366"),
        ("shop.labels", "contains_any", [], "must be a list of 1 to 100 texts"),
        ("shop.labels", "contains_any", ["x"] * 101, "must be a list of 1 to 100 texts"),
        ("shop.labels", "contains_any", ["x", 5], "must be a text that is not empty"),
        ("shop.labels", "has_exactly", -1, "must be a whole number from 0 to 1,000,000"),
        ("tags", "has_any", "vip", "must be a list of 1 to 100 texts"),
    ],
)
def test_wrong_values(key, op, value, message):
    assert compared(key, op, value) == {"value": message}


def test_values_that_are_missing_or_too_much():
    assert errors({"field": "shop.city", "op": "is"}) == {"value": "is needed with is"}
    assert compared("shop.city", "has_value", "x") == {"value": "is not allowed with has_value"}
    assert errors({**CITY, "valeu": 1}) == {"": "unknown key 'valeu'; allowed: field, op, value"}
    assert errors({"all": [CITY], "op": "x"}) == {"": "unknown key 'op'; allowed: all"}


def test_every_wrong_condition_is_reported():
    wrong = {"field": "nope", "op": "is", "value": "x"}
    found = errors({"all": [wrong, CITY, {"any": [{"field": "shop.city", "op": "is"}, {"organization": wrong}]}]})
    assert list(found) == ["all[0].field", "all[2].any[0].value", "all[2].any[1].organization.field"]


def test_groups_hold_something():
    assert errors({"all": [{"all": []}]}) == {"all[0].all": "must be a list of at least one condition or group"}
    assert errors({"any": []}) == {"any": "must be a list of at least one condition or group"}
    assert errors({"all": {"field": "x"}}) == {"all": "must be a list of at least one condition or group"}
    parse({"all": []}, PEOPLE)


def test_organizations_have_no_organizations():
    message = "conditions on organizations are only allowed on people"
    assert errors({"organization": CITY}, ORGANIZATIONS) == {"": message}
    assert errors({"organization": {"organization": CITY}}) == {"organization": message}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"op": "occurred"}, {"op": "unknown operator for activities 'occurred'; did you mean has_occurred?; allowed: "
                                    "has_occurred, has_not_occurred, first_occurred, last_occurred"}),
        ({"activity": "nope"},
         {"activity": "unknown activity 'nope'; allowed: shop.closed, any.closed, shop.opened, any"}),
        ({"times": 3}, {"times": "must be an object with exactly one of the keys at_least, at_most, exactly"}),
        ({"times": {"often": 3}}, {"times": "unknown key 'often'; allowed: at_least, at_most, exactly"}),
        ({"times": {"at_least": 0}}, {"times.at_least": "must be a whole number from 1 to 1,000,000"}),
        ({"times": {"at_most": -1}}, {"times.at_most": "must be a whole number from 0 to 1,000,000"}),
        ({"times": {"at_least": 1}, "op": "has_not_occurred"}, {"times": "is only allowed with has_occurred"}),
        ({"op": "first_occurred"}, {"when": "is needed with first_occurred"}),
        ({"when": "today"}, {"when": "must be an object with the keys op and value"}),
        ({"when": {"op": "in_the_last", "value": "x"}}, {"when.value": "must be a whole number from 1 to 36,500"}),
        ({"when": {"op": "on", "value": "2026-01-01", "x": 1}}, {"when": "unknown key 'x'; allowed: op, value"}),
        ({"where": {"field": "team", "op": "is"}}, {"where.value": "is needed with is"}),
        ({"where": {"field": "shop.city", "op": "is", "value": "x"}},
         {"where.field": "unknown field 'shop.city'; allowed: rating, team, labels, due_at"}),
        ({"where": CLOSED}, {"where.activity": "unknown activity 'shop.closed'; allowed: none"}),
        ({"value": 5}, {"": "unknown key 'value'; allowed: activity, op, times, when, where"}),
    ],
)  # fmt: skip
def test_activities(parts, expected):
    assert errors({**CLOSED, **parts}) == expected


def test_anniversaries_are_for_fields():
    message = errors({**CLOSED, "when": {"op": "anniversary_today"}})["when.op"]
    assert message.startswith("unknown operator for when 'anniversary_today'; allowed: on, before, after")


def test_at_most_so_many_conditions():
    parse({"all": [CITY] * 50}, PEOPLE)
    assert errors({"all": [CITY] * 51}) == {"": "at most 50 conditions are allowed, not 51"}
    parse({"all": [CLOSED] * 15 + [CITY] * 35}, PEOPLE)
    assert errors({"all": [CLOSED] * 16}) == {"": "at most 15 conditions on activities are allowed, not 16"}
    asked = {**CLOSED, "where": {"all": [{"field": "team", "op": "has_value"}] * 25}}
    assert errors({"all": [asked, asked]}) == {"": "at most 50 conditions are allowed, not 52"}


def test_nothing_lies_too_deep():
    tree = CITY
    for _ in range(9):
        tree = {"all": [tree]}
    parse(tree, PEOPLE)
    assert list(errors({"all": [tree]}).values()) == ["conditions may lie at most 10 deep in each other"]
    for _ in range(5_000):
        tree = {"any": [tree]}
    assert list(errors(tree).values()) == ["conditions may lie at most 10 deep in each other"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(tree=_json)
def test_whatever_comes_is_answered(tree):
    if tree != {"all": []}:
        errors(tree)


@given(tree=trees(PEOPLE), data=st.data(), rubbish=_json)
def test_a_filter_with_one_part_replaced_is_read_or_refused(tree, data, rubbish):
    tree = json.loads(json.dumps(tree))
    node = tree
    while True:
        key: Any = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = rubbish
    try:
        filter = parse(tree, PEOPLE)
    except FilterError:
        return
    assert sentence(filter)
