"""Objects read again by their ids."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from core.contract.errors import Reauthorise, Retry
from core.contract.types import Ref, Refusal
from tests.plugins.intercom.support import URL, error_list, mocked, source


def fetched(workspace, *refs):
    return source.fetch(account=workspace.account, refs=[Ref(object, key) for object, key in refs])


def some(workspace):
    """One object of each kind."""
    store = workspace.store
    return [
        ("contact", next(iter(store.contacts)).fields["id"]),
        ("company", next(iter(store.companies)).fields["id"]),
        ("conversation", next(iter(store.conversations)).fields["id"]),
        ("ticket", next(iter(store.tickets)).fields["id"]),
        ("article", next(iter(store.articles))),
        ("collection", next(iter(store.collections))),
    ]


def test_every_kind_of_object_comes_as_a_sync_brings_it(workspace):
    wanted = some(workspace)
    page = fetched(workspace, *wanted, *wanted)
    assert [(record.object, record.remote_id) for record in page.records] == wanted
    assert not page.deleted
    assert page.next is None
    listed = workspace.read([object for object, _ in wanted]).records
    by_id = {(record.object, record.remote_id): record for records in listed.values() for record in records}
    for record in page.records:
        assert record == by_id[record.object, record.remote_id]


def test_each_is_asked_once_and_what_is_not_selected_never(workspace):
    wanted = some(workspace)
    account = replace(workspace.account, objects={"article": None})
    source.fetch(account=account, refs=[Ref(*one) for one in wanted + wanted])
    assert workspace.asked("GET /articles/{id}") == 1
    assert workspace.asked("GET /contacts/{id}") == 0


def test_what_is_gone_is_told(workspace):
    wanted = [(object, "404") for object, _ in some(workspace)]
    page = fetched(workspace, *wanted)
    assert not page.records
    assert Counter(page.deleted) == Counter(Ref(*one) for one in wanted)


def test_a_merged_contact_leads_to_its_survivor(workspace):
    (first, second), survivor = list(workspace.store.merged)[:2], list(workspace.everyone())[-1]
    page = fetched(workspace, ("contact", first), ("contact", second))
    assert page.merged == [(Ref("contact", first), page.merged[0][1]), (Ref("contact", second), page.merged[0][1])]
    assert [record.remote_id for record in page.records] == [page.merged[0][1].remote_id] == [survivor]


def test_an_archived_contact_is_gone_though_intercom_still_shows_it(workspace):
    store = workspace.store
    there = list(workspace.everyone())
    archived, back, kept = there[3], there[4], there[5]
    store.archive_contact(archived)
    store.archive_contact(back)
    store.unarchive_contact(back)
    page = fetched(workspace, ("contact", archived), ("contact", back), ("contact", kept))
    assert [record.remote_id for record in page.records] == [back, kept]
    assert page.deleted == [Ref("contact", archived)]
    assert workspace.asked("POST /contacts/search") == 1


def test_a_contact_too_new_for_search_is_there(workspace):
    new = workspace.store.create_contact(name="New", lag=60)
    page = fetched(workspace, ("contact", new))
    assert [record.remote_id for record in page.records] == [new]
    assert workspace.asked("POST /contacts/search") == 0


@pytest.mark.parametrize(
    "answer",
    [{"json": {"data": []}}, {"json": {"data": [{}]}}, {"status_code": 400, "json": error_list("invalid_field")}],
)
def test_a_search_that_finds_not_even_who_is_listed_proves_nothing(answer):
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts/a1", json={"id": "a1", "updated_at": 1_700_000_000})
    mocker.get(f"{URL}/contacts", json={"data": [{"id": "w1"}]})
    mocker.post(f"{URL}/contacts/search", **answer)
    page = source.fetch(account=account, refs=[Ref("contact", "a1")])
    assert [record.remote_id for record in page.records] == ["a1"]
    assert not page.deleted


def test_a_contact_that_intercom_stumbles_over_holds_up_no_other():
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts/a1", json={"id": "a1", "updated_at": 4_000_000_000})
    mocker.get(f"{URL}/contacts/a2", status_code=500)
    mocker.get(f"{URL}/me", json={})
    page = source.fetch(account=account, refs=[Ref("contact", "a1"), Ref("contact", "a2")])
    assert [record.remote_id for record in page.records] == ["a1", "a2"]
    assert isinstance(page.records[1], Refusal)
    mocker.get(f"{URL}/me", status_code=503)
    with pytest.raises(Retry):
        source.fetch(account=account, refs=[Ref("contact", "a2")])


def test_a_missing_scope_refuses_its_objects_alone(workspace):
    workspace.store.drop_scope("tickets")
    page = fetched(workspace, *some(workspace))
    (refusal,) = [record for record in page.records if isinstance(record, Refusal)]
    assert refusal.object == "ticket"
    assert len(page.records) == 6


def test_a_dead_token(workspace):
    workspace.store.revoke_token()
    with pytest.raises(Reauthorise):
        fetched(workspace, *some(workspace))
