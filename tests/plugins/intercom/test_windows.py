"""How reading by the last change is split."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.contract.types import Scope
from plugins.intercom.windows import in_window
from tests.plugins.intercom.support import (
    URL,
    Read,
    Workspace,
    at,
    error_list,
    holding,
    mocked,
    read_partition,
    source,
)

TODAY = datetime.now(UTC)


def plan(workspace, object="conversation", since=None, horizon=None):
    account = replace(workspace.account, objects={object: None})
    found = source.plan_sync(account=account, scope=Scope({object: since}, horizon))
    return [partition for partition in found if partition.key != "deleted"]


def bounds(partitions):
    return [(partition.start["from"], partition.start["to"]) for partition in partitions]


def times(workspace):
    """When each conversation changed last."""
    maker = workspace.store.conversation_maker
    return [maker.time("updated_at", number) for number in range(maker.count)]


@pytest.mark.parametrize("horizon", [None, 30, 700])
def test_the_first_load_is_split_into_windows_of_about_as_much_that_meet(horizon):
    workspace = Workspace(people=20, conversations=9_000)
    since_when = None if horizon is None else TODAY - timedelta(days=horizon)
    partitions = plan(workspace, horizon=since_when)
    floor = 0 if since_when is None else int(since_when.timestamp())
    changes = times(workspace)
    assert partitions[0].start["from"] == min(change for change in changes if change >= floor)
    assert partitions[-1].start["to"] is None
    assert all(end == start for (_, end), (start, _) in pairwise(bounds(partitions)))
    assert len({partition.key for partition in partitions}) == len(partitions)
    held = [sum(start <= change < (end or 1 << 40) for change in changes) for start, end in bounds(partitions)]
    assert sum(held) == sum(change >= floor for change in changes)
    assert max(held) <= max(300, 9_000 // 24 + 1)
    assert 3 <= len(partitions) <= 48
    assert workspace.asked("POST /conversations/search") <= 2 * len(partitions) + 10


def test_no_window_of_a_great_workspace_is_enormous():
    workspace = Workspace(people=20, conversations=200_000)
    partitions = plan(workspace)
    changes = sorted(times(workspace))
    held = [bisect_left(changes, end or 1 << 40) - bisect_left(changes, start) for start, end in bounds(partitions)]
    assert max(held) <= 5_000
    assert sum(held) == 200_000
    assert len(partitions) < 100


def test_all_changes_in_one_second_are_one_window():
    workspace = Workspace(people=20, conversations=350, ties=True)
    read = Read()
    partitions = plan(workspace)
    for partition in partitions:
        read_partition(workspace.account, partition, read)
    assert Counter(read.ids("conversation")) == Counter(c.fields["id"] for c in workspace.store.conversations)
    assert len([page for page in read.pages if page.expected]) >= 350 // 75


@pytest.mark.parametrize("rows", [[], [{"updated_at": "odd"}], ["odd"]])
def test_where_nothing_is_told_of_the_past_one_window_takes_all(rows):
    mocker, account = mocked(objects={"conversation": None})
    mocker.post(f"{URL}/conversations/search", json={"conversations": rows, "total_count": 9_000})
    partition, _ = source.plan_sync(account=account, scope=Scope({}, at(5000)))
    assert (partition.start["from"], partition.start["to"]) == (5000, None)


@pytest.mark.parametrize("answer", [{"status_code": 403, "json": error_list("forbidden")}, {"json": {"pages": {}}}])
def test_where_counting_is_refused_one_window_takes_all(answer):
    mocker, account = mocked(objects={"conversation": None})
    first = {"json": {"conversations": [{"id": "1", "updated_at": 50}], "total_count": 9_000}}
    mocker.post(f"{URL}/conversations/search", [first, answer])
    partition, _ = source.plan_sync(account=account, scope=Scope({}))
    assert (partition.start["from"], partition.start["to"]) == (0, None)


def test_later_runs_ask_for_nothing_before_they_read(workspace):
    since = TODAY
    (partition,) = plan(workspace, since=since)
    assert partition.start["from"] == int((since - timedelta(minutes=5)).timestamp())
    assert not partition.start["again"]
    assert workspace.asked("POST /conversations/search") == 0


def test_the_first_run_of_a_day_looks_ninety_days_back(workspace):
    (partition,) = plan(workspace, since=TODAY - timedelta(days=1), horizon=TODAY - timedelta(days=9))
    assert partition.start["from"] >= int((TODAY - timedelta(days=9)).timestamp())
    (partition,) = plan(workspace, since=TODAY - timedelta(days=1))
    assert abs(partition.start["from"] - (TODAY - timedelta(days=90)).timestamp()) < 20 * 86_400
    assert partition.start["again"]


def test_after_a_long_break_everything_since_is_read_and_split():
    workspace = Workspace(people=20, conversations=9_000)
    since = TODAY - timedelta(days=300)
    partitions = plan(workspace, since=since)
    assert len(partitions) > 5
    first = min(change for change in times(workspace) if at(change) >= since)
    assert partitions[0].start["from"] <= first


def test_no_run_looks_beyond_the_horizon(workspace):
    horizon = TODAY - timedelta(days=5)
    for since in (None, TODAY, TODAY - timedelta(days=400)):
        partitions = plan(workspace, since=since, horizon=horizon)
        assert partitions[0].start["from"] >= int(horizon.timestamp())


def test_a_row_belongs_to_one_window():
    early, late = {"from": 0, "to": 604_800}, {"from": 604_800, "to": None}
    assert [in_window({"updated_at": 604_800}, one) for one in (early, late)] == [False, True]
    assert [in_window({"updated_at": 604_799}, one) for one in (early, late)] == [True, False]
    assert in_window({"updated_at": None}, early)


@pytest.mark.parametrize("object", ["conversation", "ticket"])
def test_what_is_changed_while_windows_are_read_is_found_by_this_run_or_the_next(object):
    workspace = Workspace(people=30, conversations=700)
    store = workspace.store
    began = at(store.clock.seconds())
    read = Read()
    partitions = plan(workspace, object)
    changed = [record.fields["id"] for record in list(getattr(store, f"{object}s"))[::7]]
    for number, partition in enumerate(partitions):
        read_partition(workspace.account, partition, read)
        if object == "conversation":
            for one in changed[number :: len(partitions)]:
                store.reply(one, "7001", "Meanwhile")
    later = workspace.read([object], since=began)
    missing = {record.fields["id"] for record in getattr(store, f"{object}s")} - set(read.ids(object))
    assert missing <= set(later.ids(object))
    if object == "conversation":
        assert set(changed) <= set(later.ids(object))


@pytest.mark.parametrize("object", ["conversation", "ticket"])
def test_of_a_longer_past_only_what_was_created_in_it_is_read(object):
    workspace = Workspace(people=50, conversations=400)
    whole = workspace.read([object])
    created = {record.remote_id: record.created_at for record in whole.records[object] if record.created_at}
    changed = {record.remote_id: record.updated_at for record in whole.records[object] if record.updated_at}
    assert len(created) == len(changed) == len(whole.records[object])
    until, horizon = sorted(created.values())[len(created) // 2], at(1_000)
    account = replace(workspace.account, objects={object: None}, known=holding(changed))
    scope = Scope({object: datetime.now(UTC)}, horizon, {object: until})
    partitions = [p for p in source.plan_sync(account=account, scope=scope) if p.key.startswith("past")]
    read = Read()
    for partition in partitions:
        read_partition(account, partition, read)
    assert all(partition.start["from"] >= 1_000 for partition in partitions)
    wanted = {key for key in created if created[key] < until}
    found = Counter(read.ids(object))
    assert wanted <= set(found)
    assert max(found.values()) == 1
    assert all(created[key] <= until + timedelta(seconds=1) for key in found)
    assert 0 < len(wanted) < len(created)
