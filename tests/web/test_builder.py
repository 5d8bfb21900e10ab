"""The builder of filters: what a form holds becomes a tree, and a tree a form again."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask, render_template_string
from werkzeug.datastructures import MultiDict

from core.filters import Catalogue, FilterActivity, FilterError, FilterField, parse, sentence
from core.web.builder.form import state
from core.web.builder.parts import Activity, Condition, Group
from core.web.builder.shown import Builder, told
from core.web.builder.trees import from_tree, tree

CLOSED = FilterActivity(
    "Closed", "closed", None, {"team": FilterField("Team"), "rating": FilterField("Rating", "integer")}
)
CATALOGUE = Catalogue(
    activities={"desk.closed": CLOSED, "any": FilterActivity("Any activity", None)},
    organization=Catalogue({"name": FilterField("Name")}, {"desk.closed": CLOSED}),
    fields={
        "plan": FilterField("Plan", options=("Pro", "Team")),
        "seats": FilterField("Seats", "integer"),
        "spend": FilterField("Spend", "decimal"),
        "vip": FilterField("VIP", "boolean"),
        "seen": FilterField("Seen", "datetime"),
        "tags": FilterField("Tags", "tags"),
    },
)


DAY = "2026-01-01"
HAS_VIP = {"field": "vip", "op": "has_value"}
HAS_RATING = {"field": "rating", "op": "has_value"}
CLOSED_ONCE = {"activity": "desk.closed", "op": "has_occurred"}

FILTERS: list[dict[str, Any]] = [
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
    {"all": [{"activity": "any", "op": "has_not_occurred"}]},
    {"all": [{"activity": "any", "op": "first_occurred", "when": {"op": "between", "value": [DAY, DAY]}}]},
    {
        "any": [
            {
                "activity": "desk.closed",
                "op": "has_occurred",
                "times": {"at_least": 2},
                "when": {"op": "in_the_last", "value": 30},
                "where": {"any": [{"field": "team", "op": "is", "value": "Sales"}, HAS_RATING]},
            },
            {"organization": {"any": [{"field": "name", "op": "is", "value": "Acme"}, {"all": [CLOSED_ONCE]}]}},
        ]
    },
]
PAGE = '{% from "builder.html" import group with context %}{{ group(builder, builder.root, "people") }}'


def form(*pairs: tuple[str, str]) -> MultiDict[str, str]:
    return MultiDict(list(pairs))


ONE = (("people.join", "all"), ("people.of", "0"), ("people.0.field", "plan"), ("people.0.op", "is"))


@pytest.mark.parametrize("given", FILTERS)
def test_a_filter_goes_through_the_form_unchanged(given: dict[str, Any]):
    parse(given, CATALOGUE)
    sent = form(*_pairs(from_tree(given), "people"))
    assert tree(state(sent, "people"), CATALOGUE) == given


def _pairs(group: Group, name: str) -> list[tuple[str, str]]:
    """The form as a browser would send it."""
    pairs = [(f"{name}.join", group.join)]
    if group.organization:
        pairs.append((f"{name}.organization", "1"))
    for number, part in enumerate(group.of):
        here = f"{name}.{number}"
        pairs.append((f"{name}.of", str(number)))
        if isinstance(part, Group):
            pairs += _pairs(part, here)
        elif isinstance(part, Activity):
            pairs += [(f"{here}.{key}", getattr(part, key)) for key in ("activity", "op", "times", "count", "when")]
            pairs += [(f"{here}.value", value) for value in part.values]
            pairs += _pairs(part.where, f"{here}.where") if part.where.of else []
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


def test_buttons_add_activities_their_attributes_and_organizations():
    added = state(form(*ONE, ("do", "activity:people")), "people")
    assert added.of[1:] == [Activity()]
    asked = state(form(*_pairs(added, "people"), ("do", "add:people.1.where")), "people")
    assert asked.of[1:] == [Activity(where=Group(of=[Condition()]))]
    without = state(form(*_pairs(asked, "people"), ("do", "remove:people.1.where.0")), "people")
    assert without.of[1:] == [Activity()]
    assert state(form(*ONE, ("do", "organization:people")), "people").of[1:] == [Group(organization=True)]


def test_a_filter_deeper_than_what_the_builder_offers_keeps_its_depth():
    deep: dict[str, Any] = {"all": [HAS_VIP]}
    for _ in range(6):
        deep = {"any": [deep, HAS_VIP]}
    assert tree(state(form(*_pairs(from_tree(deep), "people")), "people"), CATALOGUE) == deep


def test_it_reads_as_a_sentence_once_it_is_complete():
    organization = {"organization": {"all": [{"field": "name", "op": "is", "value": "Acme"}, CLOSED_ONCE]}}
    given = {"all": [HAS_VIP, organization]}
    assert Builder("people", CATALOGUE, from_tree(given)).sentence == sentence(parse(given, CATALOGUE))
    assert Builder("people", CATALOGUE, Group()).sentence == ""


@pytest.mark.parametrize(
    "button", ["remove:people.9", "add:people.0", "add:people.9.9", "group:peoples", "x:people", "add:people.x", ""]
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


def test_what_is_wrong_with_an_activity_or_an_organization_is_told_there():
    root = Group(
        of=[
            Activity(),
            Activity("any", "last_occurred"),
            Activity("desk.closed", times="at_least", count="0"),
            Activity("desk.closed", when="in_the_last", values=["x"]),
            Activity("desk.closed", where=Group(of=[Condition("team", "is_not", ["Sales"]), Condition("plan")])),
            Group(organization=True, of=[Condition("name", "has_value"), Activity("any")]),
        ]
    )
    with pytest.raises(FilterError) as wrong:
        parse(tree(root, CATALOGUE), CATALOGUE)
    assert told("people", root, CATALOGUE, {f"x.{at}": text for at, text in wrong.value.errors.items()}, "x") == {
        "people.0": "Choose an activity, or remove this condition",
        "people.1": "Choose when",
        "people.2": "How often: must be a whole number from 1 to 1,000,000",
        "people.3": "When: must be a whole number from 1 to 36,500",
        "people.4.where.1": "Choose a field, or remove this condition",
        "people.5.1": "Choose an activity, or remove this condition",
    }


class _Sent(HTMLParser):
    """What a browser would send of a form, less its buttons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self.unlabelled: list[str] = []
        self._name, self._is_first = "", False
        self._labels = set(re.findall(r'<label for="([^"]+)"', page))
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag in ("input", "select", "textarea"):
            self._name = given["name"]
            if given.get("type") != "hidden" and "aria-label" not in given and given.get("id") not in self._labels:
                self.unlabelled.append(self._name)
        if tag == "input":
            self.pairs.append((self._name, given["value"]))
        elif tag == "select":
            self.pairs.append((self._name, ""))
            self._is_first = True
        elif tag == "option" and (self._is_first or "selected" in given):
            self.pairs[-1] = (self._name, given["value"])
            self._is_first = False

    def handle_data(self, data: str) -> None:
        if (self.get_starttag_text() or "").startswith("<textarea"):
            self.pairs.append((self._name, data))


def test_what_the_page_shows_is_what_it_sends(app: Flask):
    """The real form, of every kind of part; every control has a name for those who do not see it."""
    for given in FILTERS:
        shown = Builder("people", CATALOGUE, from_tree(given))
        with app.test_request_context():
            page = render_template_string(PAGE, builder=shown)
        sent = _Sent(page)
        assert tree(state(MultiDict(sent.pairs), "people"), CATALOGUE) == given
        assert sent.unlabelled == []


def test_values_of_a_choice_are_suggested(app: Flask):
    shown = Builder("people", CATALOGUE, from_tree({"field": "plan", "op": "is", "value": "Pro"}))
    with app.test_request_context():
        page = render_template_string(PAGE, builder=shown)
    assert 'list="people.0.options"' in page
    assert '<datalist id="people.0.options"><option value="Pro"></option><option value="Team"></option>' in page
