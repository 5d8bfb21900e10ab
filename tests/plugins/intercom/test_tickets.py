from __future__ import annotations

from collections import Counter

import pytest

from core.contract.types import Ref
from plugins.intercom.tickets import TicketMapper, state_of, type_of
from tests.plugins.intercom.payloads import ADMINS, EVE, MIA, TEAMS, part
from tests.plugins.intercom.support import URL, at, mocked

TICKET = {
    "type": "ticket",
    "id": "601",
    "ticket_id": "42",
    "category": "Customer",
    "ticket_attributes": {"_default_title_": "Broken cup", "_default_description_": "<p>It leaks</p>"},
    "ticket_state": {"type": "ticket_state", "id": "1", "category": "resolved"},
    "ticket_type": {"type": "ticket_type", "id": "3", "name": "Claim"},
    "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "m1a"}]},
    "admin_assignee_id": 7001,
    "team_assignee_id": 0,
    "company_id": "c0ffee",
    "created_at": 1764000000,
    "updated_at": 1764000900,
    "ticket_parts": {
        "type": "ticket_part.list",
        "ticket_parts": [
            part("1", "ticket_state_updated_by_admin", EVE, 1764000100, ticket_state="in_progress",
                 previous_ticket_state="submitted"),
            part(2, "comment", EVE, 1764000200, body="<p>On it</p>", author=MIA),
            part("3", "ticket_state_updated_by_admin", EVE, 1764000300, ticket_state="resolved"),
        ],
    },
}  # fmt: skip


def test_a_ticket_becomes_activities():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    record = TicketMapper(account)(TICKET)
    assert (record.object, record.remote_id, record.updated_at) == ("ticket", "601", at(1764000900))
    created, changed, said, resolved = record.activities
    assert [(a.type, a.remote_id) for a in record.activities] == [
        ("ticket_created", "ticket:601"),
        ("ticket_state_changed", "ticket_part:1"),
        ("ticket_updated", "ticket_part:2"),
        ("ticket_resolved", "ticket_part:3"),
    ]
    context = {
        "ticket_id": "601", "number": "42", "subject": "Broken cup", "category": "Customer", "ticket_type": "Claim"
    }  # fmt: skip
    assert created.attributes == {
        **context, "text": "It leaks", "state": "resolved", "teammate_id": "7001", "teammate": "Eve Ops"
    }  # fmt: skip
    assert changed.attributes == {
        **context, "part_type": "ticket_state_updated_by_admin", "state": "in_progress", "previous_state": "submitted",
        "author": "Eve Ops", "author_type": "admin", "teammate_id": "7001", "teammate": "Eve Ops",
    }  # fmt: skip
    assert said.attributes["text"] == "On it"
    assert "teammate" not in said.attributes
    assert resolved.occurred_at == at(1764000300)
    assert created.people == (Ref("contact", "m1a"),)
    assert created.organization == Ref("company", "c0ffee")


def test_a_ticket_without_its_time():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    with pytest.raises(ValueError, match="ticket:601: the time is missing"):
        TicketMapper(account)({**TICKET, "created_at": None})


def parts(*given):
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    record = TicketMapper(account)({**TICKET, "ticket_parts": {"ticket_parts": list(given)}})
    return record, [activity.attributes for activity in record.activities[1:]]


def test_who_a_ticket_is_assigned_to():
    _, (to_admin, to_team, to_nobody) = parts(
        part("1", "assignment", MIA, 1764000100, assigned_to={"type": "admin", "id": 7001}),
        part("2", "assignment", EVE, 1764000200, assigned_to={"type": "team", "id": TEAMS["teams"][0]["id"]}),
        part("3", "assignment", EVE, 1764000300, assigned_to={"type": "nobody_admin", "id": None}),
    )
    assert (to_admin["teammate_id"], to_admin["teammate"]) == ("7001", "Eve Ops")
    assert to_team["team"] == TEAMS["teams"][0]["name"]
    assert "teammate" not in to_team
    assert "team" not in to_nobody


@pytest.mark.parametrize(
    ("label", "value"), [("Fast", "Fast"), (["a.png", "b.png"], "a.png, b.png"), (3, "3"), (None, None), ([], None)]
)
def test_an_attribute_that_was_changed(label, value):
    changed = {"attribute": {"id": "7", "label": "Progress"}, "value": {"id": "x", "label": label}}
    record, (told,) = parts(
        part("1", "ticket_attribute_updated_by_admin", EVE, 1764000100, updated_attribute_data=changed)
    )
    assert record.activities[1].type == "ticket_updated"
    assert (told["attribute"], told.get("value")) == ("Progress", value)


def test_a_ticket_is_as_new_as_its_newest_part():
    record, _ = parts(part("1", "comment", EVE, 1764009999))
    assert record.updated_at == at(1764009999)
    record, _ = parts()
    assert record.updated_at == at(1764000900)


def test_states_and_types():
    assert state_of({"category": "submitted"}) == state_of("submitted") == "submitted"
    assert state_of(None) is None
    assert type_of({"part_type": "note"}) == "ticket_updated"


def test_every_ticket_comes_once_with_every_part(workspace):
    store = workspace.store
    read = workspace.read(["ticket"])
    assert not read.refusals
    assert Counter(read.ids("ticket")) == Counter(ticket.fields["id"] for ticket in store.tickets)
    assert all(record.activities[0].type == "ticket_created" for record in read.records["ticket"])


def test_later_runs_search_what_changed(workspace):
    now = workspace.store.clock.seconds()
    assert workspace.read(["ticket"], since=at(now)).ids("ticket") == []
    assert workspace.read(["ticket"], horizon=at(now)).ids("ticket") == []
