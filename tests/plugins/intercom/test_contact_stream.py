"""How contacts are found: the first load in ranges of days, later what changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.contract.types import Scope
from plugins.intercom import contact_stream
from plugins.intercom.contact_stream import ANY_DAY, Contacts, created_in
from plugins.intercom.ranges import Range, any_second, day_start, divide, midnights
from plugins.intercom.sandbox import fields, search
from tests.plugins.intercom.support import URL, Read, Workspace, at, error_list, mocked, read_partition, source

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kiritimati"]
DAY = 86_400


@pytest.fixture
def small(monkeypatch):
    """Split what is far smaller than a real workspace."""
    monkeypatch.setattr(contact_stream, "SPLIT_FROM", 50)
    monkeypatch.setattr(contact_stream, "LEAST", 10)


def plan(workspace):
    return Contacts().plan(workspace.account, None, None)


def read(workspace, partitions):
    done = Read()
    for partition in partitions:
        read_partition(workspace.account, partition, done)
    return done


# --- ranges -------------------------------------------------------------------------------------------------------


def of(moments):
    """Return what counts moments in ranges, and remembers how often it was asked."""
    asked = []

    def count(parts):
        asked.append(len(parts))
        return [sum((p.start or 0) <= one < (p.end or 1 << 40) for one in moments) for p in parts]

    return count, asked


def test_ranges_are_halved_until_they_are_small_and_joined_where_they_are_tiny():
    moments = list(range(1_000, 2_000)) + [1_999] * 50
    count, asked = of(moments)
    parts = divide(Range(None, None, len(moments)), 1_000, 2_000, 100, count, any_second)
    assert (parts[0].start, parts[-1].end) == (None, None)
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert max(part.count for part in parts) <= 100
    assert all(one.count + other.count > 100 for one, other in pairwise(parts))
    assert sum(part.count for part in parts) == len(moments)
    assert len(asked) <= 10
    assert sum(asked) <= 24


def test_a_second_cannot_be_halved():
    count, asked = of([10, 20, *[500] * 1_000, 900])
    parts = divide(Range(0, None, 1_003), 0, 1_000, 2, count, any_second)
    assert [(part.start, part.end, part.count) for part in parts] == [(0, 500, 2), (500, 750, 1_000), (750, None, 1)]
    assert sum(asked) <= 12


def test_what_is_counted_while_it_changes_makes_no_gap():
    parts = divide(Range(None, None, 100), 0, 1_000, 10, lambda parts: [500 for _ in parts], any_second)
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert all(part.count >= 0 for part in parts)


@pytest.mark.parametrize("zone", [*ZONES, "America/Havana", "Africa/Cairo", "Asia/Beirut"])
def test_days_begin_where_the_clocks_of_the_zone_say(zone):
    for moment in range(1_262_304_000, 1_800_000_000, 11 * 3_600 + 7):
        start = day_start(moment, ZoneInfo(zone))
        assert start <= moment
        assert (
            datetime.fromtimestamp(start, ZoneInfo(zone)).date()
            == datetime.fromtimestamp(moment, ZoneInfo(zone)).date()
        )
        before = datetime.fromtimestamp(start - 1, ZoneInfo(zone)).date()
        assert before != datetime.fromtimestamp(moment, ZoneInfo(zone)).date()


# The clocks of Berlin in March and October, of São Paulo at midnight, and the day that Apia left out.
CHANGES = [1_774_746_000, 1_792_890_000, 1_541_300_400, 1_550_368_800, 1_325_239_200]


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    by_day=st.booleans(),
    most=st.integers(1, 12),
    moments=st.lists(
        st.builds(
            lambda base, offset: base + offset,
            st.sampled_from(CHANGES),
            st.integers(-4 * DAY, 4 * DAY) | st.sampled_from([-1, 0, 1, DAY, -DAY, 3_600, -3_600]),
        ),
        min_size=1,
        max_size=60,
    ),
)
@example("UTC", False, 1, [1774742399, 1774742400])  # the last one at the first second of a day
def test_whatever_the_creation_dates_each_contact_is_in_exactly_one_range(zone, by_day, most, moments):
    parser = search.Parser(fields.CONTACTS, ZoneInfo(zone), by_day)

    def found(part):
        query = parser.parse(created_in(part.start, part.end))
        return [one for one in moments if query.matches(SimpleNamespace(value=lambda _, one=one: one))]

    parts = divide(
        Range(None, None, len(moments)),
        min(moments),
        max(moments),
        most,
        lambda parts: [len(found(part)) for part in parts],
        midnights(ZoneInfo(zone)),
    )
    assert Counter(one for part in parts for one in found(part)) == Counter(moments)
    for part in parts:
        rows = [{"created_at": one} for one in found(part)]
        assert all(contact_stream._is_wanted(row, {"from": part.start, "to": part.end}) for row in rows)
        days = {day_start(one, ZoneInfo(zone)) for one in found(part)}
        assert len(rows) <= most or len(days) == 1


def test_the_query_for_any_day():
    assert created_in(None, None) == ANY_DAY


# --- the first load -----------------------------------------------------------------------------------------------


def test_a_small_workspace_is_one_listing(workspace):
    (partition,) = plan(workspace)
    assert (partition.key, partition.start) == ("all", {})
    assert workspace.store.api_requests == 2  # with the one that connected


def test_a_great_workspace_is_split_into_some_twenty_ranges_with_few_requests():
    workspace = Workspace(people=100_000, conversations=0)
    before = workspace.store.api_requests
    partitions = plan(workspace)
    assert 16 <= len(partitions) <= 24
    assert workspace.store.api_requests - before <= 4 * len(partitions)
    assert not any(partition.key == "missing" for partition in partitions)
    counts = [
        source.sync(account=workspace.account, partition=partition, cursor=partition.start).expected
        for partition in partitions
    ]
    assert sum(counts) == 100_000
    assert max(counts) <= 100_000 // 14
    assert counts == sorted(counts, reverse=True)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("zone", ZONES)
def test_every_contact_comes_once_in_every_zone(zone, exact):
    workspace = Workspace(people=400, conversations=0, faults="exact_dates" if exact else "")
    workspace.store.set_zone(zone)
    partitions = plan(workspace)
    assert len(partitions) > 10
    done = read(workspace, partitions)
    assert Counter(done.ids("contact")) == Counter(workspace.everyone().keys())
    assert all(page.expected is not None for page in done.pages)


@pytest.mark.usefixtures("small")
def test_everyone_created_in_one_second_comes_once():
    workspace = Workspace(people=400, conversations=0)
    store = workspace.store
    for contact in list(store.contacts):
        contact.fields["created_at"] = 1_750_000_000
        store.contacts.put(contact.fields["id"], contact)
    (partition,) = plan(workspace)
    assert partition.key == "all"
    assert Counter(read(workspace, [partition]).ids("contact")) == Counter(workspace.everyone().keys())


@pytest.mark.usefixtures("small")
def test_contacts_that_come_change_and_go_while_ranges_are_read(monkeypatch):
    monkeypatch.setattr(contact_stream, "SIZE", 10)
    workspace = Workspace(people=300, conversations=0)
    store = workspace.store
    began = at(store.clock.seconds())
    partitions = plan(workspace)
    there = list(workspace.everyone())
    done = Read()
    gone: set[str] = set()
    for number, partition in enumerate(partitions):
        cursor = partition.start
        while cursor is not None:
            page = source.sync(account=workspace.account, partition=partition, cursor=cursor)
            done.take(page)
            cursor = page.next
            store.create_contact(name=f"New {len(done.pages)}")
            store.update_contact(there[number], name="Changed meanwhile")
            if len(gone) < len(partitions):
                gone.add(there[-1 - number])
                if there[-1 - number] in workspace.everyone():
                    store.delete_contact(there[-1 - number])
    assert max(Counter(done.ids("contact")).values()) == 1
    assert set(there) - gone <= set(done.ids("contact"))
    later = workspace.read(["contact"], since=began)
    assert set(workspace.everyone()) <= set(done.ids("contact")) | set(later.ids("contact"))
    assert set(there[: len(partitions)]) - gone <= set(later.ids("contact"))


@pytest.mark.usefixtures("small")
def test_where_the_days_are_other_ones_than_told_the_listing_adds_what_ranges_miss(monkeypatch):
    monkeypatch.setattr(contact_stream, "MISSING_MOST", 1.0)
    monkeypatch.setattr(contact_stream, "zones", lambda account: ZoneInfo("Pacific/Kiritimati"))
    workspace = Workspace(people=900, conversations=0)
    *ranges, rest = plan(workspace)
    assert rest.key == "missing"
    done = read(workspace, ranges)
    lost = set(workspace.everyone()) - set(done.ids("contact"))
    assert len(lost) == rest.start["missing"] > 0
    held = {record.remote_id: record.updated_at for record in done.records["contact"]}
    known = lambda object, versions: frozenset(key for key, at in versions.items() if held.get(key) == at)  # noqa: E731
    more = Read()
    read_partition(replace(workspace.account, known=known), rest, more)
    assert set(more.ids("contact")) == lost
    assert not any(page.unchanged for page in more.pages)


@pytest.mark.usefixtures("small")
def test_where_search_shows_few_of_them_one_listing_reads_all(monkeypatch):
    workspace = Workspace(people=300, conversations=0)
    monkeypatch.setattr(contact_stream, "_count_all", lambda client: 400)
    assert [partition.key for partition in plan(workspace)] == ["all"]


@pytest.mark.usefixtures("small")
def test_contacts_that_search_does_not_show_yet_come_later():
    workspace = Workspace(people=300, conversations=0, faults="lag:120")
    store = workspace.store
    late = store.create_contact(name="Late in the index")
    began = at(store.clock.seconds())
    assert late not in read(workspace, plan(workspace)).ids("contact")
    store.advance(180)
    assert late in workspace.read(["contact"], since=began).ids("contact")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("zone", [None, "", "Atlantis/Capital", "../../etc/passwd", 7])
def test_without_a_known_time_zone_contacts_are_one_listing(zone):
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts", json={"data": [], "total_count": 9_000})
    mocker.get(f"{URL}/me", json={"app": {"timezone": zone}})
    (partition,) = Contacts().plan(account, None, None)
    assert partition.key == "all"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 403, "json": error_list("forbidden")},
        {"json": {"data": []}},
        {"json": {"data": [{"created_at": "odd"}], "total_count": 9_000}},
        {"json": {"data": [{"created_at": 5}]}},
    ],
)
def test_where_nothing_can_be_counted_contacts_are_one_listing(answer):
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts", json={"data": [], "total_count": 9_000})
    mocker.get(f"{URL}/me", json={"app": {"timezone": "Europe/Berlin"}})
    mocker.post(f"{URL}/contacts/search", **answer)
    (partition,) = Contacts().plan(account, None, None)
    assert partition.key == "all"


# --- later --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize("exact", [False, True])
def test_no_change_is_lost_around_midnight_in_any_zone(zone, exact):
    workspace = Workspace(people=20, conversations=0, faults="exact_dates" if exact else "")
    store = workspace.store
    store.set_zone(zone)
    person = next(iter(workspace.everyone()))
    tomorrow = day_start(store.clock.seconds() + 30 * 3_600, ZoneInfo(zone))
    for moment in (tomorrow - 2, tomorrow, tomorrow + 2):
        store.advance(moment - store.clock.now() + 0.01)
        since = at(store.clock.seconds())
        store.update_contact(person, name=f"At {moment}")
        assert person in workspace.read(["contact"], since=since).ids("contact")


def test_changes_in_one_second_come_page_by_page_without_loss(monkeypatch):
    monkeypatch.setattr(contact_stream, "SIZE", 10)
    workspace = Workspace(people=95, conversations=0, ties=True)
    since = datetime.fromtimestamp(workspace.store.plan.now, UTC) - timedelta(minutes=1)
    found = workspace.read(["contact"], since=since)
    assert Counter(found.ids("contact")) == Counter(workspace.everyone().keys())
    assert len(found.pages) > 5


def test_a_contact_that_changes_while_pages_of_changes_are_read_comes_again(monkeypatch):
    monkeypatch.setattr(contact_stream, "SIZE", 10)
    workspace = Workspace(people=40, conversations=0, ties=True)
    since = datetime.fromtimestamp(workspace.store.plan.now, UTC)
    (partition,) = source.plan_sync(
        account=replace(workspace.account, objects={"contact": None}), scope=Scope({"contact": since})
    )
    done, cursor = Read(), partition.start
    moved = list(workspace.everyone())[15]
    while cursor is not None:
        page = source.sync(account=workspace.account, partition=partition, cursor=cursor)
        if not done.pages:
            workspace.store.update_contact(moved, name="Moved behind the cursor")
        done.take(page)
        cursor = page.next
    assert set(done.ids("contact")) == set(workspace.everyone())
    assert [r.values["first_name"] for r in done.records["contact"] if r.remote_id == moved] == ["Moved"]
