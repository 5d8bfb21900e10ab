"""What an admin may choose, and what he is told when he may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from marshmallow import Schema, fields

from core.contract.types import ActivitySpec, FieldSpec, MergePolicy, ObjectSpec
from core.services.configuration import read_config, read_credentials
from core.services.errors import Invalid
from core.services.fields import check_choices, check_chosen
from tests.services.vendor import manifest


class AccessToken(Schema):
    access_token = fields.String(required=True)


DESK = manifest(
    title="Desk",
    credentials=AccessToken,
    objects=(
        ObjectSpec("contact", "Contacts", "person", required=True),
        ObjectSpec("company", "Companies", "organization"),
        ObjectSpec("conversation", "Conversations", "activity"),
        ObjectSpec("article", "Articles", "article"),
        ObjectSpec("collection", "Collections", "collection", comes_with="article"),
    ),
    activities=(ActivitySpec("conversation_closed", "Conversation closed", "conversation"),),
    retention_days=60,
)
FULL: dict[str, Any] = {
    "name": "Help desk",
    "credentials": {"access_token": "secret"},
    "options": {"modify_fields": "all", "keep_existing_values": False, "archive_deleted": False},
    "objects": {"contact": "all", "company": ["name", "website"], "conversation": "all", "article": "all"},
    "teams": {"teams": "all", "users": "all", "roles": {"default": "agent"}},
    "retention": {"days": 90, "activities": {"conversation_closed": 365}},
    "selection": {"people": None, "organizations": None},
    "merge": {"strategy": "overwrite_existing"},
}


def read(config: Any):
    return read_config(config, DESK)[0]


def errors(config: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        read(config)
    return refused.value.errors


def test_every_key_of_the_documented_example_is_taken():
    config, credentials = read_config(FULL, DESK)
    assert credentials == {"access_token": "secret"}
    assert config.name == "Help desk"
    assert config.objects == {
        "contact": None,
        "company": frozenset({"name", "website"}),
        "conversation": None,
        "article": None,
        "collection": None,
    }
    assert (config.modify, config.keep_existing, config.archive_deleted) == (None, False, False)
    assert (config.teams, config.users, config.roles) == (None, None, {"default": "agent"})
    assert (config.days, config.activity_days) == (90, {"conversation_closed": 365})
    assert (config.strategy, config.existing_only, config.matching) == ("overwrite_existing", False, {})


def test_everything_has_a_default():
    config, credentials = read_config({}, DESK)
    assert credentials == {}
    assert config.name is None
    assert config.objects == dict.fromkeys(["contact", "company", "conversation", "article", "collection"])
    assert (config.modify, config.keep_existing, config.archive_deleted) == (None, False, False)
    assert (config.teams, config.users, config.roles) == (None, None, {"default": "agent"})
    assert (config.days, config.activity_days) == (60, {})
    assert (config.strategy, config.existing_only, config.matching) == ("overwrite_existing", False, {})


def test_the_rest_of_what_can_be_chosen():
    config = read(
        {
            "options": {"modify_fields": ["email", "city"], "keep_existing_values": True, "archive_deleted": True},
            "objects": {"contact": ["plan"]},
            "teams": {"teams": "none", "users": ["7"], "members": {"1": ["8"], "2": "none"}, "roles": {"7": "admin"}},
            "retention": {"days": None, "activities": {"conversation_closed": None}},
            "merge": {
                "strategy": "ignore",
                "existing_only": True,
                "people": {"keys": ["external_id", "email"], "mode": "all"},
                "organizations": {"keys": []},
            },
        }
    )
    assert (config.modify, config.keep_existing, config.archive_deleted) == (frozenset({"email", "city"}), True, True)
    assert config.objects == {"contact": frozenset({"plan"})}
    assert (config.teams, config.users, config.roles) == (frozenset(), frozenset({"7"}), {"7": "admin"})
    assert config.members == {"1": frozenset({"8"}), "2": frozenset()}
    assert (config.days, config.activity_days) == (None, {"conversation_closed": None})
    assert (config.strategy, config.existing_only) == ("ignore", True)
    assert config.matching == {"person": MergePolicy(("external_id", "email"), "all"), "organization": MergePolicy()}


def test_what_comes_with_a_deselected_object_is_not_imported():
    assert set(read({"objects": {"contact": "all"}}).objects) == {"contact"}


ROLES = "admin, standard, agent, read_only"
WRONG: list[tuple[Any, str, str]] = [
    ([], "", "the configuration must be a JSON object"),
    (
        {"nmae": "x"},
        "nmae",
        "unknown key; allowed: name, credentials, options, objects, teams, retention, selection, merge, schedule",
    ),
    ({"name": ""}, "name", "must have 1 to 100 characters"),
    ({"name": "x" * 101}, "name", "must have 1 to 100 characters"),
    ({"name": 7}, "name", "must be a text"),
    ({"name": None}, "name", "must not be null; leave it out for the default"),
    ({"credentials": "secret"}, "credentials", "must be an object"),
    ({"credentials": {"access_token": 7}}, "credentials.access_token", "must be a text"),
    ({"credentials": {"token": "x"}}, "credentials.token", "unknown; allowed: access_token"),
    ({"options": []}, "options", "must be an object"),
    ({"options": None}, "options", "must not be null; leave it out for the default"),
    (
        {"options": {"modify": "all"}},
        "options.modify",
        "unknown key; allowed: modify_fields, keep_existing_values, archive_deleted",
    ),
    ({"options": {"modify_fields": "none"}}, "options.modify_fields", 'must be "all", or a list of texts'),
    ({"options": {"modify_fields": [7]}}, "options.modify_fields", 'must be "all", or a list of texts'),
    ({"options": {"keep_existing_values": "yes"}}, "options.keep_existing_values", "must be true or false"),
    ({"options": {"archive_deleted": 1}}, "options.archive_deleted", "must be true or false"),
    ({"objects": ["contact"]}, "objects", "must be an object"),
    ({"objects": {}}, "objects", "choose at least one of contact, company, conversation, article, collection"),
    ({"objects": {"contact": True}}, "objects.contact", 'must be "all", or a list of texts'),
    ({"objects": {"company": "all"}}, "objects.contact", "Contacts cannot be left out"),
    (
        {"objects": {"contact": "all", "deal": "all"}},
        "objects.deal",
        "unknown; allowed: contact, company, conversation, article, collection",
    ),
    ({"teams": {"groups": "all"}}, "teams.groups", "unknown key; allowed: teams, users, members, roles"),
    ({"teams": {"teams": "some"}}, "teams.teams", 'must be "all" or "none", or a list of texts'),
    ({"teams": {"users": 1}}, "teams.users", 'must be "all" or "none", or a list of texts'),
    ({"teams": {"roles": {"default": "owner"}}}, "teams.roles.default", f"must be one of {ROLES}"),
    ({"teams": {"roles": "agent"}}, "teams.roles", "must be an object"),
    ({"retention": {"day": 1}}, "retention.day", "unknown key; allowed: days, activities"),
    ({"retention": {"days": 0}}, "retention.days", "must be between 1 and 36500, or null for ever"),
    ({"retention": {"days": "90"}}, "retention.days", "must be a whole number"),
    ({"retention": {"days": 1.5}}, "retention.days", "must be a whole number"),
    ({"retention": {"days": True}}, "retention.days", "must be a whole number"),
    (
        {"retention": {"activities": {"conversation_closed": -1}}},
        "retention.activities.conversation_closed",
        "must be between 1 and 36500, or null for ever",
    ),
    (
        {"retention": {"activities": {"opened": 9}}},
        "retention.activities.opened",
        "unknown; allowed: conversation_closed",
    ),
    (
        {"selection": {"people": {"country": "DE"}}},
        "selection.people",
        "must be null: Desk does not let records be chosen",
    ),
    ({"selection": {"deals": None}}, "selection.deals", "unknown key; allowed: people, organizations"),
    (
        {"merge": {"strategy": "newest"}},
        "merge.strategy",
        "must be one of append_only, overwrite_existing, ignore",
    ),
    ({"merge": {"existing_only": "no"}}, "merge.existing_only", "must be true or false"),
    ({"merge": {"people": {}}}, "merge.people.keys", "is missing"),
    ({"merge": {"people": {"keys": "email"}}}, "merge.people.keys", "must be a list"),
    ({"merge": {"people": {"keys": [7]}}}, "merge.people.keys.0", "must be a text"),
    ({"merge": {"people": {"keys": ["email", "phone", "external_id"]}}}, "merge.people.keys", "at most two"),
    (
        {"merge": {"people": {"keys": ["name"]}}},
        "merge.people.keys.name",
        "unknown; allowed: email, phone, external_id",
    ),
    (
        {"merge": {"organizations": {"keys": ["email"]}}},
        "merge.organizations.keys.email",
        "unknown; allowed: name, domain",
    ),
    (
        {"merge": {"people": {"keys": ["email"], "mode": "both"}}},
        "merge.people.mode",
        "must be one of any, next_if_empty, all",
    ),
]


@pytest.mark.parametrize(("config", "key", "message"), WRONG, ids=[f"{key}-{n}" for n, (_, key, _) in enumerate(WRONG)])
def test_a_wrong_answer_names_the_key_and_what_is_allowed(config: Any, key: str, message: str):
    assert errors(config) == {key: message}


def test_an_unknown_system_field_is_answered_with_the_known_ones():
    (message,) = errors({"options": {"modify_fields": ["e-mail"]}}).values()
    assert message.startswith("unknown; allowed: email, phone, external_id, first_name")


def test_all_mistakes_are_told_at_once():
    assert set(errors({"name": "", "merge": {"strategy": "x"}})) == {"name", "merge.strategy"}


def test_conditions_must_fit_the_fields_of_the_account():
    desk = replace(DESK, selective=True)
    schema = [FieldSpec("contact", "plan", "Plan"), FieldSpec("company", "seats", "Seats", "integer")]
    tree = {"all": [{"field": "plan", "op": "is", "value": "pro"}, {"field": "tags", "op": "has", "value": "vip"}]}
    config, _ = read_config({"selection": {"people": tree}}, desk)
    assert config.selection == {"person": tree}
    check_choices(desk, schema, config)
    config, _ = read_config({"selection": {"organizations": {"field": "seats", "op": "contains", "value": "x"}}}, desk)
    with pytest.raises(Invalid) as refused:
        check_choices(desk, schema, config)
    ((where, message),) = refused.value.errors.items()
    assert where == "selection.organizations.op"
    assert message.startswith("unknown operator for seats")


def test_credentials_are_checked_by_the_plugins_schema():
    assert read_credentials({"access_token": "x"}, DESK) == {"access_token": "x"}
    with pytest.raises(Invalid, match="^credentials.access_token: is missing$"):
        read_credentials({}, DESK)
    with pytest.raises(Invalid, match="^credentials.token: unknown key; allowed: access_token$"):
        read_credentials({"access_token": "x", "token": "y"}, DESK)


def test_a_chosen_field_must_be_one_of_the_account():
    schema = [FieldSpec("contact", "plan", "Plan"), FieldSpec("contact", "seats", "Seats")]
    check_chosen(schema, {"contact": frozenset({"plan"}), "company": None})
    with pytest.raises(Invalid) as refused:
        check_chosen(schema, {"contact": frozenset({"plan", "plam"}), "company": frozenset({"size"})})
    assert refused.value.errors == {
        "objects.contact.plam": "unknown field; allowed: plan, seats",
        "objects.company.size": "unknown field; allowed: none",
    }
