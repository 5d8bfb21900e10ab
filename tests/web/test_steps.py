"""What the forms of the set-up say becomes a configuration, and is shown again as it was said."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from core.contract.types import FieldSpec, MergePolicy, Roster, Team, TeamUser
from core.db.models import DataSource
from core.services.configuration import read_config
from core.web.steps import OPTIONS, STEPS, steps_of
from core.web.steps.fields import ticked_all
from core.web.steps.question import Setup, Step
from core.web.wording import config_in_words, plan_in_words
from tests.services.vendor import manifest

ROSTER = Roster(
    users=tuple(TeamUser(id, f"{id}@acme.example", id) for id in ("ann", "bob", "cid")),
    teams=(Team("s", "Sales", ("ann", "bob")), Team("h", "Help", ("bob",)), Team("e", "Empty")),
)
SCHEMA = [
    FieldSpec("user", "email", "Email", feeds="email"),
    FieldSpec("user", "plan", "Plan"),
    FieldSpec("firm", "size", "Size"),
]
SETUP = Setup(manifest(selective=True, deletes=True), "Acme One", {}, SCHEMA, ROSTER)


def said(step: Step, *pairs: tuple[str, str], setup: Setup = SETUP) -> dict[str, Any]:
    sections = step.read(setup, MultiDict(list(pairs)))
    read_config({**setup.config, **sections}, setup.manifest)
    (section,) = sections.values()
    return dict(section)


def after(step: Step, *pairs: tuple[str, str]) -> Setup:
    return replace(SETUP, config={**SETUP.config, **step.read(SETUP, MultiDict(list(pairs)))})


EVERYTHING = (
    *(("team", id) for id in "she"),
    *(("member", pair) for pair in ("s:ann", "s:bob", "h:bob")),
    ("user", "cid"),
    ("role", "agent"),
)


def without(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [pair for pair in EVERYTHING if pair not in pairs]


def test_all_objects_with_all_their_fields_are_all():
    objects = [("object", key) for key in ("user", "firm", "chat", "text")]
    fields = [("field", key) for key in ("user:email", "user:plan", "firm:size")]
    assert said(STEPS["fields"], *objects, *fields) == dict.fromkeys(["user", "firm", "chat", "text"], "all")
    assert said(STEPS["fields"], ("field", "user:plan"), ("field", "firm:size")) == {"user": ["plan"]}


def test_the_fields_of_an_object_are_ticked_together():
    form: MultiDict[str, str] = MultiDict([("field", "firm:size"), ("tick", "user:all")])
    assert sorted(ticked_all(SETUP, form).getlist("field")) == ["firm:size", "user:email", "user:plan"]
    form = MultiDict([("field", "firm:size"), ("field", "user:plan"), ("tick", "user:none")])
    assert ticked_all(SETUP, form).getlist("field") == ["firm:size"]


@pytest.mark.parametrize(
    ("pairs", "section"),
    [
        (EVERYTHING, {"teams": "all", "users": "all"}),
        # A team without its members.
        (
            without(("member", "s:ann"), ("member", "s:bob")),
            {"teams": "all", "users": ["cid"], "members": {"s": "none", "h": "all", "e": "all"}},
        ),
        # Members without their team.
        (without(("team", "s")), {"teams": ["h", "e"], "users": "all"}),
        # Deselected in one of two teams.
        (
            without(("member", "h:bob")),
            {"teams": "all", "users": ["cid"], "members": {"s": "all", "h": "none", "e": "all"}},
        ),
        # One member of a team.
        (
            without(("member", "s:bob")),
            {"teams": "all", "users": ["cid"], "members": {"s": ["ann"], "h": "all", "e": "all"}},
        ),
        # Nobody who has no team.
        (without(("user", "cid")), {"teams": "all", "users": [], "members": {"s": "all", "h": "all", "e": "all"}}),
        # Nobody and nothing.
        ([("role", "agent")], {"teams": "none", "users": [], "members": {"s": "none", "h": "none", "e": "all"}}),
    ],
)
def test_teams_and_members(pairs: list[tuple[str, str]], section: dict[str, Any]):
    assert said(STEPS["teams"], *pairs) == {**section, "roles": {"default": "agent"}}
    shown = STEPS["teams"].view(after(STEPS["teams"], *pairs))
    ticked = [("team", each["team"].remote_id) for each in shown["teams"] if each["ticked"]]
    ticked += [
        ("member", f"{each['team'].remote_id}:{member['user'].remote_id}")
        for each in shown["teams"]
        for member in each["members"]
        if member["ticked"]
    ]
    ticked += [("user", each["user"].remote_id) for each in shown["loose"] if each["ticked"]]
    assert sorted(ticked) == sorted(pair for pair in pairs if pair[0] != "role")


def test_roles_for_all_and_for_single_people():
    pairs = [*without(("role", "agent")), ("role", "read_only"), ("role-ann", "admin"), ("role-bob", "")]
    assert said(STEPS["teams"], *pairs)["roles"] == {"default": "read_only", "ann": "admin"}


def test_retention_of_all_and_of_some():
    assert said(STEPS["retention"], ("days", "90"), ("days-said", ""), ("days-seen", "365")) == {
        "days": 90,
        "activities": {"seen": 365},
    }
    assert said(STEPS["retention"], ("days", "ever"), ("days-said", "30")) == {"days": None, "activities": {"said": 30}}
    assert said(STEPS["retention"]) == {"days": 90, "activities": {}}


def test_an_unusual_retention_is_offered_too():
    setup = replace(SETUP, config={"retention": {"days": 47, "activities": {"said": 11}}})
    assert {47, 11} <= set(STEPS["retention"].view(setup)["lengths"])


def test_conditions_count_only_where_records_are_selected():
    condition = [("people.of", "0"), ("people.0.field", "plan"), ("people.0.op", "has_value")]
    assert said(STEPS["records"], ("people.mode", "all"), *condition) == {"people": None, "organizations": None}
    assert said(STEPS["records"], ("people.mode", "some"), *condition) == {
        "people": {"all": [{"field": "plan", "op": "has_value"}]},
        "organizations": None,
    }


def test_merging():
    pairs = [
        ("strategy", "append_only"),
        ("existing_only", "1"),
        ("people.key1", "email"),
        ("people.key2", "email"),
        ("people.mode", "all"),
        ("organizations.key2", "domain"),
    ]
    assert said(STEPS["merge"], *pairs) == {
        "strategy": "append_only",
        "existing_only": True,
        "people": {"keys": ["email"], "mode": "all"},
        "organizations": {"keys": ["domain"], "mode": "any"},
    }
    # Who never makes nor changes anybody would do nothing at all.
    assert said(STEPS["merge"], ("strategy", "ignore"), ("existing_only", "1"))["existing_only"] is False


def test_the_plugins_merge_keys_are_proposed():
    setup = replace(SETUP, policies={"person": MergePolicy(("email", "external_id"), "next_if_empty")})
    people, organizations = STEPS["merge"].view(setup)["kinds"]
    assert (people["keys"], people["mode"]) == (["email", "external_id"], "next_if_empty")
    assert organizations["keys"] == ["", ""]


def test_modifiable_fields():
    every = [("modify", spec.key) for _, specs in OPTIONS.view(SETUP)["kinds"] for spec in specs]
    assert said(OPTIONS, *every, ("archive", "1")) == {
        "modify_fields": "all",
        "keep_existing_values": False,
        "archive_deleted": True,
    }
    assert said(OPTIONS, ("modify", "email"), ("keep", "1"))["modify_fields"] == ["email"]
    silent = replace(SETUP, manifest=manifest(deletes=False))
    assert said(OPTIONS, *every, ("archive", "1"), setup=silent)["archive_deleted"] is False


def test_steps_that_make_no_sense_for_a_plugin_are_left_out():
    assert [step.key for step in steps_of(SETUP.manifest)] == ["fields", "teams", "retention", "records", "merge"]
    bare = manifest(teams=False, activities=(), objects=SETUP.manifest.objects[3:])
    assert [step.key for step in steps_of(bare)] == ["fields"]


def test_a_plugin_says_which_steps_there_are_and_in_which_order():
    asked = replace(SETUP, manifest=replace(SETUP.manifest, steps=("merge", "teams", "fields")))
    assert [step.key for step in steps_of(asked.manifest)] == ["merge", "teams", "fields"]
    assert [key for _, _, key in plan_in_words(asked)] == ["merge", "teams", "fields"]


def test_the_summary_lists_the_roles_and_says_whose_stay():
    roles = {"default": "read_only", SETUP.roster.users[0].remote_id: "admin"}
    asked = replace(SETUP, config={**SETUP.config, "teams": {"roles": roles}})
    said = next(sentences for _, sentences, key in plan_in_words(asked) if key == "teams")
    others = len(SETUP.roster.users) - 1
    assert f"Roles: 1 Admin, {others} Read only. Users who accepted their invitation keep their role." in said


def test_the_settings_of_a_data_source_say_conditions_teams_and_that_nothing_comes_in():
    config = {
        "selection": {"people": {"all": [{"field": "plan", "op": "is", "value": "Pro"}]}},
        "teams": {"teams": ["s"], "roles": {"default": "standard", "ann": "admin"}},
    }
    words = dict(config_in_words(DataSource(config=config, state="archived"), SETUP.manifest, SCHEMA))
    assert (words["Which people"], words["Which organizations"]) == ("Only where Plan is “Pro”", "All")
    assert words["Teams and users"] == "1 team and all users, as Standard, 1 as Admin"
    assert words["Changes come in"] == "Not at all, while it is archived"


def test_merge_keys_that_were_not_chosen_are_told_as_the_plugin_proposes_them():
    source = DataSource(config={"merge": {"organizations": {"keys": ["domain"]}}}, state="connected")
    told = partial(config_in_words, source, SETUP.manifest)
    by, vendor = "People are recognised by", SETUP.manifest.title
    both = MergePolicy(("email", "external_id"))
    assert dict(told(proposed={"person": both, "organization": both}))[by] == (
        f"{vendor}'s own id, then by Email or External id"
    )
    assert dict(told(proposed={}))[by] == f"{vendor}'s own id alone"
    assert dict(told())[by] == f"{vendor}'s own id, then as its plugin proposes"
    assert dict(told())["Organizations are recognised by"] == f"{vendor}'s own id, then by Domain"
