from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.plugins.intercom.sandbox.conftest import Api, make


def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    rows, page = [], 1
    while True:
        body = api.ask("POST", "/companies/list", query_string={**query, "page": page}).json
        assert body is not None
        rows += body["data"]
        if body["pages"]["next"] is None:
            return rows
        assert f"page={page + 1}" in body["pages"]["next"]
        page += 1


def test_the_list_hides_companies_without_people_and_starts_with_the_last_seen():
    api = make(people=300, companies=90)
    rows = listed(api, per_page=60)
    assert len(rows) == len({row["id"] for row in rows})
    assert all(row["user_count"] for row in rows)
    seen = [row["last_request_at"] for row in rows]
    assert seen == sorted(seen, reverse=True)
    everything = {row["id"]: row for row in api.scroll()}
    assert {row["id"] for row in rows} == {key for key, row in everything.items() if row["user_count"]}
    assert len(everything) == 90 > len(rows)
    body = api.ask("POST", "/companies/list").json
    assert body is not None
    assert (len(body["data"]), body["total_count"]) == (15, len(rows))
    assert api.refused("POST", "/companies/list", query_string={"per_page": 61})[0] == 400


def test_the_list_stops_at_ten_thousand():
    api = make(people=20_000, companies=12_000)
    last = api.ask("POST", "/companies/list", query_string={"per_page": 50, "page": 200})
    assert last.status_code == 200
    status, _, message = api.refused("POST", "/companies/list", query_string={"per_page": 50, "page": 201})
    assert (status, message) == (400, "page limit reached, please use scroll API")


def test_companies_are_as_odd_as_real_ones(api: Api):
    rows = [api.get(f"/companies/{api.store.company_maker.id_of(number)}") for number in range(50)]
    assert any(row["company_id"] is None for row in rows)
    assert any((row["company_id"] or "").endswith("-qualification-company") for row in rows)
    assert any(row["plan"] == {} for row in rows)
    assert any("size" not in row for row in rows), "null fields are left out"
    assert all("industry" not in row or row["industry"] for row in rows)
    keys = Counter(row["company_id"] for row in rows if row["company_id"])
    assert keys.most_common(1)[0][1] == 1


def test_a_company_is_found_by_key_name_and_tag(api: Api):
    sample = next(
        row for row in api.get("/companies", per_page=60)["data"] if row["company_id"] and row["tags"]["tags"]
    )
    assert api.get("/companies", company_id=sample["company_id"])["id"] == sample["id"]
    assert api.get("/companies", name=sample["name"])["name"] == sample["name"]
    tag = sample["tags"]["tags"][0]["id"]
    assert sample["id"] in {row["id"] for row in api.get("/companies", tag_id=tag, per_page=60)["data"]}
    assert api.get("/companies", segment_id="none")["data"] == []
    assert api.refused("GET", "/companies", query_string={"name": "nobody"})[1] == "company_not_found"


def test_people_of_a_company_and_companies_of_a_person_agree(api: Api):
    links = {
        (contact["id"], company["id"])
        for contact in api.rows("/contacts", per_page=150)
        for company in api.get(f"/contacts/{contact['id']}/companies")["data"]
    }
    seen = set()
    for number in range(api.store.companies.maker.count):
        company = api.store.company_maker.id_of(number)
        members = api.rows(f"/companies/{company}/contacts", per_page=3)
        assert len(members) == api.get(f"/companies/{company}")["user_count"]
        seen |= {(member["id"], company) for member in members}
    assert seen == links


def test_what_hangs_on_a_company(api: Api):
    company = api.store.company_maker.id_of(3)
    assert api.get(f"/companies/{company}/segments") == {"type": "list", "data": []}
    assert api.get(f"/companies/{company}/notes")["total_count"] == 0
    for path in ("", "/contacts", "/segments", "/notes"):
        assert api.refused("GET", f"/companies/nothing{path}")[1] == "company_not_found"


def test_one_scroll_at_a_time_which_dies_after_an_idle_minute():
    api = make(people=3_000, companies=250)
    first = api.get("/companies/scroll")
    assert (len(first["data"]), first["pages"], first["total_count"]) == (100, None, None)
    status, code, message = api.refused("GET", "/companies/scroll")
    assert (status, code, message) == (400, "scroll_exists", "scroll already exists for this workspace")
    api.store.advance(59)
    assert len(api.get("/companies/scroll", scroll_param=first["scroll_param"])["data"]) == 100
    api.store.advance(61)
    assert api.refused("GET", "/companies/scroll", query_string={"scroll_param": first["scroll_param"]})[0] == 404
    assert len({row["id"] for row in api.scroll()}) == 250
    assert api.refused("GET", "/companies/scroll")[1] == "scroll_exists", "a finished scroll cannot be closed"
    assert api.refused("GET", "/companies/scroll", query_string={"scroll_param": "invented"})[0] == 404


def test_a_scroll_breaks_once_and_can_be_started_anew():
    api = make(people=2_000, companies=150, faults="scroll500:1")
    param = api.get("/companies/scroll")["scroll_param"]
    status, _, message = api.refused("GET", "/companies/scroll", query_string={"scroll_param": param})
    assert status == 500
    assert message.endswith("Please restart the scroll operation.")
    assert len({row["id"] for row in api.scroll()}) == 150


def test_a_scroll_can_have_an_empty_page_and_a_repeated_row():
    api = make(people=2_000, companies=150, faults="empty_scroll:1,scroll_twice:1")
    body = api.get("/companies/scroll")
    param, ids = body["scroll_param"], [row["id"] for row in body["data"]]
    assert api.get("/companies/scroll", scroll_param=param)["data"] == []
    ids += [row["id"] for row in api.get("/companies/scroll", scroll_param=param)["data"]]
    assert (len(ids), len(set(ids))) == (151, 150)


def test_search_for_companies_is_not_in_this_version(api: Api):
    assert api.refused("POST", "/companies/search", json={})[:2] == (400, "intercom_version_invalid")


def test_the_life_of_a_company(small: Api):
    store = small.store
    company = store.create_company("Fresh Ltd", company_id="f1", website="https://fresh.example")
    assert small.get("/companies", company_id="f1")["id"] == company
    assert company not in {row["id"] for row in listed(small)}
    contact = small.get("/contacts")["data"][0]["id"]
    store.attach_company(contact, company)
    store.update_company(company, name="Fresher Ltd", custom_attributes={"trial": True})
    assert [row["id"] for row in small.get(f"/companies/{company}/contacts")["data"]] == [contact]
    assert small.get(f"/companies/{company}")["user_count"] == 1
    assert company in {row["id"] for row in listed(small)}
    store.detach_company(contact, company)
    assert small.get(f"/companies/{company}/contacts")["total_count"] == 0
    old = store.company_maker.id_of(2)
    members = small.get(f"/companies/{old}/contacts")["data"]
    store.delete_company(old)
    assert small.refused("GET", f"/companies/{old}")[0] == 404
    left = small.get(f"/contacts/{members[0]['id']}/companies")["data"]
    assert old not in {row["id"] for row in left}
    assert len(small.scroll()) == 12


def test_unknown_fields_cannot_be_set(small: Api):
    body = {"company_id": small.store.company_maker.id_of(0), "colour": "red"}
    status, _, message = small.refused("POST", "/_sandbox/update_company", json=body)
    assert (status, "colour" in message) == (400, True)


@pytest.mark.parametrize(("people", "companies"), [(0, 0), (1, 0), (5, 1), (3, 40), (40, 3)])
def test_odd_sizes_hold_together(people: int, companies: int):
    api = make(people=people, companies=companies)
    assert api.get("/contacts")["total_count"] == people
    assert len(api.scroll()) == companies
    assert len(api.rows("/conversations", "conversations")) == people // 2
