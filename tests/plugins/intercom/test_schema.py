from __future__ import annotations

from dataclasses import replace

import pytest

from core.contract.errors import Refused, Retry
from core.contract.fields import ORGANIZATION, PERSON
from core.contract.types import Team, TeamUser
from plugins.intercom.companies import map_company
from plugins.intercom.contacts import ContactMapper
from plugins.intercom.schema import OWN
from tests.plugins.intercom.payloads import ADMINS, TEAMS
from tests.plugins.intercom.support import URL, error_list, mocked, source


def schema(account):
    return {(field.object, field.key): field for field in source.field_schema(account=account)}


def test_default_fields_feed_the_system_fields(workspace):
    fields = schema(workspace.account)
    feeding = {object: {f.feeds for f in fields.values() if f.object == object and f.feeds} for object in OWN}
    assert feeding["contact"] == {field.key for field in PERSON}
    assert feeding["company"] == {field.key for field in ORGANIZATION}
    types = {**{f.key: f.type for f in PERSON}, **{f.key: f.type for f in ORGANIZATION}}
    assert all(field.type == types[field.feeds] for field in fields.values() if field.feeds)


def test_what_is_mapped_is_declared(workspace):
    fields = schema(workspace.account)
    contact = ContactMapper(workspace.account, ())({"id": "1"})
    company = map_company({"id": "1"})
    assert {("contact", key) for key in contact.fields} == {("contact", key) for key in OWN["contact"]}
    assert {("company", key) for key in company.fields} == {("company", key) for key in OWN["company"]}
    assert {("contact", key) for key in contact.values} <= fields.keys()
    assert {("company", key) for key in company.values} <= fields.keys()


def test_custom_fields_are_those_of_the_workspace(workspace):
    fields = schema(workspace.account)
    custom = {key: field for key, field in fields.items() if field.custom}
    assert custom["contact", "custom_plan"].options == ("free", "starter", "growth", "enterprise")
    assert custom["contact", "custom_seats"].type == "integer"
    assert custom["contact", "custom_renewal_at"].type == "datetime"
    assert custom["contact", "custom_lifetime_value"].type == "decimal"
    assert custom["contact", "custom_newsletter"].type == "boolean"
    assert custom["contact", "custom_Favourite colour"].label == "Favourite colour"
    assert ("contact", "custom_old_score") not in fields  # archived
    assert custom["company", "custom_trial"].type == "boolean"
    assert custom["conversation", "custom_Issue type"].options == ("Billing", "Bug", "Question", "Feedback")
    assert ("conversation", "custom_Related orders") not in fields  # a relationship
    assert len({(f.object, f.key) for f in fields.values()}) == len(source.field_schema(account=workspace.account))


def test_samples_are_asked_for_on_connecting_alone(workspace):
    assert not any(field.sample for field in schema(workspace.account).values())
    assert workspace.asked("GET /contacts") == workspace.asked("GET /companies") == 0


def test_samples_are_real_values(workspace):
    fields = schema(replace(workspace.account, id=0))
    emails = {contact.fields["email"] for contact in workspace.everyone().values()}
    assert fields["contact", "email"].sample in emails
    assert fields["contact", "custom_plan"].sample in fields["contact", "custom_plan"].options
    assert fields["company", "name"].sample in {company.fields["name"] for company in workspace.store.companies}


def test_only_selected_objects_are_asked_for(workspace):
    account = replace(workspace.account, objects={"company": None, "article": None})
    assert {field.object for field in source.field_schema(account=account)} == {"company"}
    draft = replace(workspace.account, objects={})
    assert {field.object for field in source.field_schema(account=draft)} == {"contact", "company", "conversation"}


def test_what_may_not_be_read_is_left_out(workspace):
    workspace.store.drop_scope("companies")
    workspace.store.set_plan_restricted()
    fields = schema(workspace.account)
    assert fields["company", "name"].sample is None
    assert not any(field.object == "conversation" for field in fields.values())


def test_options_in_every_shape():
    mocker, account = mocked()
    account = replace(account, objects={"contact": None})
    rows = [
        {"name": "a", "full_name": "custom_attributes.a", "data_type": "string", "custom": True,
         "options": [{"value": "x"}, {"label": "y"}, {"label": "z", "archived": True}, "w", None]},
        {"name": "a", "full_name": "custom_attributes.a", "data_type": "integer", "custom": True},
        {"name": "b", "data_type": "files", "custom": True},
    ]  # fmt: skip
    mocker.get(f"{URL}/data_attributes", json={"data": rows})
    mocker.get(f"{URL}/contacts", json={"data": ["odd"]})
    custom = [field for field in source.field_schema(account=account) if field.custom]
    assert [(field.key, field.type, field.options) for field in custom] == [("custom_a", "text", ("x", "y", "w"))]


def test_the_roster(workspace):
    roster = source.import_team(account=workspace.account)
    assert {user.remote_id for user in roster.users} == set(workspace.store.admins)
    assert {team.remote_id for team in roster.teams} == {str(key) for key in workspace.store.teams}
    assert all(user.email and user.name for user in roster.users)


def test_members_are_told_by_teams_and_by_admins():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    roster = source.import_team(account=account)
    assert roster.users == (
        TeamUser("7001", "eve@acme.example", "Eve Ops"),
        TeamUser("7002", "dan@acme.example", "Dan Dev"),
    )
    assert roster.teams == (Team("9001", "Support", ("7002", "7001")), Team("9002", "Night", ()))


def test_rows_that_nothing_can_be_tied_to_cost_the_roster_no_other_row(caplog):
    mocker, account = mocked()
    odd = [None, "admin", {"type": "admin", "name": "No id"}, {"type": "admin", "id": ["7003"]}]
    mocker.get(f"{URL}/admins", json={"admins": [*odd, *ADMINS["admins"]]})
    teams = [None, {"type": "team", "name": "No id"}, {"id": 9003, "name": None, "admin_ids": 5}, *TEAMS["teams"]]
    mocker.get(f"{URL}/teams", json={"teams": teams})
    roster = source.import_team(account=account)
    assert [user.remote_id for user in roster.users] == ["7001", "7002"]
    assert [(team.remote_id, team.members) for team in roster.teams] == [
        ("9003", ()),
        ("9001", ("7002", "7001")),
        ("9002", ()),
    ]
    assert caplog.text.count("a row without an id is left out") == 6
    assert "No id" not in caplog.text


def test_attributes_that_are_none_cost_the_schema_no_other_attribute():
    mocker, account = mocked()
    sound = {"name": "a", "full_name": "custom_attributes.a", "label": "A", "data_type": "string", "custom": True}
    rows = [None, 5, {"name": "b"}, {"name": "c", "data_type": ["string"]}, sound]
    mocker.get(f"{URL}/data_attributes", json={"data": rows})
    mocker.get(f"{URL}/conversations/attributes", json={"data": [None]})
    mocker.get(f"{URL}/contacts", json={"data": []})
    mocker.get(f"{URL}/companies", json={"data": []})
    custom = [field.key for field in source.field_schema(account=account) if field.object == "contact" and field.custom]
    assert custom == ["custom_a"]


def test_a_roster_that_may_not_be_read():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", status_code=403, json=error_list("forbidden"))
    with pytest.raises(Refused):
        source.import_team(account=account)
    mocker.get(f"{URL}/admins", json={"type": "admin.list"})
    with pytest.raises(Retry):
        source.import_team(account=account)
