from __future__ import annotations

import pytest
import requests
from flask import Flask, request

from core.kit.account import make_account
from core.kit.wsgi import mount
from tests.plugins.base.vendor import MANIFEST

app = Flask(__name__)


@app.route("/echo/<name>", methods=["GET", "POST"])
def echo(name):
    return {
        "name": name,
        "method": request.method,
        "query": request.args.to_dict(),
        "body": request.get_data(as_text=True),
        "type": request.content_type,
        "host": request.host,
        "token": request.headers.get("Authorization"),
        "secure": request.is_secure,
    }


@pytest.fixture
def session():
    return mount(requests.Session(), app)


def test_requests_arrive_whole(session):
    response = session.post(
        "https://api.example.com/echo/Zoë%20K?a=1&b=%26",
        json={"x": 1},
        headers={"Authorization": "Bearer t"},
        timeout=1,
    )
    assert response.status_code == 200
    assert response.url == "https://api.example.com/echo/Zo%C3%AB%20K?a=1&b=%26"
    assert response.json() == {
        "name": "Zoë K",
        "method": "POST",
        "query": {"a": "1", "b": "&"},
        "body": '{"x": 1}',
        "type": "application/json",
        "host": "api.example.com",
        "token": "Bearer t",
        "secure": True,
    }


def test_texts_and_nothing_can_be_sent(session):
    assert session.post("http://x:8080/echo/a", data="plain", timeout=1).json()["body"] == "plain"
    answer = session.get("http://x:8080/echo/a", timeout=1)
    assert answer.json()["body"] == ""
    assert answer.json()["host"] == "x:8080"
    assert answer.headers["content-type"] == "application/json"


def test_unknown_pages_answer_as_the_application_does(session):
    response = session.get("http://x/none", timeout=1)
    assert (response.status_code, response.reason) == (404, "NOT FOUND")
    session.close()


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(TimeoutError, requests.ReadTimeout), (ConnectionResetError, requests.ConnectionError), (KeyError, KeyError)],
)
def test_a_broken_network(raised, seen):
    def broken(environ, start_response):
        raise raised

    with pytest.raises(seen):
        mount(requests.Session(), broken).get("http://x/", timeout=1)


def test_a_body_cut_short():
    def cut(environ, start_response):
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        mount(requests.Session(), cut).get("http://x/", timeout=1)


def test_what_the_application_returns_is_closed():
    class Chunks(list):
        closed = False

        def close(self):
            self.closed = True

    chunks = Chunks([b"a", b"b"])

    def streaming(environ, start_response):
        start_response("200 OK", [])
        return chunks

    assert mount(requests.Session(), streaming).get("http://x/", timeout=1).content == b"ab"
    assert chunks.closed


def test_an_account_for_tests():
    account = make_account(MANIFEST, app, {"ACME_URL": "http://x"}, id=5, secrets={"key": "k"})
    assert account.http.get("http://x/echo/b", timeout=1).json()["name"] == "b"
    assert (account.id, account.plugin, account.environment["ACME_URL"]) == (5, "acme", "http://x")
    assert account.objects == {"customer": None, "order": None}
    assert account.known("customer", {}) == frozenset()
    account.limiter.acquire()
    account.limiter.observe(1, 1, 1.0)
