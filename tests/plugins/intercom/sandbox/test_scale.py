"""A million people cost nothing until they are asked for."""

from __future__ import annotations

import tracemalloc

from plugins.intercom.sandbox.clock import DAY
from tests.plugins.intercom.sandbox.conftest import Api, make


def test_a_million_people_are_not_kept_in_memory():
    tracemalloc.start()
    try:
        api = make(people=1_000_000)
        assert len(api.get("/contacts", per_page=150)["data"]) == 150
        assert api.search("contacts", None, per_page=150)["total_count"] == 1_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_ranges_of_a_large_workspace_are_counted_and_add_up():
    api = make(people=300_000)
    start, end = api.store.plan.born, api.store.plan.now
    edges = range(start - DAY, end + 30 * DAY, 30 * DAY)
    counted = 0
    for edge in edges:
        low = {"field": "created_at", "operator": ">", "value": edge - DAY}
        high = {"field": "created_at", "operator": "<", "value": edge + 30 * DAY}
        counted += api.search("contacts", {"operator": "AND", "value": [low, high]}, per_page=1)["total_count"]
    assert counted == 300_000


def test_a_record_far_in_is_found_by_id_and_cursor():
    api = make(people=1_000_000)
    contact = api.store.people.id_of(654_321)
    assert api.get(f"/contacts/{contact}")["external_id"] in (
        None,
        "user_654322",
        api.store.people.external_of(654_321),
    )
    day = {"field": "updated_at", "operator": "=", "value": api.store.people.time("updated_at", 654_321)}
    rows = [row["id"] for page in api.searched("contacts", day) for row in page]
    assert contact in rows
    assert len(rows) == len(set(rows))


def test_everything_changed_in_one_second_is_still_paged_completely():
    api = make(people=400, companies=40, ties=True)
    for kind, count in (("contacts", 400), ("conversations", 200), ("tickets", 40)):
        rows = [row for page in api.searched(kind, None, 37) for row in page]
        assert len(rows) == len({row["id"] for row in rows}) == count
        assert {row["updated_at"] for row in rows} == {api.store.plan.now}
    assert len({row["created_at"] for row in api.rows("/contacts", per_page=150)}) > 350
    conversation = api.get("/conversations")["conversations"][0]["id"]
    parts = api.get(f"/conversations/{conversation}")["conversation_parts"]["conversation_parts"]
    assert all(part["created_at"] < api.store.plan.now for part in parts)
    same = {"field": "updated_at", "operator": "=", "value": api.store.plan.now}
    assert api.search("contacts", same)["total_count"] == 400
    assert {row["updated_at"] for row in api.scroll()} == {api.store.plan.now}


def test_times_never_fall_from_one_record_to_the_next(api: Api):
    store = api.store
    for maker in (store.people, store.company_maker, store.conversation_maker, store.tickets.maker):
        for name in ("created_at", "updated_at"):
            times = [maker.time(name, number) for number in range(maker.count)]
            assert times == sorted(times)
            assert max(times) <= store.plan.now
        ids = [maker.id_of(number) for number in range(maker.count)]
        assert ids == sorted(ids)
        assert [maker.number_of(one) for one in ids] == list(range(maker.count))
