from __future__ import annotations

from typing import Any

import pytest

from core.db.engine import make_engine
from core.filters import OPERATORS
from tests.filters.world import PEOPLE, Entity, ids


def having(key: str, **values: Any) -> dict[str, Entity]:
    """Return people by name, each with one value; None for none."""
    return {
        name: Entity(id, {} if value is None else {key: value})
        for (name, value), id in zip(values.items(), ids(), strict=False)
    }


def check(
    find, key: str, people: dict[str, Entity], expected: dict[Any, str], complete: bool = True, **options: Any
) -> None:
    """Compare who is found with who is expected, for every ``(operator, value)``, or operator without a value."""
    found = {}
    for case in expected:
        op, *value = case if isinstance(case, tuple) else (case,)
        given = [list(each) if isinstance(each, tuple) else each for each in value]
        found[case] = find({"field": key, "op": op, **({"value": given[0]} if given else {})}, people, **options)
    assert found == expected
    if complete:
        tested = {case[0] if isinstance(case, tuple) else case for case in expected}
        assert tested == set(OPERATORS[PEOPLE.fields[key].type])


@pytest.mark.parametrize("key", ["shop.city", "first_name", 'shop.a "quoted" \\ key\'s {0} %s $.x[0]'])
def test_text(find, key):
    people = having(key, acme="Acme", ltd="ACME Ltd", other="Other", none=None)
    check(
        find,
        key,
        people,
        {
            ("is", "aCME"): "acme",
            ("is_not", "acme"): "ltd other none",
            ("starts_with", "acm"): "acme ltd",
            ("ends_with", "LTD"): "ltd",
            ("contains", "me"): "acme ltd",
            ("does_not_contain", "ME"): "other none",
            "has_value": "acme ltd other",
            "has_no_value": "none",
        },
    )


def test_text_kept_in_lower_case(find):
    people = having("email", ann="ann_b@example.org", axb="annxb@example.org", none=None)
    check(
        find,
        "email",
        people,
        {
            ("is", "ANN_B@example.org"): "ann",
            ("is_not", "ANN_B@example.org"): "axb none",
            ("starts_with", "ANN_"): "ann",
            ("ends_with", "B@EXAMPLE.org"): "ann axb",
            ("contains", "_B@"): "ann",
            ("does_not_contain", "_B@"): "axb none",
            "has_value": "ann axb",
            "has_no_value": "none",
        },
    )


SPECIAL = (
    "%",
    "_",
    "\\",
    "/",
    "'",
    '"',
    "%s",
    "{0}",
    ":x",
    "?",
    "' OR 1=1 --",
    "*",
    "[a]",
    "'); DROP TABLE person; --",
)


@pytest.mark.parametrize("key", ["shop.city", "first_name"])
def test_special_characters_stand_for_themselves(find, key):
    values = {"plain": "axb", "none": None}
    for number, special in enumerate(SPECIAL):
        values |= {f"alone{number}": special, f"inside{number}": f"a{special}b"}
    people = having(key, **values)
    present = {name: value for name, value in values.items() if value is not None}
    for special in SPECIAL:
        for op, value, expected in (
            ("is", special, {name for name in present if present[name] == special}),
            ("contains", special, {name for name in present if special in present[name]}),
            ("does_not_contain", special, {name for name in values if special not in (values[name] or "")}),
            ("starts_with", f"a{special}", {name for name in present if present[name].startswith(f"a{special}")}),
            ("ends_with", f"{special}b", {name for name in present if present[name].endswith(f"{special}b")}),
        ):
            found = find({"field": key, "op": op, "value": value}, people)
            assert set(found.split()) == expected, (op, value)
            assert 0 < len(expected) < len(values)


def test_letters_of_other_alphabets_on_sqlite(sqlite_url):
    # PostgreSQL follows the locale of its database, which is "C" in these tests.
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT lower('ÉÇÄДЖ'), lower(5), lower(NULL)").one() == ("éçäдж", 5, None)
    engine.dispose()


def test_whole_numbers(find):
    people = having("shop.seats", minus=-3, zero=0, five=5, huge=2**53 + 1, text="5", none=None)
    check(
        find,
        "shop.seats",
        people,
        {
            ("is", 5): "five",
            ("is", 2**53): "",
            ("is_not", 5): "minus zero huge text none",
            ("greater_than", 0): "five huge",
            ("greater_than", 2**53): "huge",
            ("less_than", 0): "minus",
            ("at_least", 0): "zero five huge",
            ("at_most", 0): "minus zero",
            ("between", (0, 5)): "zero five",
            ("not_between", (0, 5)): "minus huge text none",
            "has_value": "minus zero five huge",
            "has_no_value": "text none",
        },
    )


def test_decimal_numbers(find):
    people = having("shop.spent", small=0.1, whole=5.0, minus=-2.5, none=None)
    check(
        find,
        "shop.spent",
        people,
        {
            ("is", 0.1): "small",
            ("is", 5): "whole",
            ("is_not", 5): "small minus none",
            ("greater_than", 0.1): "whole",
            ("less_than", 0.1): "minus",
            ("at_least", 0.1): "small whole",
            ("at_most", 0.1): "small minus",
            ("between", (-2.5, 0.1)): "small minus",
            ("not_between", (0, 1.5)): "whole minus none",
            "has_value": "small whole minus",
            "has_no_value": "none",
        },
    )


def test_booleans(find):
    people = having("shop.active", yes=True, no=False, number=1, text="true", none=None)
    check(
        find,
        "shop.active",
        people,
        {
            ("is", True): "yes",
            ("is", False): "no",
            "has_value": "yes no",
            "has_no_value": "number text none",
        },
    )


def test_booleans_in_a_column(find):
    people = having("email_subscribed", yes=True, no=False)
    check(find, "email_subscribed", people, {("is", True): "yes", ("is", False): "no"}, complete=False)


def test_lists(find):
    people = having("shop.labels", one=["VIP"], two=["vip", "a%"], empty=[], text="vip", none=None)
    check(
        find,
        "shop.labels",
        people,
        {
            ("contains", "vip"): "one two",
            ("contains", "vi"): "",
            ("contains_any", ("x", "A%")): "two",
            ("contains_any", ("VIP", "x")): "one two",
            ("does_not_contain", "a%"): "one empty text none",
            ("has_exactly", 0): "empty text none",
            ("has_exactly", 2): "two",
            ("has_more_than", 0): "one two",
            ("has_fewer_than", 2): "one empty text none",
            "has_value": "one two",
            "has_no_value": "empty text none",
        },
    )


@pytest.mark.parametrize("kind", ["person", "organization"])
def test_tags(find, kind):
    fresh = ids()
    tagged = {
        name: Entity(next(fresh), tags=tags)
        for name, tags in {"vip": ["vip"], "both": ["vip", "it's"], "other": ["VIP"], "none": []}.items()
    }
    check(
        find,
        "tags",
        tagged,
        {
            ("has", "vip"): "vip both",
            ("has_any", ("it's", "VIP")): "both other",
            ("has_none", ("vip", "x")): "other none",
            "has_value": "vip both other",
            "has_no_value": "none",
        },
        kind=kind,
    )


def test_a_tag_of_an_organization_is_none_of_a_person_with_the_same_id(find):
    id = next(ids())
    organization = Entity(id, tags=["vip"])
    people = {"ann": Entity(id, organizations=[organization])}
    assert find({"field": "tags", "op": "has", "value": "vip"}, people) == ""
    assert find({"organization": {"field": "tags", "op": "has", "value": "vip"}}, people) == "ann"


def test_groups(find):
    fresh = ids()
    people = {
        name: Entity(next(fresh), {"shop.city": city, "shop.seats": seats})
        for name, city, seats in [("a", "x", 1), ("b", "x", 2), ("c", "y", 1), ("d", "y", 2)]
    }
    x = {"field": "shop.city", "op": "is", "value": "x"}
    y = {"field": "shop.city", "op": "is", "value": "y"}
    one = {"field": "shop.seats", "op": "is", "value": 1}
    assert find({"all": [x, one]}, people) == "a"
    assert find({"any": [x, one]}, people) == "a b c"
    assert find({"any": [{"all": [x, one]}, {"all": [y]}]}, people) == "a c d"
    assert find({"all": [{"any": [x, y]}, one]}, people) == "a c"
    assert find({"all": []}, people) == "a b c d"


def test_organizations_of_a_person(find):
    fresh = ids()
    acme = Entity(next(fresh), {"name": "Acme", "shop.seats": 5})
    other = Entity(next(fresh), {"name": "Other"})
    gone = Entity(next(fresh), {"name": "Acme", "shop.seats": 5}, hidden="archived")
    merged = Entity(next(fresh), {"name": "Acme", "shop.seats": 5}, hidden="merged")
    stub = Entity(next(fresh), {"name": "Acme", "shop.seats": 5}, hidden="stub")
    people = {
        "acme": Entity(next(fresh), organizations=[acme]),
        "both": Entity(next(fresh), organizations=[acme, other]),
        "other": Entity(next(fresh), organizations=[other]),
        "hidden": Entity(next(fresh), organizations=[gone, merged, stub]),
        "none": Entity(next(fresh)),
    }
    name = {"field": "name", "op": "is", "value": "acme"}
    seats = {"field": "shop.seats", "op": "has_no_value"}
    assert find({"organization": name}, people) == "acme both"
    assert find({"organization": {"field": "name", "op": "is_not", "value": "acme"}}, people) == "both other"
    # One organization must meet all of a group; of two conditions each may be met by another.
    assert find({"organization": {"all": [name, seats]}}, people) == ""
    assert find({"all": [{"organization": name}, {"organization": seats}]}, people) == "both"
