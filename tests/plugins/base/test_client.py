from __future__ import annotations

import logging
import threading
import time
from email.utils import formatdate

import pytest
import requests

from core.contract.errors import Reauthorise, Restart, Retry, SourceError
from core.kit.account import make_account
from plugins.base.client import ApiClient, Declined, NotFound, Unavailable
from tests.plugins.base.vendor import MANIFEST, TOKEN, URL, AcmeClient, mocked


def test_get_sends_headers_and_query_and_asks_the_limiter_first():
    adapter, client, limiter = mocked()
    adapter.get(f"{URL}/customers", json={"data": [1]})
    assert client.get("/customers", {"page": 2}) == {"data": [1]}
    sent = adapter.last_request
    assert sent.qs == {"page": ["2"]}
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent.timeout == (5.0, 60.0)
    assert limiter.acquired == 1
    assert limiter.observed == []


def test_rate_headers_reach_the_limiter_even_of_a_failure():
    adapter, client, limiter = mocked()
    headers = {"X-RateLimit-Limit": "167", "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1764000000"}
    adapter.get(f"{URL}/customers", status_code=403, headers=headers)
    with pytest.raises(Declined):
        client.get("/customers")
    assert limiter.observed == [(167, 3, 1764000000.0)]


def test_unreadable_rate_headers_are_passed_over():
    adapter, client, limiter = mocked()
    adapter.get(f"{URL}/customers", json={}, headers={"X-RateLimit-Limit": "many"})
    client.get("/customers")
    assert limiter.observed == []


def test_search_posts_its_body():
    adapter, client, _ = mocked()
    adapter.post(f"{URL}/customers/search", json={"data": []})
    client.search("/customers/search", {"query": 1}, {"page": 1})
    assert adapter.last_request.json() == {"query": 1}
    assert adapter.last_request.qs == {"page": ["1"]}


def test_nothing_but_get_and_named_searches_can_be_sent():
    adapter, client, limiter = mocked()
    with pytest.raises(ValueError, match="POST /customers is not among the searches"):
        client.search("/customers", {"name": "new"})
    assert adapter.call_count == 0
    assert limiter.acquired == 0
    public = {name for name in dir(ApiClient) if not name.startswith("_") and callable(getattr(ApiClient, name))}
    assert public == {"get", "get_if_allowed", "search", "map", "pause", "problem", "rate", "unauthorised"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Declined),
        (402, Declined),
        (403, Declined),
        (404, NotFound),
        (409, Declined),
        (410, NotFound),
        (422, Declined),
    ],
)
def test_what_will_never_work_is_refused_at_once(status, kind):
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers/7", status_code=status, headers={"Link": '</customers/8>; rel="canonical"'})
    with pytest.raises(Declined, match=f"Acme answered {status} to GET /customers/7") as caught:
        client.get("/customers/7")
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.links == {"canonical": "/customers/8"}
    assert adapter.call_count == 1


def test_a_401_asks_for_new_credentials():
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers", status_code=401)
    with pytest.raises(Reauthorise):
        client.get("/customers")
    assert adapter.call_count == 1


FAILURES = {
    "500": {"status_code": 500},
    "502 with HTML": {"status_code": 502, "text": "<html>bad gateway</html>"},
    "503": {"status_code": 503},
    "408": {"status_code": 408},
    "empty 200": {"text": ""},
    "no JSON": {"text": "<html>hello</html>"},
    "truncated JSON": {"text": '{"data": [1, 2'},
    "a lonely word": {"text": '"ok"'},
    "timeout": {"exc": requests.ReadTimeout},
    "connect timeout": {"exc": requests.ConnectTimeout},
    "reset": {"exc": requests.ConnectionError("Connection reset by peer")},
    "body cut": {"exc": requests.exceptions.ChunkedEncodingError},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_what_may_pass_is_tried_again(failure):
    adapter, client, limiter = mocked()
    adapter.get(f"{URL}/customers", [failure, failure, {"json": {"data": []}}])
    assert client.get("/customers") == {"data": []}
    assert limiter.acquired == 3
    assert len(client.pauses) == 2
    assert client.pauses[0] < client.pauses[1] < 2


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_what_does_not_pass_gives_the_worker_back(failure):
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers", [failure])
    with pytest.raises(Retry) as caught:
        client.get("/customers")
    assert adapter.call_count == client.attempts
    assert caught.value.after is None


def test_a_short_wait_for_the_rate_limit_happens_in_the_client():
    adapter, client, limiter = mocked()
    reset = str(time.time() + 3)
    busy = {"status_code": 429, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}}
    adapter.get(f"{URL}/customers", [busy, {"json": {}}])
    client.get("/customers")
    assert 2 < client.pauses[0] < 4
    assert limiter.observed == [(None, 0, float(reset))]


@pytest.mark.parametrize("header", [lambda: "40", lambda: formatdate(time.time() + 40)], ids=["seconds", "date"])
def test_a_long_wait_is_left_to_the_host(header):
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers", status_code=429, headers={"Retry-After": header()})
    with pytest.raises(Unavailable) as caught:
        client.get("/customers")
    assert caught.value.after == pytest.approx(40, abs=20)
    assert caught.value.status == 429
    assert client.pauses == []


def test_a_wait_that_cannot_be_read_or_is_over_counts_as_none():
    adapter, client, _ = mocked()
    over = {"X-RateLimit-Reset": str(time.time() - 9)}
    answers = [{"status_code": 429, "headers": {"Retry-After": "soon"}}, {"status_code": 429, "headers": over}]
    adapter.get(f"{URL}/customers", [*answers, {"json": {}}])
    client.get("/customers")
    assert all(pause < 1 for pause in client.pauses)


def test_links_keep_their_path_and_lose_their_host():
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers", json={})
    client.get("https://elsewhere.example.org/v1/customers?page=2&token=t")
    assert adapter.last_request.hostname == "api.example.com"
    assert adapter.last_request.qs == {"page": ["2"], "token": ["t"]}


def test_redirects_are_not_followed():
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/customers", status_code=302, headers={"Location": "https://evil.example.org/"})
    evil = adapter.get("https://evil.example.org/", json={})
    with pytest.raises(Declined, match="mend the base URL"):
        client.get("/customers")
    assert not evil.called


def test_get_if_allowed_goes_on_without(caplog):
    adapter, client, _ = mocked()
    adapter.get(f"{URL}/tags", [{"status_code": 403}, {"json": [1]}, {"status_code": 401}])
    assert client.get_if_allowed("/tags") is None
    assert "Acme answered 403 to GET /tags" in caplog.text
    assert client.get_if_allowed("/tags") == [1]
    with pytest.raises(Reauthorise):
        client.get_if_allowed("/tags")


def test_no_secret_in_logs_reprs_or_errors(caplog):
    caplog.set_level(logging.DEBUG, "mainstem.acme")
    adapter, client, _ = mocked()
    answers = [{"json": {}}, {"status_code": 500}, {"exc": requests.ConnectionError(f"{URL}/customers?key={TOKEN}")}]
    adapter.get(f"{URL}/customers", answers)
    client.get("/customers", {"key": TOKEN})
    with pytest.raises(Retry) as caught:
        client.get(f"{URL}/customers?key={TOKEN}")
    assert "GET /customers: 200" in caplog.text
    assert TOKEN not in caplog.text + repr(client) + repr(client.account) + str(caught.value)


def test_map_keeps_order_and_works_side_by_side():
    _, client, _ = mocked()
    meeting = threading.Barrier(4, timeout=30)

    def call(number: int) -> int:
        meeting.wait()
        return number * 2

    assert client.map(call, range(8)) == [0, 2, 4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize("count", [1, 5])
def test_map_hands_back_what_was_refused(count):
    _, client, _ = mocked()

    def call(number: int) -> int:
        if number == 0:
            raise NotFound("gone", 404)
        return number

    outcomes = client.map(call, range(count))
    assert isinstance(outcomes[0], NotFound)
    assert outcomes[1:] == list(range(1, count))


@pytest.mark.parametrize("error", [Retry("busy"), Reauthorise("dead"), Restart("again")])
def test_map_stops_at_what_concerns_all(error: SourceError):
    _, client, _ = mocked()
    client.parallel = 1
    called = []

    def call(number: int) -> int:
        called.append(number)
        raise error

    with pytest.raises(type(error)):
        client.map(call, range(9))
    assert called == [0]


def test_map_lets_bugs_through():
    _, client, _ = mocked()
    with pytest.raises(ZeroDivisionError):
        client.map(lambda number: 1 // number, [1, 0])
    assert client.map(str, []) == []


def test_a_base_url_may_have_a_path_of_its_own():
    client = AcmeClient(make_account(MANIFEST), "https://proxy.example.com/acme/")
    assert repr(client) == "<AcmeClient of https://proxy.example.com/acme>"
