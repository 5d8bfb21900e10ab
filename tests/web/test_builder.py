"""The builder of filters: what a form holds becomes a tree, and a tree a form again."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from core.filters import Catalogue, FilterError, FilterField, parse
from core.web.builder import Condition, Group, from_tree, state, told, tree

CATALOGUE = Catalogue(
    {
        "plan": FilterField("Plan"),
        "seats": FilterField("Seats", "integer"),
        "spend": FilterField("Spend", "decimal"),
        "vip": FilterField("VIP", "boolean"),
        "seen": FilterField("Seen", "datetime"),
        "tags": FilterField("Tags", "tags"),
    }
)


HAS_VIP = {"field": "vip", "op": "has_value"}


def form(*pairs: tuple[str, str]) -> MultiDict[str, str]:
    return MultiDict(list(pairs))


ONE = (("people.join", "all"), ("people.of", "0"), ("people.0.field", "plan"), ("people.0.op", "is"))


@pytest.mark.parametrize(
    "given",
    [
        {"all": [{"field": "plan", "op": "is", "value": "Pro"}]},
        {"any": [{"field": "seats", "op": "between", "value": [1, 5]}, {"field": "spend", "op": "is", "value": 1.5}]},
        {"all": [{"field": "vip", "op": "is", "value": False}, {"field": "plan", "op": "has_no_value"}]},
        {"all": [{"field": "seen", "op": "between", "value": ["2026-01-01", "2026-02-01"]}]},
        {"all": [{"field": "tags", "op": "has_any", "value": ["a b", "c"]}]},
        {
            "all": [
                {
                    "any": [
                        {"field": "seen", "op": "in_the_last", "value": 7},
                        {"all": [{"field": "vip", "op": "has_value"}]},
                    ]
                }
            ]
        },
    ],
)
def test_a_filter_goes_through_the_form_unchanged(given: dict[str, Any]):
    parse(given, CATALOGUE)
    sent = form(*_pairs(from_tree(given), "people"))
    assert tree(state(sent, "people"), CATALOGUE) == given


def _pairs(group: Group, name: str) -> list[tuple[str, str]]:
    """The form as a browser would send it."""
    pairs = [(f"{name}.join", group.join)]
    for number, part in enumerate(group.of):
        here = f"{name}.{number}"
        pairs.append((f"{name}.of", str(number)))
        if isinstance(part, Group):
            pairs += _pairs(part, here)
        else:
            pairs += [(f"{here}.field", part.field), (f"{here}.op", part.op)]
            pairs += [(f"{here}.value", value) for value in part.values]
    return pairs


def test_a_single_condition_is_shown_in_a_group():
    assert from_tree({"field": "plan", "op": "has_value"}) == Group("all", [Condition("plan", "has_value")])
    assert from_tree(None) == Group("all", [Condition()])


def test_buttons_add_and_remove_conditions_and_groups():
    assert len(state(form(*ONE, ("do", "add:people")), "people").of) == 2
    nested = state(form(*ONE, ("do", "group:people")), "people")
    assert nested.of[1] == Group("any", [Condition()])
    inner = form(*_pairs(nested, "people"), ("do", "add:people.1"))
    assert state(inner, "people").of[1] == Group("any", [Condition(), Condition()])
    assert state(form(*_pairs(nested, "people"), ("do", "remove:people.1")), "people").of == [Condition("plan", "is")]
    assert state(form(*ONE, ("do", "remove:people.0")), "people").of == []


@pytest.mark.parametrize(
    "button", ["remove:people.9", "add:people.0", "add:people.9.9", "group:peoples", "x:people", ""]
)
def test_odd_buttons_change_nothing(button: str):
    assert state(form(*ONE, ("do", button)), "people") == Group("all", [Condition("plan", "is")])


def test_an_operator_that_does_not_fit_a_changed_field_gives_way_to_the_first():
    changed = form(("people.of", "0"), ("people.0.field", "seen"), ("people.0.op", "contains"), ("people.0.value", ""))
    assert tree(state(changed, "people"), CATALOGUE) == {"all": [{"field": "seen", "op": "on", "value": ""}]}


def test_what_is_wrong_is_told_beside_its_condition():
    root = Group("all", [Condition(), Condition("seats", "is", ["many"]), Group("any", [])])
    with pytest.raises(FilterError) as wrong:
        parse(tree(root, CATALOGUE), CATALOGUE)
    errors = {f"selection.people.{where}": text for where, text in wrong.value.errors.items()}
    assert told("people", root, CATALOGUE, errors, "selection.people") == {
        "people.0": "Choose a field, or remove this condition",
        "people.1": "Must be a whole number",
        "people.2": "Add a condition",
    }
    assert told("organizations", root, CATALOGUE, errors, "selection.organizations") == {}
