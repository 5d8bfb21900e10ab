from __future__ import annotations

import pytest

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from plugins.base.client import Declined
from plugins.intercom.client import IntercomClient, after, api_url, app_url, following_page, listed
from tests.plugins.intercom.support import URL, error_list, mocked


@pytest.mark.parametrize(
    ("configured", "region", "used"),
    [
        ("https://api.intercom.io", "EU", "https://api.eu.intercom.io"),
        ("https://api.intercom.io/", "AU", "https://api.au.intercom.io"),
        ("https://api.eu.intercom.io", "US", "https://api.intercom.io"),
        ("https://api.intercom.io", None, "https://api.intercom.io"),
        ("https://api.intercom.io", "MOON", "https://api.intercom.io"),
        ("http://127.0.0.1:9000/", "EU", "http://127.0.0.1:9000"),
        ("https://proxy.example.com/intercom", "EU", "https://proxy.example.com/intercom"),
    ],
)
def test_the_regional_host_is_used_unless_another_server_is_named(configured, region, used):
    _, account = mocked(environment={"INTERCOM_API_URL": configured}, settings={"region": region})
    assert api_url(account) == used


def test_the_same_for_pages():
    _, account = mocked(settings={"region": "EU"})
    assert app_url(account) == "https://app.eu.intercom.com"


def test_the_version_is_pinned_and_the_token_sent():
    mocker, account = mocked()
    mocker.get(f"{URL}/me", json={})
    IntercomClient(account).get("/me")
    headers = mocker.last_request.headers
    assert headers["Intercom-Version"] == "2.16"
    assert headers["Authorization"] == "Bearer tok-1"
    assert "tok-1" not in repr(account) + repr(IntercomClient(account))


@pytest.mark.parametrize(
    ("limit", "remaining", "told"),
    [
        ("1667", "1600", (1667, 1600)),
        ("10000", "9990", (1666, 1666)),
        ("10000", "12", (1666, 12)),
        ("167", "0", (167, 0)),
    ],
)
def test_a_limit_of_a_minute_becomes_one_of_a_slice(limit, remaining, told):
    mocker, account = mocked()
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": "1764000010"}
    mocker.get(f"{URL}/tags", json={}, headers=headers)
    client = IntercomClient(account)
    assert client.rate(account.http.get(f"{URL}/tags", timeout=1)) == (*told, 1764000010.0)


def test_a_minutes_limit_without_what_is_left():
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", json={}, headers={"X-RateLimit-Limit": "10000"})
    assert IntercomClient(account).rate(account.http.get(f"{URL}/tags", timeout=1)) == (1666, None, None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"json": error_list("api_plan_restricted", "Active subscription needed.")},
         "Intercom answered 403 to GET /tags: api_plan_restricted: Active subscription needed."),
        ({"json": error_list("action_forbidden", None, data={"required_permissions": ["read_tags"]})},
         r"action_forbidden:  \(needs \['read_tags'\]\)"),
        ({"json": {"errors": [{"code": "forbidden"}]}}, "GET /tags: forbidden$"),
        ({"json": {"errors": []}}, "GET /tags$"),
        ({"json": {"errors": [{"code": None, "message": None}]}}, "GET /tags$"),
        ({"json": []}, "GET /tags$"),
        ({"json": {"errors": ["odd"]}}, "GET /tags$"),
        ({"text": "<html>"}, "GET /tags$"),
    ],
)  # fmt: skip
def test_errors_carry_intercoms_own_words(answer, message):
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", status_code=403, **answer)
    with pytest.raises(Refused, match=message):
        IntercomClient(account).get("/tags")


def test_a_401_of_a_dead_token():
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", status_code=401, json=error_list("token_revoked"))
    mocker.get(f"{URL}/me", status_code=401, json=error_list("token_revoked"))
    with pytest.raises(Reauthorise):
        IntercomClient(account).get("/tags")
    assert mocker.call_count == 2


def test_a_401_of_a_missing_scope():
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", status_code=401, json=error_list("unauthorized", "Access Token Invalid"))
    mocker.get(f"{URL}/me", json={"type": "admin"})
    with pytest.raises(
        Declined, match="GET /tags: unauthorized: Access Token Invalid: the app lacks the scope"
    ) as caught:
        IntercomClient(account).get("/tags")
    assert caught.value.status == 401


def test_a_401_that_cannot_be_explained_now():
    mocker, account = mocked()
    mocker.get(f"{URL}/tags", status_code=401)
    mocker.get(f"{URL}/me", status_code=503)
    with pytest.raises(Retry):
        IntercomClient(account).get("/tags")


@pytest.mark.parametrize("status", [408, 500, 504])
def test_a_page_too_big_for_intercom_is_halved(status):
    mocker, account = mocked()

    def answer(request, context):
        if request.json()["pagination"]["per_page"] > 75:
            context.status_code = status
            return {}
        return {"data": [1]}

    mocker.post(f"{URL}/contacts/search", json=answer)
    assert IntercomClient(account).search_page("/contacts/search", {}, "cur", 150) == {"data": [1]}
    assert mocker.last_request.json()["pagination"] == {"per_page": 75, "starting_after": "cur"}
    assert mocker.last_request.json()["sort"] == {"field": "updated_at", "order": "ascending"}


def test_halving_ends():
    mocker, account = mocked()
    mocker.post(f"{URL}/contacts/search", status_code=500)
    with pytest.raises(Retry):
        IntercomClient(account).search_page("/contacts/search", {}, None, 150)
    sizes = [request.json()["pagination"]["per_page"] for request in mocker.request_history]
    assert sorted(set(sizes)) == [37, 75, 150]


def test_an_outage_is_no_reason_to_halve():
    mocker, account = mocked()
    mocker.post(f"{URL}/contacts/search", status_code=503)
    with pytest.raises(Retry):
        IntercomClient(account).search_page("/contacts/search", {}, None, 150)
    assert {request.json()["pagination"]["per_page"] for request in mocker.request_history} == {150}


def test_a_cursor_that_no_longer_works_starts_the_partition_again():
    mocker, account = mocked()
    broken = error_list("client_error", "The starting_after parameter is not a valid cursor")
    mocker.post(f"{URL}/contacts/search", status_code=400, json=broken)
    with pytest.raises(Restart):
        IntercomClient(account).search_page("/contacts/search", {}, "gone", 150)
    with pytest.raises(Declined):
        IntercomClient(account).search_page("/contacts/search", {}, None, 150)


def test_another_fault_of_the_request_is_refused():
    mocker, account = mocked()
    mocker.post(f"{URL}/contacts/search", status_code=400, json=error_list("invalid_field", "no such field"))
    with pytest.raises(Declined, match="no such field"):
        IntercomClient(account).search_page("/contacts/search", {}, "cur", 150)


LINK = "https://api.intercom.io/x?per_page=60&page=2&starting_after=abc%3D"


@pytest.mark.parametrize(
    ("pages", "cursor"),
    [
        ({"next": {"page": 2, "starting_after": "abc="}}, "abc="),
        ({"next": LINK}, "abc="),
        ({"next": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_cursors(pages, cursor):
    assert after({"data": [], "pages": pages}) == cursor


@pytest.mark.parametrize(
    ("pages", "page", "following"),
    [
        ({"next": LINK, "page": 1, "total_pages": 1}, 1, 2),
        ({"next": LINK}, 2, None),
        ({"next": "https://api.intercom.io/x"}, 1, None),
        ({"next": None, "page": 1, "total_pages": 3}, 1, 2),
        ({"page": 1, "per_page": "25", "total_pages": 2}, 1, 2),
        ({"page": 2, "total_pages": "2"}, 2, None),
        ({}, 1, None),
        (None, 1, None),
    ],
)
def test_page_numbers(pages, page, following):
    assert following_page({"pages": pages}, page) == following


def test_a_bare_array_is_one_page():
    assert following_page([], 1) is None
    assert listed([1, 2], "data") == [1, 2]


def test_an_answer_without_its_rows_is_not_an_empty_one():
    with pytest.raises(Retry, match="without conversations or data"):
        listed({"type": "list"}, "conversations", "data")


def test_rows_of_all_pages():
    mocker, account = mocked()
    mocker.get(f"{URL}/contacts/1/tags?page=1", json={"data": [1], "pages": {"page": 1, "total_pages": 2}})
    mocker.get(f"{URL}/contacts/1/tags?page=2", json={"data": [2], "pages": {"page": 2, "total_pages": 2}})
    assert list(IntercomClient(account).rows("/contacts/1/tags", "data")) == [1, 2]
