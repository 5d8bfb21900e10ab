from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from plugins.intercom.sandbox.clock import DAY
from tests.plugins.intercom.sandbox.conftest import Api, make


@pytest.fixture(scope="module")
def rows(api: Api) -> list[dict[str, Any]]:
    return api.rows("/conversations", "conversations", per_page=150)


@pytest.fixture(scope="module")
def whole(api: Api, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [api.get(f"/conversations/{row['id']}") for row in rows]


def parts(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = conversation["conversation_parts"]["conversation_parts"]
    return found


def test_lists_carry_no_parts_and_per_page_comes_back_as_text(api: Api, rows: list[dict[str, Any]]):
    body = api.get("/conversations")
    assert (len(body["conversations"]), body["pages"]["per_page"], body["total_count"]) == (20, "20", 250)
    assert api.search("conversations", None)["pages"]["per_page"] == 20
    assert all("conversation_parts" not in row for row in rows)
    assert len({row["id"] for row in rows}) == 250


def test_a_retrieved_conversation_is_its_listed_self_with_parts(
    rows: list[dict[str, Any]], whole: list[dict[str, Any]]
):
    for row, full in zip(rows, whole, strict=True):
        assert {name: value for name, value in full.items() if name != "conversation_parts"} == row


def test_parts_are_in_order_within_the_conversation_and_unique(whole: list[dict[str, Any]]):
    seen: set[str] = set()
    for conversation in whole:
        times = [part["created_at"] for part in parts(conversation)]
        assert times == sorted(times)
        assert all(conversation["created_at"] <= time <= conversation["updated_at"] for time in times)
        ids = {str(part["id"]) for part in parts(conversation)}
        assert not ids & seen
        seen |= ids
    kinds = Counter(part["part_type"] for conversation in whole for part in parts(conversation))
    assert {
        "comment",
        "note",
        "assignment",
        "close",
        "open",
        "snoozed",
        "assign_and_reopen",
        "channel_and_reply_time_expectation",
        "language_detection_details",
        "conversation_attribute_updated_by_admin",
        "conversation_attribute_updated_by_workflow",
    } <= set(kinds)
    assert {type(part["id"]) for conversation in whole for part in parts(conversation)} == {int, str}
    authors = {part["author"]["type"] for conversation in whole for part in parts(conversation)}
    assert {"user", "lead", "admin", "bot"} <= authors


def test_at_most_the_500_newest_parts_are_given(api: Api, whole: list[dict[str, Any]]):
    long = [one for one in whole if one["conversation_parts"]["total_count"] > 500]
    assert len(long) == 2
    for conversation in long:
        assert len(parts(conversation)) == 500
        assert parts(conversation)[-1]["created_at"] == conversation["updated_at"]


def test_conversations_are_as_odd_as_real_ones(rows: list[dict[str, Any]], whole: list[dict[str, Any]]):
    assert any(row["statistics"] is None for row in rows)
    assert {row["state"] for row in rows} == {"open", "closed", "snoozed"}
    assert any(row["topics"] == {} for row in rows)
    assert any(row["teammates"] is None for row in rows)
    assert any("admins" in (row["teammates"] or {}) for row in rows)
    assert any(len(row["contacts"]["contacts"]) > 1 for row in rows)
    assert any(row["source"]["type"] == "unknown" for row in rows)
    assert {"none", "urgent"} <= {row["priority"] for row in rows}
    assert any(row["admin_assignee_id"] == 0 for row in rows)
    assert any(row["source"]["delivered_as"] == "admin_initiated" for row in rows)
    asked = [row["conversation_rating"] for row in rows if row["conversation_rating"]]
    assert any(rating["rating"] is None for rating in asked)
    assert any(rating["rating"] and rating["remark"] for rating in asked)
    targets = [part["assigned_to"] for one in whole for part in parts(one) if part["assigned_to"]]
    assert {target["type"] for target in targets} >= {"admin", "team"}
    more = [one for one in whole if one["statistics"]]
    assert all(one["statistics"]["count_conversation_parts"] > one["conversation_parts"]["total_count"] for one in more)


def test_somebody_is_unassigned_in_a_large_workspace():
    api = make(people=1_000, conversations=1_500)
    ids = [row["id"] for row in api.search("conversations", {"field": "open", "operator": "=", "value": True},
                                           per_page=150)["conversations"]]  # fmt: skip
    kinds = {(part["assigned_to"] or {}).get("type") for one in ids for part in parts(api.get(f"/conversations/{one}"))}
    assert "nobody_admin" in kinds


def test_many_languages_and_recent_activity(rows: list[dict[str, Any]]):
    bodies = " ".join(row["source"]["body"] for row in rows)
    for word in ("invoice", "facture", "pedido", "Guten Tag", "請求書", "Buongiorno"):
        assert word in bodies, word
    assert "{" not in bodies
    newest = max(row["updated_at"] for row in rows)
    assert sum(1 for row in rows if row["created_at"] > newest - 90 * DAY) > len(rows) * 0.25
    assert min(row["created_at"] for row in rows) < newest - 400 * DAY


def test_contacts_in_conversations_exist_and_came_first(api: Api, rows: list[dict[str, Any]]):
    for row in rows[:60]:
        for reference in row["contacts"]["contacts"]:
            contact = api.get(f"/contacts/{reference['id']}")
            assert contact["created_at"] <= row["created_at"]
            assert contact["external_id"] == reference["external_id"]


def test_bodies_can_be_asked_for_as_plain_text(api: Api, rows: list[dict[str, Any]]):
    shown = api.get(f"/conversations/{rows[0]['id']}", display_as="plaintext")
    assert "<p>" not in shown["source"]["body"]
    assert not any("<p>" in (part["body"] or "") for part in parts(shown))


def test_before_2_16_nobody_is_null_and_priorities_are_two(api: Api, rows: list[dict[str, Any]]):
    free = next(row["id"] for row in rows if row["admin_assignee_id"] == 0)
    old = api.ask("GET", f"/conversations/{free}", headers={"Intercom-Version": "2.11"}).json
    assert old is not None
    assert old["admin_assignee_id"] is None
    assert old["priority"] in ("priority", "not_priority")
    unpinned = api.client.get(f"/conversations/{free}", headers={"Authorization": api.headers["Authorization"]}).json
    assert unpinned == old


def test_before_2_16_assignees_of_tickets_are_text(api: Api):
    ticket = api.search("tickets", None)["tickets"][0]
    old = api.ask("GET", f"/tickets/{ticket['id']}", headers={"Intercom-Version": "2.15"}).json
    assert old is not None
    assert old["team_assignee_id"] == str(ticket["team_assignee_id"])


def test_missing_conversations(api: Api):
    for path in ("12", "215000999", "0215000001", "²", "abc"):
        assert api.refused("GET", f"/conversations/{path}") == (404, "not_found", "Resource Not Found")


def test_the_life_of_a_conversation(small: Api):
    store = small.store
    contact = small.get("/contacts")["data"][0]["id"]
    conversation = store.start_conversation(contact, "Hello there")
    store.reply(conversation, "7001", "Hi!")
    store.reply(conversation, contact, "Thanks")
    store.note(conversation, "7002", "Nice customer")
    store.assign(conversation, admin_id="7002")
    store.assign(conversation, team_id="9001")
    store.snooze(conversation)
    assert small.get(f"/conversations/{conversation}")["state"] == "snoozed"
    store.close(conversation)
    store.reopen(conversation)
    store.tag_conversation(conversation, "16")
    store.rate(conversation, 5, "Great")
    shown = small.get(f"/conversations/{conversation}")
    assert [part["part_type"] for part in parts(shown)] == [
        "comment", "comment", "note", "assignment", "assignment", "snoozed", "close", "open",
    ]  # fmt: skip
    assert (shown["admin_assignee_id"], shown["team_assignee_id"], shown["state"]) == (7002, 9001, "open")
    assert shown["conversation_rating"]["remark"] == "Great"
    assert shown["tags"]["tags"][0]["name"] == "bug"
    store.assign(conversation)
    assert small.get(f"/conversations/{conversation}")["admin_assignee_id"] == 0


def test_a_reply_adds_to_generated_parts_and_moves_the_conversation(small: Api):
    row = small.search("conversations", None, per_page=1)["conversations"][0]
    before = small.get(f"/conversations/{row['id']}")
    part = small.store.reply(row["id"], "7003", "Any news?")
    after = small.get(f"/conversations/{row['id']}")
    assert parts(after)[:-1] == parts(before)
    assert parts(after)[-1]["id"] == part
    newest = small.get("/conversations")["conversations"][0]
    assert newest["id"] == row["id"]
    assert newest["updated_at"] > row["updated_at"]


def test_conversations_follow_a_merged_contact(small: Api):
    lead, user = small.store.create_contact(role="lead"), small.store.create_contact(name="Ann")
    talk = small.store.start_conversation(lead, "Hello")
    small.store.reply(talk, lead, "Anybody?")
    small.store.merge_contacts(lead, user)
    shown = small.get(f"/conversations/{talk}")
    assert [one["id"] for one in shown["contacts"]["contacts"]] == [user]
    assert parts(shown)[0]["author"]["id"] == user


def test_a_rating_does_not_move_the_conversation_unless_told(small: Api):
    row = small.get("/conversations")["conversations"][0]
    small.store.rate(row["id"], 2)
    assert small.get(f"/conversations/{row['id']}")["updated_at"] == row["updated_at"]
    small.store.rate(row["id"], 2, bump=True)
    assert small.get(f"/conversations/{row['id']}")["updated_at"] > row["updated_at"]


def test_deleted_conversations_are_listed_newest_first_by_links(small: Api):
    rows = small.get("/conversations")["conversations"]
    for row in rows[:3]:
        small.store.delete_conversation(row["id"])
    body = small.get("/conversations/deleted", per_page=2)
    assert body["type"] == "conversations.list"
    assert [one["id"] for one in body["conversations"]] == [rows[2]["id"], rows[1]["id"]]
    assert "page=2" in body["pages"]["next"]
    assert small.get("/conversations/deleted", per_page=2, page=2)["pages"]["next"] is None
    oldest = small.get("/conversations/deleted", order="asc")["conversations"][0]
    assert oldest["id"] == rows[0]["id"]
    assert oldest["metrics_retained"] is True
    assert small.refused("GET", f"/conversations/{rows[0]['id']}")[0] == 404
    assert small.refused("GET", "/conversations/deleted", query_string={"per_page": 61})[0] == 400
    assert small.refused("GET", "/conversations/deleted", query_string={"order": "up"})[0] == 400
    old = {"Intercom-Version": "2.15"}
    status, code, message = small.refused("GET", "/conversations/deleted", headers=old)
    assert (status, code) == (400, "intercom_version_invalid")
    assert message == "Requested resource is not available in current API version."


def test_conversation_attributes(api: Api):
    shown = api.get("/conversations/attributes")["data"]
    everything = api.get("/conversations/attributes", include_archived="true")["data"]
    assert len(everything) == len(shown) + 1
    assert api.get("/conversations/attributes/2")["options"][0]["label"] == "Billing"
    assert api.refused("GET", "/conversations/attributes/99")[1] == "conversation_attribute_not_found"


def test_tickets(api: Api):
    found = [
        row
        for page in api.searched("tickets", {"field": "created_at", "operator": ">", "value": 0}, 20)
        for row in page
    ]
    assert len(found) == len({row["id"] for row in found}) == 50
    assert all(row["ticket_parts"]["total_count"] for row in found)
    assert api.get(f"/tickets/{found[0]['id']}") == found[0]
    assert api.refused("GET", "/tickets/9")[1] == "ticket_not_found"
    tasks = api.search("tickets", {"field": "category", "operator": "=", "value": "task"}, per_page=150)["tickets"]
    assert {row["category"] for row in tasks} == {"Back-office"}
    types = {row["id"] for row in api.get("/ticket_types")["data"]}
    assert {row["ticket_type"]["id"] for row in found} <= types
    assert api.get("/ticket_types/95")["name"] == "Return"
    assert len(api.get("/ticket_states")["data"]) == 4
