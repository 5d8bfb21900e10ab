from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from core.contract.errors import Reauthorise, Retry
from core.contract.types import Rejected
from core.kit.account import make_account
from plugins.base.oauth import OAuth2, tokens
from tests.plugins.base.vendor import MANIFEST, answering

SECRET = "client-secret-9"
CONSENT = OAuth2(
    "Acme", "https://acme.example/consent", "https://acme.example/token", "app-1", SECRET, ("read", "list")
)


def exchange(answers, **reply):
    account = make_account(MANIFEST)
    adapter = answering(account)
    adapter.post("https://acme.example/token", **reply)
    return CONSENT.exchange(account, answers), adapter


def test_the_admin_is_sent_to_the_consent_page_without_state():
    url = urlsplit(CONSENT.redirect(make_account(MANIFEST)).url)
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://acme.example/consent"
    assert parse_qs(url.query) == {
        "response_type": ["code"],
        "client_id": ["app-1"],
        "redirect_uri": ["http://127.0.0.1:8000/oauth/acme/callback"],
        "scope": ["read list"],
    }


def test_a_code_becomes_a_token():
    token, adapter = exchange({"code": "abc="}, json={"access_token": "t", "refresh_token": "r"})
    assert token == {"access_token": "t", "refresh_token": "r"}
    sent = parse_qs(adapter.last_request.text)
    assert sent["code"] == ["abc="]
    assert sent["client_secret"] == [SECRET]
    assert sent["scope"] == ["read list"]


def test_a_refusal_has_no_code():
    outcome, adapter = exchange({"error": "access_denied"}, json={})
    assert isinstance(outcome, Rejected)
    assert "allow the access" in outcome.errors[""]
    assert adapter.call_count == 0


@pytest.mark.parametrize(
    "reply",
    [{"status_code": 401, "json": {}}, {"status_code": 400, "text": "<html>"}, {"json": {"token": "t"}}, {"json": [1]}],
)
def test_a_bad_code_or_secret(reply):
    outcome, _ = exchange({"code": "used"}, **reply)
    assert isinstance(outcome, Rejected)
    assert "connect again" in outcome.errors[""]


@pytest.mark.parametrize("reply", [{"status_code": 503}, {"status_code": 429}, {"exc": requests.ConnectionError}])
def test_a_vendor_that_cannot_answer(reply):
    with pytest.raises(Retry):
        exchange({"code": "abc"}, **reply)


def test_the_secret_stays_out_of_reprs():
    assert SECRET not in repr(CONSENT)


def test_what_is_kept_of_a_token_answer():
    now = int(time.time())
    kept = tokens({"access_token": "a", "refresh_token": "r", "expires_in": 1000, "scope": "read"})
    assert kept.keys() == {"access_token", "refresh_token", "renew_at"}
    assert now + 900 <= int(kept["renew_at"]) <= now + 930
    assert tokens({"access_token": "a", "refresh_token": None, "expires_in": None}) == {"access_token": "a"}


def refresh(**reply):
    account = make_account(MANIFEST)
    adapter = answering(account)
    adapter.post("https://acme.example/token", **reply)
    secrets = {"access_token": "a1", "refresh_token": "r1", "renew_at": "1", "shop": "corner"}
    return CONSENT.refresh(account, secrets), parse_qs(adapter.last_request.text)


def test_a_refresh_token_becomes_new_tokens():
    found, sent = refresh(json={"access_token": "a2", "refresh_token": "r2"})
    assert found == {"access_token": "a2", "refresh_token": "r2", "shop": "corner"}
    assert (sent["grant_type"], sent["refresh_token"]) == (["refresh_token"], ["r1"])
    assert (sent["client_id"], sent["client_secret"]) == (["app-1"], [SECRET])


def test_a_refresh_token_that_stays_good_is_kept():
    assert refresh(json={"access_token": "a2"})[0]["refresh_token"] == "r1"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"status_code": 400, "json": {"error": "invalid_grant"}}, Reauthorise),
        ({"status_code": 401, "text": "no"}, Reauthorise),
        ({"status_code": 503}, Retry),
        ({"text": "<html>a proxy's</html>"}, Retry),
        ({"exc": requests.ConnectTimeout}, Retry),
    ],
)
def test_a_refresh_that_fails_says_what_to_do(reply, error):
    with pytest.raises(error) as raised:
        refresh(**reply)
    assert "r1" not in str(raised.value)
