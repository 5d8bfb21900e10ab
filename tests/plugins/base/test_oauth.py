from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from core.contract.errors import Retry
from core.contract.types import Rejected
from core.kit.account import make_account
from plugins.base.oauth import OAuth2
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
