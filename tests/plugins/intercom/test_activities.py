from __future__ import annotations

import pytest

from core.contract.types import Record, Ref, Refusal
from plugins.base.mapping import map_each
from plugins.intercom import plugin
from plugins.intercom.activities import ConversationMapper, type_of
from tests.plugins.intercom.payloads import ADMINS, BOT, EVE, MIA, TEAMS, author, conversation, part, with_parts
from tests.plugins.intercom.support import URL, at, error_list, mocked

LINK = "https://app.intercom.com/a/inbox/wk9demo1/inbox/conversation/501"
CONTEXT = {"conversation_id": "501", "subject": "Invoice & refund", "channel": "email", "url": LINK}
NOW = {
    "state": "closed",
    "priority": "none",
    "tags": ["VIP", "Bug"],
    "topics": ["Refunds"],
    "team_id": "9001",
    "team": "Support",
    "teammate_id": "7001",
    "teammate": "Eve Ops",
    "custom_Issue type": "Billing",
    "custom_Orders": '{"type": "order.list", "instances": []}',
}
MIA_FIRST = (Ref("contact", "m1a"), Ref("contact", "b0b"))


def mapper():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    return ConversationMapper(account)


def activities(payload):
    record = mapper()(payload)
    assert isinstance(record, Record)
    return {activity.remote_id: activity for activity in record.activities}


def test_the_start():
    record = mapper()(conversation())
    assert (record.object, record.remote_id) == ("conversation", "501")
    assert (record.created_at, record.updated_at) == (at(1764000000), at(1764000900))
    start = record.activities[0]
    assert (start.type, start.remote_id, start.occurred_at) == (
        "conversation_started",
        "conversation:501",
        at(1764000000),
    )
    assert start.people == MIA_FIRST
    assert start.organization == Ref("company", "c0ffee")
    assert start.attributes == {
        **CONTEXT,
        **NOW,
        "text": "Hello,\nwhere is my refund?",
        "author": "Mia Berg",
        "author_type": "user",
        "delivered_as": "customer_initiated",
        "page_url": "https://app.acme.example/billing",
        "attachments": ["bill.pdf"],
    }


def test_tags_and_rating():
    found = activities(conversation())
    assert list(found) == ["conversation:501", "tag:501:8", "tag:501:9", "rating:501"]
    assert found["tag:501:8"].occurred_at == at(1764000300)
    assert found["tag:501:8"].attributes == {**CONTEXT, "tag": "VIP", "author_type": "admin"}
    assert found["tag:501:9"].occurred_at == at(1764000000)
    rating = found["rating:501"]
    assert (rating.type, rating.occurred_at) == ("conversation_rated", at(1764000800))
    assert rating.people == (Ref("contact", "b0b"), Ref("contact", "m1a"))
    assert rating.attributes == {
        **CONTEXT, **NOW, "rating": 4, "remark": "Quick!", "teammate_id": "7002", "teammate": "Dan Dev"
    }  # fmt: skip


def test_a_rating_that_was_only_asked_for_is_none():
    asked = {"rating": None, "created_at": 1764000700, "contact": None, "teammate": None}
    assert "rating:501" not in activities(conversation(conversation_rating=asked))


def test_a_bare_rating():
    rating = activities(conversation(conversation_rating={"rating": 1, "created_at": 1764000700}))["rating:501"]
    assert rating.occurred_at == at(1764000700)
    assert rating.people == MIA_FIRST
    assert rating.attributes["teammate_id"] == "7001"


@pytest.mark.parametrize(
    ("part_type", "by", "type"),
    [
        ("comment", MIA, "contact_replied"),
        ("comment", author("lead", "l1"), "contact_replied"),
        ("quick_reply", MIA, "contact_replied"),
        ("comment", EVE, "teammate_replied"),
        ("comment", author("team", "9001"), "teammate_replied"),
        ("comment", None, "teammate_replied"),
        ("comment", BOT, "bot_replied"),
        ("comment", author("admin", "1", from_ai_agent=True), "bot_replied"),
        ("note", EVE, "conversation_noted"),
        ("assignment", EVE, "conversation_assigned"),
        ("assign_and_reopen", EVE, "conversation_assigned"),
        ("snoozed", EVE, "conversation_snoozed"),
        ("close", EVE, "conversation_closed"),
        ("open", EVE, "conversation_reopened"),
        ("conversation_attribute_updated_by_admin", BOT, "conversation_updated"),
        ("merged_primary_conversation", EVE, "conversation_updated"),
        ("operator_workflow_event", BOT, "conversation_updated"),
        ("language_detection_details", BOT, "conversation_updated"),
        ("something_never_seen", MIA, "conversation_updated"),
        (None, MIA, "conversation_updated"),
    ],
)
def test_every_part_has_a_type(part_type, by, type):
    assert type_of(part(1, part_type, by, 0)) == type


def test_parts_become_activities_whatever_they_are():
    parts = [
        part(11, "comment", MIA, 1764000010, body="<p>Any news?</p>", tags=[{"id": "8", "name": "VIP"}]),
        part("12", "assignment", EVE, 1764000020, assigned_to={"type": "team", "id": "9001"}),
        part("13", "assignment", EVE, 1764000030, assigned_to={"type": "admin", "id": 7002}),
        part("14", "assignment", EVE, 1764000040, assigned_to={"type": "nobody_admin", "id": None}),
        part("15", "comment", EVE, 1764000050, body="<p>Done</p>", attachments=[{"name": "a.png"}, {}]),
        part("16", "conversation_attribute_updated_by_admin", BOT, 1764000060,
             event_details={"attribute": {"name": "jira"}, "value": {"name": "PROJ-7"}}),
        part("17", "custom_action_finished", BOT, 1764000070,
             event_details={"action": {"name": "Refund", "result": "success"}}),
    ]  # fmt: skip
    found = activities(with_parts(*parts))
    assert [key for key in found if key.startswith("part:")] == [f"part:{number}" for number in range(11, 18)]
    reply = found["part:11"]
    assert (reply.type, reply.occurred_at, reply.people) == ("contact_replied", at(1764000010), MIA_FIRST)
    assert reply.attributes == {
        **CONTEXT, "text": "Any news?", "part_type": "comment", "author": "Mia Berg", "author_type": "user",
        "state": "open", "tags": ["VIP"],
    }  # fmt: skip
    assigned = [found[f"part:{number}"].attributes for number in (12, 13, 14)]
    assert [(a.get("team_id"), a.get("team")) for a in assigned] == [("9001", "Support"), (None, None), (None, None)]
    assert [a.get("teammate") for a in assigned] == [None, "Dan Dev", "Eve Ops"]
    assert found["part:15"].attributes["attachments"] == ["a.png"]
    assert found["part:16"].attributes["attribute"] == "jira"
    assert found["part:16"].attributes["value"] == "PROJ-7"
    assert found["part:17"].attributes["value"] == "success"


def test_the_author_of_a_part_comes_first_even_if_no_longer_in_the_conversation():
    found = activities(with_parts(part("1", "comment", author("lead", "gone"), 1764000010)))
    assert [ref.remote_id for ref in found["part:1"].people] == ["gone", "m1a", "b0b"]


def test_only_the_last_close_carries_times_and_state():
    found = activities(
        with_parts(
            part("1", "close", EVE, 1764000010, state="closed"),
            part("2", "open", MIA, 1764000020),
            part("3", "close", author("admin", "7002", "Dan Dev"), 1764000030, state="closed"),
        )
    )
    assert "resolution_seconds" not in found["part:1"].attributes
    assert "topics" not in found["part:1"].attributes
    last = found["part:3"].attributes
    assert (last["first_reply_seconds"], last["resolution_seconds"], last["reopens"]) == (60, 600, 0)
    assert (last["team"], last["teammate"], last["topics"]) == ("Support", "Dan Dev", ["Refunds"])


def test_all_attributes_are_flat_and_declared():
    declared = {spec.key: set(spec.attributes) for spec in plugin.manifest.activities}
    kinds = ("comment", "note", "close", "open", "snoozed", "assignment", "whatever")
    found = activities(with_parts(*[part(str(n), kind, EVE, 1764000010 + n) for n, kind in enumerate(kinds, 1)]))
    for activity in found.values():
        for name, value in activity.attributes.items():
            assert name.startswith("custom_") or name in declared[activity.type], (activity.type, name)
            assert isinstance(value, str | int | float | bool) or all(isinstance(item, str) for item in value)


@pytest.mark.parametrize(
    "nothing",
    [
        {"source": None, "statistics": None, "topics": {}, "tags": None, "conversation_rating": None, "teammates": None,
         "company": None, "contacts": None, "custom_attributes": None, "channel": None, "conversation_parts": None,
         "admin_assignee_id": 0, "team_assignee_id": None},
        {"admin_assignee_id": "0", "source": {"type": "unknown"}, "contacts": {"contacts": []}, "tags": {"tags": []},
         "conversation_rating": None, "topics": None},
    ],
)  # fmt: skip
def test_outbound_conversations_have_next_to_nothing(nothing):
    (start,) = activities(conversation(**nothing)).values()
    assert start.people == ()
    assert "teammate_id" not in start.attributes


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"id": None}, "id: missing"),
        ({"created_at": None}, "conversation:501: the time is missing"),
        ({"contacts": []}, "contacts: must be an object"),
    ],
)
def test_a_broken_conversation_is_refused(broken, reason):
    (refusal,) = map_each("conversation", [conversation(**broken)], mapper())
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_a_broken_part_costs_no_other():
    parts = [{"part_type": "comment"}, part(2, "comment", MIA, 1764000200), "odd", part(3, "comment", MIA, None)]
    record = mapper()(conversation(conversation_parts={"conversation_parts": parts}))
    assert [a.remote_id for a in record.activities if a.remote_id.startswith("part")] == ["part:2"]
    assert record.refused == (
        "part None: id: missing",
        "part None: must be an object",
        "part 3: part:3: the time is missing",
    )


def test_names_are_missing_without_the_scope_for_admins(caplog):
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", status_code=403, json=error_list("forbidden"))
    start = ConversationMapper(account)(conversation()).activities[0]
    assert start.attributes["teammate_id"] == "7001"
    assert "teammate" not in start.attributes
    assert "go without names of teammates" in caplog.text
