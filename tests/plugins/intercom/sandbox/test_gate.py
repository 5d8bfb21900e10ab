"""What is checked before every endpoint: writes, token, version, limit, scopes, faults."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import requests

from plugins.intercom.sandbox import Sandbox, SandboxOptions
from plugins.intercom.sandbox.faults import Faults
from tests.plugins.intercom.sandbox.conftest import Api, make


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/contacts"), ("PUT", "/contacts/5f0"), ("DELETE", "/contacts/5f0"), ("PATCH", "/articles/1"),
        ("POST", "/companies"), ("POST", "/conversations"), ("POST", "/contacts/5f0/tags"), ("POST", "/tags"),
        ("POST", "/contacts/merge"), ("POST", "/conversations/1/reply"), ("POST", "/unheard/of"), ("PUT", "/me"),
        ("POST", "/contacts/search/more"), ("DELETE", "/contacts/search"),
    ],
)  # fmt: skip
def test_whatever_writes_is_refused_and_remembered(small: Api, method: str, path: str):
    assert small.refused(method, path, json={})[:2] == (403, "forbidden")
    assert [(one["method"], one["path"]) for one in small.store.writes] == [(method, path)]
    assert small.behind("requests")["writes"] == small.store.writes


def test_reading_is_no_write(small: Api):
    for kind in ("contacts", "conversations", "tickets"):
        small.post(f"/{kind}/search", {})
    small.post("/companies/list")
    assert small.store.writes == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_authorization"),
        ({"Authorization": "Bearer wrong"}, "unauthorized"),
        ({"Authorization": "Basic abc"}, "missing_authorization"),
        ({"Authorization": "Bearer "}, "missing_authorization"),
    ],
)
def test_without_a_good_token_nothing_is_answered(api: Api, headers: dict[str, str], code: str):
    response = api.client.get("/me", headers=headers)
    assert response.status_code == 401
    assert response.json is not None
    assert response.json["errors"][0] == {"code": code, "message": "Access Token Invalid"}
    assert "X-RateLimit-Limit" not in response.headers


def test_a_revoked_token_says_so_and_a_new_one_works(small: Api):
    small.store.revoke_token()
    assert small.refused("GET", "/me")[:2] == (401, "token_revoked")
    small.headers["Authorization"] = f"Bearer {small.store.issue_token()}"
    assert small.get("/me")["type"] == "admin"


@pytest.mark.parametrize(
    ("version", "status"), [("2.16", 200), ("2.0", 200), ("Preview", 200), ("9.9", 400), ("x", 400)]
)
def test_versions(api: Api, version: str, status: int):
    response = api.ask("GET", "/me", headers={"Intercom-Version": version})
    assert response.status_code == status
    if status == 400:
        assert response.json is not None
        assert response.json["errors"][0]["code"] == "intercom_version_invalid"


def test_the_limit_is_handed_out_in_slices_of_ten_seconds():
    api = make(people=5, rpm=60)
    api.store.clock.advance(10 - api.store.clock.now() % 10)
    seen = [api.ask("GET", "/me") for _ in range(12)]
    assert [one.status_code for one in seen] == [200] * 10 + [429] * 2
    assert [one.headers["X-RateLimit-Remaining"] for one in seen[:3]] == ["9", "8", "7"]
    refused = seen[-1]
    assert refused.json is not None
    assert refused.json["errors"][0]["code"] == "rate_limit_exceeded"
    assert refused.json["errors"][0]["message"] == "Exceeded rate limit of 10 in 10_seconds"
    assert "Retry-After" not in refused.headers
    assert refused.headers["X-RateLimit-Limit"] == "10"
    reset = int(refused.headers["X-RateLimit-Reset"])
    assert reset % 10 == 0
    assert 0 < reset - api.store.clock.now() <= 10
    assert api.behind("requests")["rate_limited"] == 2
    api.store.advance(10)
    assert api.ask("GET", "/me").status_code == 200


def test_a_minute_of_a_thousand_gives_167_a_slice():
    api = make(people=1, rpm=1_000)
    assert api.ask("GET", "/me").headers["X-RateLimit-Limit"] == "167"


def test_the_plan_restriction_hits_conversations_only(small: Api):
    small.store.set_plan_restricted()
    assert small.refused("GET", "/conversations") == (403, "api_plan_restricted", "Active subscription needed.")
    assert small.refused("POST", "/conversations/search", json={})[0] == 403
    assert small.get("/contacts")["total_count"] == 60
    small.store.set_plan_restricted(False)
    assert small.get("/conversations")["total_count"] == 60


def test_a_missing_scope_is_403_or_401_while_me_works(small: Api):
    small.store.drop_scope("companies")
    response = small.ask("GET", "/companies/scroll")
    assert response.status_code == 403
    assert response.json is not None
    assert response.json["errors"][0]["data"] == {"required_permissions": ["read_companies"]}
    small.store.drop_scope("articles", status=401)
    assert small.refused("GET", "/articles")[0] == 401
    assert small.get("/me")
    small.store.grant_scope("companies")
    assert small.get("/companies/scroll")["data"]
    assert small.refused("POST", "/_sandbox/drop_scope", json={"scope": "shoes"})[0] == 400


@pytest.mark.parametrize("status", ["408", "429", "500", "502", "503", "504"])
def test_failures_happen_as_often_as_asked(status: str):
    api = make(people=5, faults=f"{status}:2")
    assert [api.ask("GET", "/me").status_code for _ in range(3)] == [int(status), int(status), 200]


def test_broken_answers():
    api = make(people=50, faults="html502:1,empty200:1,truncated:1")
    html = api.ask("GET", "/contacts")
    assert (html.status_code, html.mimetype, html.json if html.is_json else None) == (502, "text/html", None)
    empty = api.ask("GET", "/contacts")
    assert (empty.status_code, empty.data) == (200, b"")
    half = api.ask("GET", "/contacts")
    assert half.status_code == 200
    assert half.data.startswith(b'{"type":"list"')
    assert half.headers["Content-Length"] == str(len(half.data))
    with pytest.raises(ValueError, match="JSON|delimiter|Expecting|Unterminated"):
        json.loads(half.data)
    assert api.get("/contacts")["total_count"] == 50
    assert api.store.in_flight == 0


@pytest.mark.parametrize(("fault", "raised"), [("reset", requests.ConnectionError), ("timeout", requests.ReadTimeout)])
def test_in_a_process_a_lost_connection_raises_what_requests_raises(fault: str, raised: type[Exception]):
    api = make(people=5, faults=f"{fault}:1")
    with pytest.raises(raised):
        api.ask("GET", "/me")
    assert api.get("/me")
    assert api.store.faults.made == {fault: 1}


def test_a_good_cursor_can_be_refused_once():
    api = make(people=50, faults="bad_cursor:1")
    cursor = api.get("/contacts")["pages"]["next"]["starting_after"]
    assert api.refused("GET", "/contacts", query_string={"starting_after": cursor})[1] == "client_error"
    assert len(api.get("/contacts", starting_after=cursor)["data"]) == 10


def test_malformed_records_are_always_the_same_and_can_be_named():
    api = make(people=200, faults="malformed:0.05")
    rows = api.rows("/contacts", per_page=150)
    bad = {row["id"] for row in rows if row["created_at"] == "yesterday"}
    assert bad == {row["id"] for row in rows if api.store.faults.spoils(row["id"])}
    assert 2 <= len(bad) <= 25
    assert bad == {row["id"] for row in api.rows("/contacts", per_page=50) if row["created_at"] == "yesterday"}


def test_the_token_dies_at_a_given_request():
    api = make(people=5, faults="revoke@3")
    assert [api.ask("GET", "/me").status_code for _ in range(4)] == [200, 200, 401, 401]


def test_shares_of_faults_follow_the_seed():
    def run(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add("500:0.1")
        return [faults.strikes("500") for _ in range(1_000)]

    assert run(1) == run(1) != run(2)
    assert 60 <= sum(run(1)) <= 140


@pytest.mark.parametrize(
    "spec", ["boom", "429", "429:x", "429:-1", "429:nan", "429:inf", "scope:shoes", "revoke@x", "plan:1"]
)
def test_faults_that_are_not_understood_are_named(spec: str):
    with pytest.raises(ValueError, match=spec.partition(":")[0]):
        Sandbox(SandboxOptions(people=1, faults=f"500:0.1,{spec}"))
    api = make(people=1)
    assert api.refused("POST", "/_sandbox/set_faults", json={"spec": spec})[0] == 400


def test_requests_are_counted_by_endpoint(small: Api):
    conversation = small.get("/conversations")["conversations"][0]["id"]
    for _ in range(3):
        small.get(f"/conversations/{conversation}")
    small.refused("GET", "/contacts/5f0000000000000000000000")
    body = small.behind("requests")
    assert body["paths"] == {"GET /conversations": 1, "GET /conversations/{id}": 3, "GET /contacts/{id}": 1}
    assert Counter(body["statuses"]) == Counter({"200": 4, "404": 1})
    assert (body["total"], body["max_in_flight"], body["in_flight"]) == (5, 1, 0)
    small.client.post("/_sandbox/requests/reset")
    assert small.behind("requests")["total"] == 0


def test_changes_can_be_made_over_http(small: Api):
    contact = small.post("/_sandbox/create_contact", {"name": "Over HTTP"})["result"]
    assert small.get(f"/contacts/{contact}")["name"] == "Over HTTP"
    assert small.refused("POST", "/_sandbox/no_such_change", json={})[0] == 404
    assert small.refused("POST", "/_sandbox/next_number", json={})[0] == 404
    assert small.refused("POST", "/_sandbox/create_company", json={})[0] == 400
    assert small.refused("POST", "/_sandbox/rate", json={"conversation_id": "1", "rating": 3})[0] == 404
    assert small.behind("counts")["contacts"] == 61


def test_a_simulation_changes_what_it_says(small: Api):
    done = small.behind("simulate", changes=40)["result"]
    assert sum(done.values()) == 40
    assert len(done) > 4
    assert len(small.store.webhooks.log) >= 40
    assert small.refused("POST", "/_sandbox/simulate?changes=many")[0] == 400
