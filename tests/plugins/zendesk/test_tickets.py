from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.contract.types import Activity, Record, Ref, Refusal
from plugins.zendesk.sandbox.data import FIRST_AGENT, FIRST_USER
from tests.plugins.zendesk.support import Office, mocked, source

REQUESTER, AGENT = Ref("user", "70"), 9
TICKET = {
    "id": 3, "subject": "Lost", "requester_id": 70, "organization_id": 5, "status": "open", "tags": ["a"],
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z", "via": {"channel": "web"},
}  # fmt: skip


def told(*events, author=70) -> list[Activity]:
    """What one later audit with these events becomes."""
    mocker, account = mocked()
    at = "2026-01-02T00:00:00Z"
    audits = [{"id": n, "created_at": at, "author_id": author, "events": [*some]} for n, some in ((1, ()), (2, events))]
    mocker.get("https://acme.zendesk.com/api/v2/tickets/show_many.json", json={"tickets": [TICKET]})
    mocker.get("https://acme.zendesk.com/api/v2/tickets/3/audits.json", json={"audits": audits, "meta": {}})
    mocker.get("/api/v2/users.json", json={"users": [{"id": AGENT, "name": "Ada"}], "meta": {}})
    mocker.get("/api/v2/groups.json", json={"groups": [{"id": 4, "name": "Billing"}], "meta": {}})
    mocker.get("/api/v2/group_memberships.json", json={"group_memberships": [], "meta": {}})
    (record,) = source.fetch(account=account, refs=[Ref("ticket", "3")]).records
    assert isinstance(record, Record)
    first, *later = record.activities
    assert first.type == "ticket_created"
    return later


def change(field, value, before=None):
    return {"type": "Change", "field_name": field, "value": value, "previous_value": before}


def comment(author, public=True):
    return {"id": 8, "type": "Comment", "author_id": author, "html_body": "<p>Hi</p>", "public": public}


@pytest.mark.parametrize(
    ("event", "type", "author_type"),
    [
        (comment(70), "contact_replied", "contact"),
        (comment(71), "contact_replied", "contact"),
        (comment(AGENT), "teammate_replied", "teammate"),
        (comment(-1), "teammate_replied", "teammate"),
        (comment(AGENT, public=False), "ticket_noted", "teammate"),
    ],
)
def test_comments(event, type, author_type):
    (activity,) = told(event)
    assert (activity.type, activity.remote_id) == (type, "comment:8")
    assert activity.attributes["author_type"] == author_type
    assert activity.attributes["text"] == "Hi"


@pytest.mark.parametrize(
    ("now", "before", "type"),
    [
        ("solved", "open", "ticket_solved"),
        ("open", "solved", "ticket_reopened"),
        ("pending", "closed", "ticket_reopened"),
        ("closed", "solved", "ticket_status_changed"),
        ("pending", "open", "ticket_status_changed"),
    ],
)
def test_statuses(now, before, type):
    (activity,) = told(change("status", now, before))
    assert activity.type == type
    assert activity.attributes["status"] == now
    assert activity.attributes["previous_status"] == before


def test_one_audit_may_tell_several_things_once_each():
    activities = told(
        change("assignee_id", str(AGENT)),
        change("group_id", "4"),
        change("tags", ["a", "b"], ["a", "c"]),
        change("satisfaction_score", "bad", "offered"),
        change("satisfaction_comment", "Slow"),
        {"type": "Notification", "id": 1},
        author=AGENT,
    )
    by_type = {activity.type: activity.attributes for activity in activities}
    assert list(by_type) == ["ticket_assigned", "ticket_tagged", "ticket_rated"]
    assert by_type["ticket_assigned"]["teammate"] == "Ada"
    assert by_type["ticket_assigned"]["team"] == "Billing"
    assert by_type["ticket_tagged"]["tags"] == ["b"]
    assert (by_type["ticket_rated"]["rating"], by_type["ticket_rated"]["remark"]) == ("bad", "Slow")


@pytest.mark.parametrize("event", [change("tags", ["a"], ["a", "b"]), change("satisfaction_score", "offered")])
def test_what_is_no_news(event):
    assert told(event) == []


def test_it_belongs_to_who_did_it_then_to_the_requester_and_to_no_agent():
    assert told(change("status", "open"), author=71)[0].people == (Ref("user", "71"), REQUESTER)
    assert told(change("status", "open"), author=70)[0].people == (REQUESTER,)
    assert told(change("status", "open"), author=AGENT)[0].people == (REQUESTER,)
    assert told(change("status", "open"))[0].organization == Ref("organization", "5")


def test_the_creation_has_the_first_message_and_what_is_so_now(office: Office):
    first, *_ = office.records("ticket")["1"].activities
    assert (first.type, first.people) == ("ticket_created", (Ref("user", str(FIRST_USER)),))
    assert first.attributes["text"] == "Please help."
    assert first.attributes["team"] == "Support"
    assert first.attributes["custom_500200"] == "team"
    assert first.attributes["url"] == "https://acme.zendesk.com/agent/tickets/1"


def test_known_tickets_are_not_asked_for_again(office: Office):
    def known(object, versions):
        return frozenset(versions) - {"2"}

    (page,) = office.read("ticket", known=known)
    assert [record.remote_id for record in page.records] == ["2"]
    assert page.unchanged == {"ticket": len(office.rows["tickets"]) - 1}


def test_deleted_tickets_are_told_and_vanished_ones_too(office: Office):
    office.rows["tickets"][1]["status"] = "deleted"
    del office.sandbox.data.audits[2]
    (page,) = office.read("ticket")
    assert set(page.deleted) == {Ref("ticket", "1"), Ref("ticket", "2")}
    assert len(page.records) == len(office.rows["tickets"]) - 2


def test_nothing_older_than_the_horizon_is_read(office: Office):
    born = datetime.fromtimestamp(office.sandbox.data.born, UTC)
    half = office.records("ticket", horizon=born + timedelta(days=30))
    assert 0 < len(half) < len(office.rows["tickets"])
    assert half == office.records("ticket", since=born, horizon=born + timedelta(days=30))
    assert office.records("ticket", since=born + timedelta(days=90), horizon=born) == {}


def test_a_broken_ticket_is_set_aside_alone(office: Office):
    office.rows["tickets"][1]["created_at"] = "yesterday"
    (page,) = office.read("ticket")
    (refused,) = [item for item in page.records if isinstance(item, Refusal)]
    assert (refused.remote_id, "created_at" in refused.reason) == ("1", True)


def test_without_names_of_agents_only_the_requester_is_a_customer():
    mocker, account = mocked()
    audits = [{"id": 1, "created_at": "2026-01-01T00:00:00Z", "author_id": 70, "events": []},
              {"id": 2, "created_at": "2026-01-01T00:00:00Z", "author_id": FIRST_AGENT,
               "events": [comment(FIRST_AGENT)]}]  # fmt: skip
    mocker.get("/api/v2/users.json", status_code=403)
    mocker.get("/api/v2/tickets/show_many.json", json={"tickets": [TICKET]})
    mocker.get("/api/v2/tickets/3/audits.json", json={"audits": audits, "meta": {}})
    (record,) = source.fetch(account=account, refs=[Ref("ticket", "3")]).records
    assert isinstance(record, Record)
    assert [(found.type, found.people) for found in record.activities] == [
        ("ticket_created", (REQUESTER,)),
        ("teammate_replied", (REQUESTER,)),
    ]
