from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
import requests

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from core.contract.types import Partition, Ref, Scope
from plugins.base.client import ApiClient
from plugins.intercom.conversations import in_window, windows
from tests.plugins.intercom.payloads import ADMINS, TEAMS, conversation
from tests.plugins.intercom.support import URL, Read, Workspace, at, error_list, holding, mocked, read_partition, source

ALL = Partition("conversation", start={"from": 0, "to": None})


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


def test_the_first_load_is_split_into_weeks(workspace):
    store = workspace.store
    account = replace(workspace.account, objects={"conversation": None})
    partitions = source.plan_sync(account=account, scope=Scope({}))
    oldest = min(c.fields["updated_at"] for c in store.conversations)
    assert partitions[0].start["from"] == oldest
    assert partitions[-1].start["to"] is None
    bounds = [(p.start["from"], p.start["to"]) for p in partitions]
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    assert len({partition.key for partition in partitions}) == len(partitions) > 2


def test_a_horizon_bounds_the_first_load(workspace):
    horizon = at(workspace.store.clock.seconds()) - timedelta(days=20)
    read = workspace.read(["conversation"], horizon=horizon)
    wanted = {c.fields["id"] for c in workspace.store.conversations if at(c.fields["updated_at"]) >= horizon}
    assert set(read.ids("conversation")) == wanted
    assert len(read.pages) <= 3


@pytest.mark.parametrize("horizon", [None, at(0), at(1_000_000_000)])
def test_no_window_lies_before_the_first_change_and_windows_are_not_too_many(horizon):
    mocker, account = mocked(objects={"conversation": None})
    mocker.post(f"{URL}/conversations/search", json={"conversations": [{"id": "1", "updated_at": 1_100_000_000}]})
    partitions = source.plan_sync(account=account, scope=Scope({}, horizon))
    assert partitions[0].start["from"] == 1_100_000_000
    assert partitions[-1].start["to"] is None
    assert 140 < len(partitions) <= 151
    assert mocker.call_count == 1


@pytest.mark.parametrize("rows", [[], [{"updated_at": "odd"}], ["odd"]])
def test_where_nothing_is_told_of_the_past_one_window_takes_all(rows):
    mocker, account = mocked(objects={"conversation": None})
    mocker.post(f"{URL}/conversations/search", json={"conversations": rows})
    (partition,) = source.plan_sync(account=account, scope=Scope({}, at(5000)))
    assert partition.start == {"from": 5000, "to": None}


def test_an_empty_workspace(workspace):
    assert Workspace(people=0).read(["conversation"]).records == {}


def test_windows_meet_without_overlap():
    parts = windows("conversation", at(0), at(20 * 86400), timedelta(days=7))
    assert [(p.key, p.start["from"], p.start["to"]) for p in parts] == [
        ("1970-01-01", 0, 604800), ("1970-01-08", 604800, 1209600), ("1970-01-15", 1209600, None)
    ]  # fmt: skip
    assert [in_window({"updated_at": 604800}, p.start) for p in parts] == [False, True, False]
    assert in_window({"updated_at": None}, parts[0].start)


def test_later_runs_fetch_what_changed_and_nothing_else(workspace):
    store = workspace.store
    held = {c.fields["id"]: at(c.fields["updated_at"]) for c in store.conversations}
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
    held = {c.fields["id"]: at(c.fields["updated_at"]) for c in workspace.store.conversations}
    stale = next(iter(held))
    held[stale] -= timedelta(seconds=1)
    read = workspace.read(["conversation"], known=held)
    assert read.ids("conversation") == [stale]
    assert read.unchanged == len(held) - 1


def test_an_incremental_run_never_looks_beyond_the_horizon(workspace):
    account = replace(workspace.account, objects={"conversation": None})
    (partition,) = source.plan_sync(account=account, scope=Scope({"conversation": at(1000)}, horizon=at(5000)))
    assert partition.start == {"from": 5000, "to": None}
    (partition,) = source.plan_sync(account=account, scope=Scope({"conversation": at(1000)}))
    assert partition.start == {"from": 700, "to": None}


def test_a_conversation_that_changes_while_pages_are_read_is_not_lost(workspace, monkeypatch):
    monkeypatch.setattr("plugins.intercom.conversations.SIZE", 10)
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
    contacts, conversations = source.plan_sync(account=account, scope=Scope({}))
    assert conversations.start == {"from": 0, "to": None}
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
    assert [refusal.reason.split(":")[0] for refusal in read.refusals] == [
        "id",
        "string indices must be integers, not 'str'",
    ]


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
