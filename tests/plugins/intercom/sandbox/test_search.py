from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plugins.intercom.sandbox.clock import DAY
from tests.plugins.intercom.sandbox.conftest import Api, make

BERLIN = ZoneInfo("Europe/Berlin")


def leaf(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def both(*filters: Any) -> dict[str, Any]:
    return {"operator": "AND", "value": list(filters)}


def midnight(moment: int, zone: ZoneInfo = BERLIN) -> int:
    day = datetime.fromtimestamp(moment, zone)
    return int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def test_contacts_match_dates_by_the_day_of_the_workspace(api: Api):
    contacts = sorted(api.rows("/contacts", per_page=150), key=lambda one: one["updated_at"])
    moment = contacts[250]["updated_at"]
    today, tomorrow = midnight(moment), midnight(midnight(moment) + 26 * 3_600)
    expected = {
        ">": [one for one in contacts if one["updated_at"] >= tomorrow],
        "<": [one for one in contacts if one["updated_at"] < today],
        "=": [one for one in contacts if today <= one["updated_at"] < tomorrow],
    }
    for operator, wanted in expected.items():
        found = [row for page in api.searched("contacts", leaf("updated_at", operator, moment)) for row in page]
        assert [one["id"] for one in found] == [one["id"] for one in wanted], operator
    assert expected["="]


def test_an_hour_ago_finds_nothing_of_today(small: Api):
    small.store.create_contact(name="Just now")
    recent = small.store.clock.seconds() - 60
    assert small.search("contacts", leaf("updated_at", ">", recent))["total_count"] == 0
    assert small.search("contacts", leaf("updated_at", ">", recent - 2 * DAY))["total_count"] > 0


def test_another_zone_has_other_days(small: Api):
    contact = small.store.create_contact(name="Late")
    moment = int(datetime(2026, 3, 10, 22, 30, tzinfo=ZoneInfo("UTC")).timestamp())
    small.store.contact(contact).fields["created_at"] = moment
    day_in_tokyo = leaf("created_at", "=", moment + 12 * 3_600)
    assert small.search("contacts", both(leaf("id", "=", contact), day_in_tokyo))["total_count"] == 0
    small.store.set_zone("Asia/Tokyo")
    assert small.search("contacts", both(leaf("id", "=", contact), day_in_tokyo))["total_count"] == 1


def test_a_day_of_a_clock_change_has_25_hours(small: Api):
    contact = small.store.create_contact(name="Autumn")
    last_hour = int(datetime(2026, 10, 25, 23, 30, tzinfo=BERLIN).timestamp())
    small.store.contact(contact).fields["updated_at"] = last_hour
    day_before = last_hour - DAY
    assert midnight(day_before) == midnight(last_hour)
    query = both(leaf("id", "=", contact), leaf("updated_at", ">", day_before))
    assert small.search("contacts", query)["total_count"] == 0


def test_the_coming_version_matches_seconds(small: Api):
    small.store.set_faults("exact_dates")
    small.store.create_contact(name="Just now")
    assert small.search("contacts", leaf("updated_at", ">", small.store.clock.seconds() - 60))["total_count"] == 1


def test_conversations_match_seconds(api: Api):
    rows = sorted(api.rows("/conversations", "conversations", per_page=150), key=lambda one: one["updated_at"])
    low, high = rows[100]["updated_at"], rows[200]["updated_at"]
    found = [row for page in api.searched("conversations", both(
        leaf("updated_at", ">", low), leaf("updated_at", "<", high))) for row in page]  # fmt: skip
    assert [one["id"] for one in found] == [one["id"] for one in rows if low < one["updated_at"] < high]
    count = api.search("conversations", leaf("updated_at", "<=", low))["total_count"]
    assert count == sum(1 for one in rows if one["updated_at"] <= low)


@pytest.mark.parametrize("operator", ["<=", ">=", "!=", "IN", "NIN"])
def test_contacts_refuse_other_operators_on_dates(api: Api, operator: str):
    value = [1] if operator in ("IN", "NIN") else 1
    body = {"query": leaf("updated_at", operator, value)}
    assert api.refused("POST", "/contacts/search", json=body)[:2] == (400, "parameter_invalid")


@pytest.mark.parametrize("kind", ["contacts", "conversations", "tickets"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        (leaf("ticket_state", "=", "x"), "invalid_field"),
        (leaf("company_id", "=", "x"), "invalid_field"),
        (leaf("created_at", ">", "soon"), "parameter_invalid"),
        (leaf("id", "LIKE", "x"), "parameter_invalid"),
        (leaf("id", "IN", "x"), "parameter_invalid"),
        (leaf("id", "=", ["x"]), "parameter_invalid"),
        ({"field": "id"}, "parameter_invalid"),
        (both(), "parameter_invalid"),
        (both(*[leaf("id", "!=", str(number)) for number in range(16)]), "parameter_invalid"),
        (both(both(both(leaf("id", "=", "1")))), "parameter_invalid"),
        ("everything", "parameter_invalid"),
    ],
)
def test_what_cannot_be_searched_is_refused(api: Api, kind: str, query: Any, code: str):
    assert api.refused("POST", f"/{kind}/search", json={"query": query})[:2] == (400, code)


def test_contacts_are_strict_about_the_words_of_an_order_since_2_16(api: Api):
    body = {"sort": {"field": "updated_at", "order": "desc"}}
    status, code, message = api.refused("POST", "/contacts/search", json=body)
    assert (status, code) == (400, "invalid_sort_order")
    assert message == "Invalid sort order 'desc'. Must be one of: ascending, descending"
    assert api.ask("POST", "/contacts/search", json=body, headers={"Intercom-Version": "2.11"}).status_code == 200
    assert api.refused("POST", "/contacts/search", json={"sort": {"field": "shoe"}})[:2] == (400, "invalid_field")


@pytest.mark.parametrize(
    ("query", "test"),
    [
        (leaf("role", "=", "lead"), lambda one: one["role"] == "lead"),
        (leaf("role", "!=", "lead"), lambda one: one["role"] != "lead"),
        (leaf("role", "IN", ["lead", "user"]), lambda one: True),
        (leaf("role", "NIN", ["lead"]), lambda one: one["role"] != "lead"),
        (leaf("email", "=", None), lambda one: one["email"] is None),
        (leaf("email_domain", "=", "gmail.example"), lambda one: one["email_domain"] == "gmail.example"),
        (leaf("email", "~", "tools"), lambda one: "tools" in (one["email"] or "")),
        (leaf("email", "!~", "tools"), lambda one: "tools" not in (one["email"] or "")),
        (leaf("email", "^", "ma"), lambda one: (one["email"] or "").startswith("ma")),
        (leaf("email", "$", "gmx.example"), lambda one: (one["email"] or "").endswith("gmx.example")),
        (leaf("unsubscribed_from_emails", "=", True), lambda one: one["unsubscribed_from_emails"]),
        (leaf("unsubscribed_from_emails", "=", "true"), lambda one: one["unsubscribed_from_emails"]),
        (leaf("location.country", "=", "Germany"), lambda one: one["location"]["country"] == "Germany"),
        (leaf("custom_attributes.seats", ">", "30"), lambda one: one["custom_attributes"].get("seats", 0) > 30),
        (leaf("custom_attributes.plan", "=", "Growth"), lambda one: one["custom_attributes"].get("plan") == "growth"),
        ({"operator": "OR", "value": [leaf("role", "=", "lead"), leaf("browser", "=", "edge")]},
         lambda one: one["role"] == "lead" or one["browser"] == "edge"),
        (both(leaf("role", "=", "user"), {"operator": "OR", "value": [leaf("os", "=", "iOS"), leaf("os", "^", "Lin")]}),
         lambda one: one["role"] == "user" and one["os"] in ("iOS", "Linux")),
    ],
)  # fmt: skip
def test_the_search_language_means_what_it_says(api: Api, query: Any, test: Any):
    contacts = api.rows("/contacts", per_page=150)
    found = [row["id"] for page in api.searched("contacts", query) for row in page]
    assert sorted(found) == sorted(one["id"] for one in contacts if test(one))
    assert api.search("contacts", query)["total_count"] == len(found) > 0


def test_other_dates_match_by_the_day_too_and_missing_ones_never(api: Api):
    contacts = api.rows("/contacts", per_page=150)
    moment = sorted(one["last_seen_at"] or 0 for one in contacts)[300]
    first = midnight(moment)
    for operator, wanted in {
        "<": [one for one in contacts if one["last_seen_at"] and one["last_seen_at"] < first],
        "=": [one for one in contacts if first <= (one["last_seen_at"] or 0) <= midnight(first + 26 * 3_600) - 1],
    }.items():
        found = [row for page in api.searched("contacts", leaf("last_seen_at", operator, moment)) for row in page]
        assert {one["id"] for one in found} == {one["id"] for one in wanted}
        assert found
    either = {"operator": "OR", "value": [leaf("created_at", "<", moment), leaf("created_at", ">", moment)]}
    rest = api.search("contacts", leaf("created_at", "=", moment))["total_count"]
    assert api.search("contacts", either)["total_count"] == 500 - rest


def test_conversations_know_more_operators(api: Api):
    rows = api.rows("/conversations", "conversations", per_page=150)
    moment = rows[7]["created_at"]
    others = api.search("conversations", leaf("created_at", "!=", moment))["total_count"]
    assert others == sum(1 for row in rows if row["created_at"] != moment)
    some = api.search("conversations", leaf("updated_at", "IN", [row["updated_at"] for row in rows[:3]]))
    assert some["total_count"] == 3
    admins = api.search("conversations", leaf("admin_assignee_id", "IN", [7001, "7002"]))["total_count"]
    assert admins == sum(1 for row in rows if row["admin_assignee_id"] in (7001, 7002)) > 0
    unassigned = api.search("conversations", leaf("admin_assignee_id", "=", 0))["total_count"]
    assert unassigned == sum(1 for row in rows if row["admin_assignee_id"] == 0) > 0
    reopened = api.search("conversations", leaf("statistics.count_reopens", ">", 0))["total_count"]
    assert reopened == sum(1 for row in rows if (row["statistics"] or {}).get("count_reopens")) > 0
    helped = api.search("conversations", leaf("teammate_ids", "=", "7003"))["total_count"]
    assert helped == sum(1 for row in rows if "7003" in str((row["teammates"] or {}).get("admins")))
    query = {"query": leaf("conversation_rating.score", ">", "many")}
    assert api.refused("POST", "/conversations/search", json=query)[:2] == (400, "parameter_invalid")
    assert api.refused("POST", "/conversations/search", json={"sort": "up"})[:2] == (400, "parameter_invalid")
    assert api.refused("POST", "/conversations/search", data="[1]")[:2] == (400, "parameter_invalid")


def test_memberships_are_searchable(api: Api):
    tagged = api.search("contacts", leaf("tag_id", "=", "3"), per_page=150)
    assert tagged["total_count"] > 20
    assert all(
        "3" in {tag["id"] for tag in api.get(f"/contacts/{one['id']}/tags")["data"]} for one in tagged["data"][:9]
    )
    leads = api.search("contacts", leaf("segment_id", "=", "5f000000000000000000a004"))["total_count"]
    assert leads == api.search("contacts", leaf("role", "=", "lead"))["total_count"]
    counted = api.get("/segments", include_count="true")["segments"]
    assert {one["name"]: one["count"] for one in counted}["Leads"] == leads


def test_a_batch_of_ids_is_fetched_in_one_search(api: Api):
    wanted = [one["id"] for one in api.get("/contacts", per_page=50)["data"]][::7]
    found = api.search("contacts", leaf("id", "IN", [*wanted, "nobody", "5f0000000000000000000000"]))
    assert sorted(one["id"] for one in found["data"]) == sorted(wanted)
    conversation = api.get("/conversations")["conversations"][4]
    found = api.search("conversations", both(leaf("id", "IN", [conversation["id"]]), leaf("created_at", ">", 0)))
    assert found["total_count"] == 1


def test_conversations_are_searched_by_people_words_and_ratings(api: Api):
    sample = api.get("/conversations")["conversations"][0]
    contact = sample["contacts"]["contacts"][0]["id"]
    found = api.search("conversations", leaf("contact_ids", "=", contact))["conversations"]
    assert sample["id"] in {one["id"] for one in found}
    assert all(contact in {who["id"] for who in one["contacts"]["contacts"]} for one in found)
    rated = api.search("conversations", leaf("conversation_rating.score", ">", 3), per_page=150)["conversations"]
    assert rated
    assert all(one["conversation_rating"]["rating"] > 3 for one in rated)
    words = api.search("conversations", leaf("source.body", "~", "statement"), per_page=150)["conversations"]
    assert all("statement" in one["source"]["body"] for one in words)
    assert api.search("conversations", leaf("source.body", "~", "tatemen"))["total_count"] == 0
    assert words


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("field", ["updated_at", "created_at", "last_seen_at", "name"])
def test_every_order_gives_each_contact_once(small: Api, field: str, order: str):
    for number in range(5):
        small.store.create_contact(name=f"New {number}", last_seen_at=1_700_000_000 + number)
    small.store.update_contact(small.store.people.id_of(30), name="Moved")
    seen: list[dict[str, Any]] = []
    paging: dict[str, Any] = {"per_page": 7}
    while True:
        body = small.post("/contacts/search", {"sort": {"field": field, "order": order}, "pagination": paging})
        seen += body["data"]
        if "next" not in body["pages"]:
            break
        paging["starting_after"] = body["pages"]["next"]["starting_after"]
    assert len(seen) == len({one["id"] for one in seen}) == 65 == body["total_count"]
    if field != "name":
        values = [one[field] or 0 for one in seen]
        assert values == sorted(values, reverse=order == "descending")


def test_a_row_changed_while_paging_shows_up_again_under_ascending_order(small: Api):
    query = leaf("created_at", ">", 0)
    first = small.search("contacts", query, per_page=20)
    changed = first["data"][5]["id"]
    small.store.update_contact(changed, name="Changed meanwhile")
    cursor = first["pages"]["next"]["starting_after"]
    rest: list[str] = []
    while cursor:
        body = small.search("contacts", query, per_page=20, starting_after=cursor)
        rest += [one["id"] for one in body["data"]]
        cursor = body["pages"].get("next", {}).get("starting_after")
    assert rest[-1] == changed
    assert len({*rest, *(one["id"] for one in first["data"])}) == 60


def test_a_row_changed_while_paging_is_missed_under_descending_order(small: Api):
    sort = {"field": "updated_at", "order": "descending"}
    first = small.post("/contacts/search", {"sort": sort, "pagination": {"per_page": 20}})
    last = small.search("contacts", None, per_page=1)["data"][0]["id"]
    small.store.update_contact(last, name="Jumped ahead")
    paging = {"per_page": 150, "starting_after": first["pages"]["next"]["starting_after"]}
    rest = small.post("/contacts/search", {"sort": sort, "pagination": paging})["data"]
    assert last not in {one["id"] for one in [*first["data"], *rest]}


def test_new_contacts_lag_in_search_but_not_by_id():
    api = make(people=10, faults="lag:30")
    contact = api.store.create_contact(name="Slow")
    assert api.get(f"/contacts/{contact}")["name"] == "Slow"
    assert api.search("contacts", None)["total_count"] == 10
    api.store.advance(31)
    assert api.search("contacts", None)["total_count"] == 11


def test_counts_stay_right_when_records_change(small: Api):
    query = leaf("role", "=", "lead")
    before = small.search("contacts", query)["total_count"]
    leads = small.search("contacts", query, per_page=150)["data"]
    small.store.sign_up_lead(leads[0]["id"])
    small.store.delete_contact(leads[1]["id"])
    small.store.create_contact(role="lead")
    assert small.search("contacts", query)["total_count"] == before - 1
    assert small.search("contacts", leaf("created_at", ">", 0))["total_count"] == 60
