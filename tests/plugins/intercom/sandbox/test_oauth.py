from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.plugins.intercom.sandbox.conftest import Api, make

BACK = "http://127.0.0.1:8000/oauth/intercom/callback"
ASK = {"client_id": "sandbox-client", "state": "s&1", "redirect_uri": BACK}


def code_of(api: Api) -> str:
    response = api.client.get("/oauth/authorize", query_string=ASK)
    assert response.status_code == 302
    query = parse_qs(urlsplit(response.headers["Location"]).query)
    assert query["state"] == ["s&1"]
    return query["code"][0]


def exchange(api: Api, **given: str) -> tuple[int, Any]:
    form = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", **given}
    response = api.client.post("/auth/eagle/token", data=form)
    return response.status_code, response.json


def test_the_consent_page_offers_both_ways(api: Api):
    page = api.client.get("/oauth", query_string=ASK).text
    assert "This is a sandbox" in page
    assert "This is a sandbox" in api.client.get("/a/inbox/abc/inbox/conversation/1").text
    yes = re.search(r'id="authorize" href="([^"]+)"', page)
    no = re.search(r'id="cancel" href="([^"]+)"', page)
    assert yes
    assert no
    assert "code=" in api.client.get(yes[1].replace("&amp;", "&")).headers["Location"]
    back = api.client.get(no[1].replace("&amp;", "&")).headers["Location"]
    assert back.startswith(BACK)
    assert parse_qs(urlsplit(back).query) == {"error": ["access_denied"], "state": ["s&1"]}


def test_a_code_gives_one_token_that_works(small: Api):
    code = code_of(small)
    assert code.endswith("=")
    status, body = exchange(small, code=code)
    assert status == 200
    assert body["token"] == body["access_token"]
    assert body["token_type"] == "Bearer"
    small.headers["Authorization"] = f"Bearer {body['token']}"
    assert small.get("/me")["app"]["id_code"] == small.store.plan.workspace
    status, body = exchange(small, code=code)
    assert status == 401
    assert "unauthorized" in str(body)


def test_a_code_can_be_sent_as_json(small: Api):
    body = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "code": code_of(small)}
    assert small.client.post("/auth/eagle/token", json=body).status_code == 200


@pytest.mark.parametrize("wrong", [{"client_secret": "no"}, {"client_id": "no"}, {"code": "no"}])
def test_a_wrong_exchange_is_refused_and_spends_no_code(small: Api, wrong: dict[str, str]):
    code = code_of(small)
    assert exchange(small, **{"code": code, **wrong})[0] == 401
    assert exchange(small, code=code)[0] == 200


@pytest.mark.parametrize(
    "wrong", [{"client_id": "other"}, {"redirect_uri": ""}, {"redirect_uri": "javascript:alert(1)"}]
)
@pytest.mark.parametrize("path", ["/oauth", "/oauth/authorize", "/oauth/cancel"])
def test_wrong_requests_get_a_page_and_no_redirect(api: Api, path: str, wrong: dict[str, str]):
    response = api.client.get(path, query_string={**ASK, **wrong})
    assert response.status_code == 400
    assert "Cannot connect" in response.text


def test_registered_addresses_bind():
    api = make(people=1)
    api.store.redirect_uris = [BACK]
    without = {key: value for key, value in ASK.items() if key != "redirect_uri"}
    assert api.client.get("/oauth/authorize", query_string=without).headers["Location"].startswith(BACK)
    other = {**ASK, "redirect_uri": "http://127.0.0.1/else"}
    assert api.client.get("/oauth/authorize", query_string=other).status_code == 400


def test_uninstalling_kills_the_token(small: Api):
    assert small.ask("POST", "/auth/uninstall").status_code == 200
    assert small.refused("GET", "/me")[1] == "token_revoked"
    assert small.refused("POST", "/auth/uninstall")[0] == 401
