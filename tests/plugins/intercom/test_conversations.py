from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from core.contract.types import Partition, Ref, Scope
from plugins.base.client import ApiClient
from plugins.intercom.activities import version
from tests.plugins.intercom.payloads import ADMINS, TEAMS, conversation
from tests.plugins.intercom.support import URL, Read, Workspace, at, error_list, holding, mocked, read_partition, source

ALL = Partition("conversation", start={"from": 0, "to": None})


def held_by(store):
    """What a host holds that has read everything."""
    return {c.fields["id"]: version(store.conversation_fields(c)) for c in store.conversations}


def parts_of(store, conversation):
    """Ids of what Intercom gives: the 500 newest parts."""
    return [str(part["id"]) for part in store.parts(conversation)][-500:]


def test_every_conversation_comes_once_with_every_part():
    workspace = Workspace(people=200, conversations=180)
    store = workspace.store
    read = workspace.read(["conversation"])
    assert not read.refusals
    assert Counter(read.ids("conversation")) == Counter(c.fields["id"] for c in store.conversations)
    activities = Counter(a.remote_id for record in read.records["conversation"] for a in record.activities)
    assert set(activities.values()) == {1}
    wanted = {f"part:{key}" for c in store.conversations for key in parts_of(store, c)}
    assert {key for key in activities if key.startswith("part:")} == wanted
    assert max(len(parts_of(store, c)) for c in store.conversations) == 500
    people = set(workspace.everyone())
    for record in read.records["conversation"]:
        fields = store.conversation(record.remote_id).fields
        contacts = {contact["id"] for contact in fields["contacts"]["contacts"]}
        assert {ref.remote_id for ref in record.activities[0].people} == contacts <= people
        rated = (fields["conversation_rating"] or {}).get("rating")
        assert [a.attributes["rating"] for a in record.activities if a.type == "conversation_rated"] == (
            [] if rated is None else [rated]
        )
        assert {a.attributes["tag"] for a in record.activities if a.type == "conversation_tagged"} == {
            tag["name"] for tag in fields["tags"]["tags"]
        }


def test_a_horizon_bounds_the_first_load(workspace):
    horizon = at(workspace.store.clock.seconds()) - timedelta(days=20)
    read = workspace.read(["conversation"], horizon=horizon)
    wanted = {c.fields["id"] for c in workspace.store.conversations if at(c.fields["updated_at"]) >= horizon}
    assert set(read.ids("conversation")) == wanted
    assert len(read.pages) <= 3


def test_an_empty_workspace(workspace):
    assert Workspace(people=0).read(["conversation"]).records == {}


def test_later_runs_fetch_what_changed_and_nothing_else(workspace):
    store = workspace.store
    held = held_by(store)
    since = at(store.clock.seconds())
    changed = list(held)[:3]
    store.reply(changed[0], "7001", "Hello again")
    store.close(changed[1])
    store.tag_conversation(changed[2], "15")
    read = workspace.read(["conversation"], since=since, known=held)
    assert set(read.ids("conversation")) >= set(changed[:2])
    assert workspace.asked("GET /conversations/{id}") == len(read.ids("conversation")) <= 4
    assert workspace.asked("POST /conversations/search") == 1


def test_what_the_host_holds_is_not_fetched(workspace):
    held = held_by(workspace.store)
    stale = next(iter(held))
    held[stale] -= timedelta(seconds=1)
    read = workspace.read(["conversation"], known=held)
    assert read.ids("conversation") == [stale]
    assert read.unchanged == len(held) - 1


def test_a_conversation_that_changes_while_pages_are_read_is_not_lost(workspace, monkeypatch):
    monkeypatch.setattr("plugins.intercom.conversations.Conversations.size", 10)
    store = workspace.store
    account = workspace.account
    first = source.sync(account=account, partition=ALL, cursor=ALL.start)
    read = Read()
    read.take(first)
    moved = [c.fields["id"] for c in store.conversations if c.fields["id"] not in read.ids("conversation")][:2]
    store.advance(5)
    for one in moved:
        store.reply(one, "7001", "Moved behind the cursor")
    store.reply(read.ids("conversation")[0], "7001", "Seen already")
    read_partition(account, ALL, read, first.next)
    assert set(read.ids("conversation")) == {c.fields["id"] for c in store.conversations}


def test_a_conversation_deleted_between_search_and_fetch(workspace):
    gone = next(iter(workspace.store.conversations)).fields["id"]

    def known(object, versions):
        if gone in versions:
            workspace.store.delete_conversation(gone)
        return frozenset()

    account = replace(workspace.account, known=known)
    read = Read()
    read_partition(account, ALL, read)
    assert read.deleted == [Ref("conversation", gone)]
    assert gone not in read.ids("conversation")


def test_the_plan_restriction_fails_this_object_alone(workspace):
    workspace.store.set_plan_restricted()
    account = replace(workspace.account, objects={"conversation": None, "contact": None})
    contacts, conversations, deleted = source.plan_sync(account=account, scope=Scope({}))
    assert (conversations.start["from"], conversations.start["to"]) == (0, None)
    assert source.sync(account=account, partition=deleted, cursor=deleted.start).deleted == []
    with pytest.raises(Refused, match=r"api_plan_restricted: Active subscription needed"):
        source.sync(account=account, partition=conversations, cursor=conversations.start)
    assert source.sync(account=account, partition=contacts, cursor=contacts.start).records


def details(**answers):
    """Two conversations are found, 501 and 502; the second answers as given."""
    mocker, account = mocked()
    rows = [{"id": 501, "updated_at": 1764000900}, {"id": "502", "updated_at": 1764000900}]
    mocker.post(f"{URL}/conversations/search", json={"conversations": rows, "total_count": 2, "pages": {}})
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    mocker.get(f"{URL}/me", json={})
    mocker.get(f"{URL}/conversations/501", json=conversation())
    mocker.get(f"{URL}/conversations/502", **answers)
    read = Read()
    read_partition(account, ALL, read)
    return read


def test_a_conversation_that_intercom_refuses_is_set_aside():
    read = details(status_code=422, json=error_list("unprocessable_entity"))
    assert read.ids("conversation") == ["501"]
    assert [(refusal.remote_id, "422" in refusal.reason) for refusal in read.refusals] == [("502", True)]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_what_forbids_one_forbids_all(status):
    with pytest.raises(Refused):
        details(status_code=status)


@pytest.mark.parametrize("failure", [{"exc": requests.ConnectionError}, {"status_code": 408}, {"text": ""}])
def test_a_network_that_fails_gives_the_worker_back_and_writes_nothing(failure):
    with pytest.raises(Retry):
        details(**failure)


def test_a_conversation_that_intercom_stumbles_over_holds_up_no_other():
    read = details(status_code=500)
    assert read.ids("conversation") == ["501"]
    assert [(refusal.remote_id, refusal.reason) for refusal in read.refusals] == [
        ("502", "Intercom answered 500 to GET /conversations/502")
    ]


def test_a_row_without_its_id_is_set_aside():
    mocker, account = mocked()
    mocker.post(f"{URL}/conversations/search", json={"conversations": [{"updated_at": 5}, "odd"], "pages": {}})
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    read = Read()
    read_partition(account, ALL, read)
    assert [refusal.reason for refusal in read.refusals] == ["id: missing", "must be an object"]


def outage(failing, me):
    mocker, account = mocked()
    rows = [{"id": str(number), "updated_at": 1764000900} for number in range(1, failing + 1)]
    mocker.post(f"{URL}/conversations/search", json={"conversations": rows, "pages": {}})
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    mocker.get(f"{URL}/me", status_code=me, json={})
    mocker.get(re.compile("/conversations/"), status_code=500)
    read_partition(account, ALL, Read())


@pytest.mark.parametrize(("failing", "me"), [(1, 500), (4, 200)])
def test_an_outage_sets_nothing_aside(failing, me):
    with pytest.raises(Retry):
        outage(failing, me)


def test_a_revoked_token(workspace):
    workspace.store.revoke_token()
    with pytest.raises(Reauthorise):
        workspace.read(["conversation"])


def test_a_broken_cursor_begins_again(workspace):
    with pytest.raises(Restart):
        source.sync(account=workspace.account, partition=ALL, cursor={**ALL.start, "after": "broken"})


def test_details_are_fetched_side_by_side():
    workspace = Workspace(people=60, latency_ms=20)
    read = Read()
    read_partition(workspace.account, ALL, read)
    assert 4 < workspace.store.most_in_flight <= ApiClient.parallel


def test_faults_that_pass_lose_nothing():
    workspace = Workspace(people=60)
    workspace.store.set_faults("500:3,html502:2,empty200:3,truncated:2,reset:3,timeout:2,429:2")
    read = Read()
    read_partition(workspace.account, ALL, read, patience=9)
    assert Counter(read.ids("conversation")) == Counter(c.fields["id"] for c in workspace.store.conversations)
    assert workspace.store.statuses[500] == 3
    assert workspace.store.statuses[429] == 2


def test_held_versions():
    known = holding({"1": at(10)})
    assert known("conversation", {"1": at(10), "2": at(1)}) == {"1"}
    assert known("conversation", {"1": at(11)}) == frozenset()


def test_deleted_conversations_are_told_newest_first_back_to_the_last_run(workspace, monkeypatch):
    monkeypatch.setattr("plugins.intercom.conversations.DELETED_SIZE", 2)
    store = workspace.store
    long_gone, *gone = [c.fields["id"] for c in store.conversations][:6]
    store.delete_conversation(long_gone, quiet=True)
    store.advance(3600)
    since = at(store.clock.seconds())
    for one in gone:
        store.delete_conversation(one, quiet=True)
    read = workspace.read(["conversation"], since=since)
    assert [ref.remote_id for ref in read.deleted] == gone[::-1]
    assert workspace.asked("GET /conversations/deleted") == 3
    assert {ref.remote_id for ref in workspace.read(["conversation"]).deleted} == {long_gone, *gone}


def test_deleted_conversations_of_odd_shape_and_a_list_that_is_not_there():
    mocker, account = mocked()
    partition = Partition("conversation", "deleted", start={"page": 1, "until": 50})
    rows = [{"id": 5, "deleted_at": 60}, {"id": "6"}, {"deleted_at": 60}, "odd", {"id": "7", "deleted_at": 49}]
    mocker.get(f"{URL}/conversations/deleted", json={"conversations": rows, "pages": {"next": "/x?page=2"}})
    read = Read()
    read_partition(account, partition, read)
    assert read.deleted == [Ref("conversation", "5"), Ref("conversation", "6")]
    mocker.get(f"{URL}/conversations/deleted", status_code=404, json=error_list("not_found"))
    read_partition(account, partition, read)
    assert len(read.deleted) == 2


def test_a_change_within_the_second_in_which_it_was_read_is_not_lost(workspace):
    store = workspace.store
    one = next(iter(store.conversations)).fields["id"]
    since = at(store.clock.seconds())
    store.reply(one, "7001", "First")
    held = held_by(store)
    store.reply(one, "7001", "Second, at once")
    assert held_by(store)[one] - held[one] < timedelta(seconds=2)
    assert one in workspace.read(["conversation"], since=since, known=held_by(store)).ids("conversation")


def some_weeks_ago(store, state):
    """A conversation in this state that changed between ten and eighty days ago."""
    now = store.clock.seconds()
    fields = (c.fields for c in store.conversations)
    return next(f for f in fields if f["state"] == state and 10 < (now - f["updated_at"]) / 86_400 < 80)["id"]


def test_no_conversation_stays_open_for_ever():
    workspace = Workspace(people=400)
    store = workspace.store
    one, held = some_weeks_ago(store, "open"), held_by(store)
    record = store.conversation(one)
    record.fields |= {"state": "closed", "open": False}
    store.conversations.put(one, record)
    now = at(store.clock.seconds())
    within_the_day = workspace.read(["conversation"], since=now, known=held)
    assert within_the_day.ids("conversation") == []
    next_day = workspace.read(["conversation"], since=now - timedelta(days=1), known=held)
    (found,) = [record for record in next_day.records["conversation"] if record.remote_id == one]
    assert found.updated_at == held[one] + timedelta(microseconds=1)
    assert found.activities[0].attributes["state"] == "closed"


def test_the_first_run_of_a_day_reads_again_what_is_not_finished_and_nothing_else():
    workspace = Workspace(people=400)
    store = workspace.store
    now = at(store.clock.seconds())
    young = [c.fields for c in store.conversations if at(c.fields["updated_at"]) > now - timedelta(days=90)]
    unfinished = {fields["id"] for fields in young if fields["state"] != "closed"}
    read = workspace.read(["conversation"], since=now - timedelta(days=1), known=held_by(store))
    changed = {fields["id"] for fields in young if at(fields["updated_at"]) >= now - timedelta(days=1, seconds=2)}
    assert set(read.ids("conversation")) == unfinished | changed
    assert 0 < len(unfinished) < len(young)


def test_a_rating_that_moves_no_time_is_found_the_next_day():
    store = (workspace := Workspace(people=400)).store
    one, held = some_weeks_ago(store, "closed"), held_by(store)
    store.rate(one, 5)
    now = at(store.clock.seconds())
    assert one not in workspace.read(["conversation"], since=now, known=held).ids("conversation")
    assert one in workspace.read(["conversation"], since=now - timedelta(days=1), known=held).ids("conversation")


@pytest.mark.parametrize(
    ("told", "latest"),
    [
        ({}, 100),
        ({"statistics": {"last_close_at": 150}}, 150),
        ({"statistics": {"last_close_at": 50, "last_admin_reply_at": "odd"}}, 100),
        ({"conversation_rating": {"rating": None, "created_at": 300}}, 100),
        ({"conversation_rating": {"rating": 4, "created_at": 300, "updated_at": 400}}, 400),
        ({"statistics": None, "conversation_rating": None}, 100),
        ({"statistics": "odd", "conversation_rating": 7}, 100),
    ],
)
def test_versions(told, latest):
    assert version({"updated_at": 100, "state": "closed", **told}) == at(latest)
    while_open = version({"updated_at": 100, "state": "open", **told})
    assert while_open
    assert at(latest) - timedelta(milliseconds=1) < while_open < at(latest)
    assert version({"state": "closed", **told}) is None
