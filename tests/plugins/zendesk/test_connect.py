from __future__ import annotations

import base64
import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from core.contract.example import Held
from core.contract.types import Connected, Redirect, Rejected
from core.kit.account import make_account
from plugins.zendesk import plugin
from tests.plugins.zendesk.support import Office, mocked, opened, source

TYPED = {"subdomain": "acme", "email": "a@acme.example", "api_token": "t0ken"}
ME = "https://acme.zendesk.com/api/v2/users/me.json"


def connect(answers, **reply):
    mocker, account = mocked()
    account = replace(account, settings={}, secrets={})
    mocker.get(ME, **(reply or {"json": {"user": {"id": 1, "role": "admin"}}}))
    return source.connect(account=account, answers=answers), mocker


@pytest.mark.parametrize("subdomain", ["acme", " ACME ", "acme.zendesk.com", "https://acme.zendesk.com/"])
def test_a_token_is_proven_at_the_address_of_its_subdomain(subdomain):
    connected, mocker = connect({**TYPED, "subdomain": subdomain})
    assert isinstance(connected, Connected)
    assert (connected.remote_id, connected.settings) == ("acme", {"subdomain": "acme"})
    sent = mocker.last_request.headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"a@acme.example/token:t0ken"
    assert connected.secrets == {"authorization": sent}


@pytest.mark.parametrize("subdomain", ["evil.example/", "a.b", "acme@evil.example", "acme:80", "-", "ä"])
def test_credentials_go_to_zendesk_alone(subdomain):
    outcome, mocker = connect({**TYPED, "subdomain": subdomain})
    assert isinstance(outcome, Rejected)
    assert "acme.zendesk.com" in outcome.errors["subdomain"]
    assert mocker.call_count == 0


def test_what_is_missing_is_named():
    outcome, mocker = connect({"subdomain": " ", "email": "a@acme.example"})
    assert isinstance(outcome, Rejected)
    assert outcome.errors.keys() == {"subdomain", "api_token"}
    assert mocker.call_count == 0


@pytest.mark.parametrize(
    ("reply", "field", "said"),
    [
        ({"status_code": 401, "json": {"error": "Couldn't authenticate you"}}, "api_token", "refused"),
        ({"json": {"user": {"id": 1, "role": "agent"}}}, "api_token", "no admin"),
        ({"json": {"user": {"id": None, "role": "end-user"}}}, "api_token", "no admin"),
        ({"status_code": 404, "json": {"error": {"title": "No help desk"}}}, "subdomain", "No help desk"),
    ],
)
def test_what_does_not_open_an_account_says_why(reply, field, said):
    outcome, _ = connect(TYPED, **reply)
    assert isinstance(outcome, Rejected)
    assert said in outcome.errors[field]


def test_consent_needs_a_client():
    outcome = source.connect(account=make_account(plugin.manifest), answers={})
    assert isinstance(outcome, Rejected)
    assert "ZENDESK_CLIENT_ID" in outcome.errors[""]


@pytest.mark.parametrize("subdomain", ["", "evil.example/", "acme@evil.example"])
def test_consent_asks_for_a_subdomain_of_zendesk_first(office: Office, subdomain: str):
    outcome = office.connect({"subdomain": subdomain})
    assert isinstance(outcome, Rejected)
    assert outcome.errors.keys() == {"subdomain"}


def agreed(office: Office) -> Connected:
    """Consent as an admin would."""
    redirect = office.connect({"subdomain": "acme"})
    back = office.draft.http.get(f"{redirect.url}&state=s", allow_redirects=False).headers["Location"]
    connected = office.connect({**dict(parse_qsl(urlsplit(back).query)), **redirect.keep})
    assert isinstance(connected, Connected)
    return connected


def test_consent_asks_to_read_only(office: Office):
    redirect = office.connect({"subdomain": "https://ACME.zendesk.com/"})
    assert isinstance(redirect, Redirect)
    assert redirect.url.startswith("http://sandbox.test/oauth/authorizations/new?")
    assert "scope=read&" in f"{redirect.url}&"
    assert redirect.keep == {"subdomain": "acme"}
    assert agreed(office).secrets.keys() == {"access_token"}


def test_an_access_token_that_expired_is_renewed_and_proven_again():
    office = Office(token_seconds=1800)
    connected = agreed(office)
    assert connected.secrets.keys() == {"access_token", "refresh_token", "renew_at"}
    held = Held({**connected.secrets, "renew_at": "0"})
    account = replace(opened(office.draft, connected), secrets=held, renew=held.renew)
    assert source.import_team(account=account).users
    assert held["refresh_token"] != connected.secrets["refresh_token"]
    assert float(held["renew_at"]) > time.time()
    again = source.connect(account=account, answers=dict(held))
    assert isinstance(again, Connected)
    assert again.secrets == held
