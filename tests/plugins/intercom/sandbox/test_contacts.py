from __future__ import annotations

from collections import Counter

import pytest

from plugins.intercom.sandbox.state import MERGED_SALT
from tests.plugins.intercom.sandbox.conftest import Api, make, now


def test_a_list_gives_every_contact_once_and_its_last_page_has_no_next(api: Api):
    pages = list(api.pages("/contacts", per_page=150))
    assert [len(page) for page in pages] == [150, 150, 150, 50]
    assert len({contact["id"] for page in pages for contact in page}) == 500
    first = api.get("/contacts")
    assert len(first["data"]) == 10
    assert (first["total_count"], first["pages"]["total_pages"], first["pages"]["page"]) == (500, 50, 1)
    assert first["pages"]["next"]["page"] == 2


@pytest.mark.parametrize("wrong", ["bm90IGpzb24=", "***", "WzFd", "bnVsbA=="])
def test_a_broken_cursor_is_refused(api: Api, wrong: str):
    status, code, message = api.refused("GET", "/contacts", query_string={"starting_after": wrong})
    assert (status, code) == (400, "client_error")
    assert "starting_after" in message


@pytest.mark.parametrize("size", ["0", "151", "many"])
def test_page_sizes_have_bounds(api: Api, size: str):
    assert api.refused("GET", "/contacts", query_string={"per_page": size})[:2] == (400, "parameter_invalid")


def test_contacts_are_as_odd_as_real_ones(api: Api):
    contacts = api.rows("/contacts", per_page=150)
    emails = Counter(contact["email"] for contact in contacts)
    shared = sum(1 for email, count in emails.items() if email and count > 1)
    assert 5 <= shared <= 40
    assert emails[None] > 10
    assert any(contact["external_id"] is None for contact in contacts)
    assert {contact["role"] for contact in contacts} == {"user", "lead"}
    assert any(contact["tags"]["has_more"] and contact["tags"]["total_count"] > 10 for contact in contacts)
    assert any(contact["companies"]["has_more"] for contact in contacts)
    assert any("🚀" in (contact["name"] or "") for contact in contacts)
    assert any(len(contact["name"] or "") > 200 for contact in contacts)
    assert any(contact["custom_attributes"] == {} for contact in contacts)
    assert all(contact["created_at"] <= contact["updated_at"] <= now() for contact in contacts)
    assert all(len(contact["id"]) == 24 and int(contact["id"], 16) for contact in contacts)
    externals = [contact["external_id"] for contact in contacts if contact["external_id"]]
    assert len(externals) == len(set(externals))


def test_one_seed_gives_the_same_people_and_another_seed_others():
    first, again, other = (make(people=30, seed=seed).rows("/contacts", per_page=30) for seed in (7, 7, 8))
    assert first == again
    assert [one["name"] for one in first] != [one["name"] for one in other]


def test_embedded_lists_are_cut_at_ten_and_sub_resources_are_whole(api: Api):
    contacts = api.rows("/contacts", per_page=150)
    tagged = next(contact for contact in contacts if contact["tags"]["has_more"])
    assert len(tagged["tags"]["data"]) == 10
    tags = api.get(f"/contacts/{tagged['id']}/tags")["data"]
    assert len(tags) == tagged["tags"]["total_count"] == 14
    assert all({"name", "applied_at", "applied_by"} <= set(tag) for tag in tags)
    member = next(contact for contact in contacts if contact["companies"]["has_more"])
    body = api.get(f"/contacts/{member['id']}/companies", per_page=5)
    assert body["total_count"] == member["companies"]["total_count"] == 12
    assert body["pages"]["next"].startswith(f"https://api.intercom.io/contacts/{member['id']}/companies?")
    assert api.get(f"/contacts/{member['id']}/companies")["pages"]["next"] is None


def test_a_contact_is_found_by_its_external_id(api: Api):
    user = next(one for one in api.rows("/contacts", per_page=150) if one["role"] == "user" and one["external_id"])
    assert api.get(f"/contacts/find_by_external_id/{user['external_id']}")["id"] == user["id"]
    lead = next(one for one in api.rows("/contacts", per_page=150) if one["role"] == "lead" and one["external_id"])
    assert api.refused("GET", f"/contacts/find_by_external_id/{lead['external_id']}")[0] == 404


def test_missing_contacts(api: Api):
    assert api.refused("GET", "/contacts/5f0000000000000000000000")[:2] == (404, "not_found")
    for sub in ("companies", "tags", "segments", "subscriptions", "notes"):
        assert api.refused("GET", f"/contacts/nobody/{sub}") == (404, "not_found", "User Not Found")


def test_a_chain_of_merges_leads_to_the_survivor(api: Api):
    source = next(one for one in api.store.merged if f"{MERGED_SALT:08x}00000000" in one)
    assert api.store.merged[source] in api.store.merged
    response = api.ask("GET", f"/contacts/{source}")
    assert response.status_code == 410
    survivor = api.store.people.id_of(0)
    assert response.headers["Link"] == f'</contacts/{survivor}>; rel="canonical"'
    assert response.json is not None
    assert response.json["errors"][0]["code"] == "contact_merged"
    assert api.refused("GET", f"/contacts/{source}", headers={"Intercom-Version": "2.15"})[0] == 404
    shown = api.get(f"/contacts/{survivor}", include_merge_history="true")
    assert shown["merge_history"][0]["source_contact_id"] == api.store.merged[source]
    assert api.get(f"/contacts/{survivor}/merge_history")["has_more"] is False
    assert "merge_history" not in api.get(f"/contacts/{survivor}")


def test_the_life_of_a_contact(small: Api):
    store = small.store
    lead = store.create_contact(role="lead", email="ann@x.example", name="Ann")
    user = store.create_contact(email="bea@x.example", external_id="b1", custom_attributes={"plan": "free"})
    assert small.get("/contacts")["total_count"] == 62
    store.update_contact(user, name="Bea", custom_attributes={"seats": 3})
    assert small.get(f"/contacts/{user}")["custom_attributes"] == {"plan": "free", "seats": 3}
    store.archive_contact(user)
    assert small.get("/contacts")["total_count"] == 61
    store.unarchive_contact(user)
    store.merge_contacts(lead, user)
    assert small.refused("GET", f"/contacts/{lead}")[0] == 410
    assert small.get(f"/contacts/{user}/merge_history")["data"][0]["source_contact_id"] == lead
    store.delete_contact(user)
    assert small.refused("GET", f"/contacts/{user}")[0] == 404
    assert small.get("/contacts")["total_count"] == 60
    other = store.create_contact(role="lead", name="Cid")
    store.sign_up_lead(other, email="cid@x.example")
    assert small.get(f"/contacts/{other}")["role"] == "user"


def test_changes_to_generated_contacts_replace_them(small: Api):
    contact = small.get("/contacts")["data"][3]
    small.store.update_contact(contact["id"], name="Renamed")
    small.store.tag_contact(contact["id"], "6")
    small.store.unsubscribe(contact["id"], "92")
    rows = small.rows("/contacts")
    assert len(rows) == len({row["id"] for row in rows}) == 60
    shown = small.get(f"/contacts/{contact['id']}")
    assert shown["name"] == "Renamed"
    assert shown["updated_at"] > contact["updated_at"]
    assert "6" in {tag["id"] for tag in small.get(f"/contacts/{contact['id']}/tags")["data"]}
    assert "92" in {one["id"] for one in small.get(f"/contacts/{contact['id']}/subscriptions")["data"]}


def test_a_membership_need_not_move_updated_at(small: Api):
    contact = small.get("/contacts")["data"][0]
    small.store.tag_contact(contact["id"], "6", bump=False)
    assert small.get(f"/contacts/{contact['id']}")["updated_at"] == contact["updated_at"]
