"""A client renews the access token that it sends: before it expires, or once when it is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from core.contract.errors import Reauthorise
from core.contract.types import Account
from core.kit.account import make_account
from plugins.base.client import ApiClient
from plugins.base.oauth import OAuth2
from tests.plugins.base.vendor import MANIFEST, URL, answering

OLD = {"access_token": "access-1", "refresh_token": "refresh-1"}
NEW = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}


class Client(ApiClient):
    vendor = "Acme"

    def __init__(self, account: Account, secrets: Mapping[str, str] | None = None) -> None:
        oauth = OAuth2("Acme", f"{URL}/consent", f"{URL}/token", "app", "client-secret")
        super().__init__(account, URL, oauth=oauth, secrets=secrets)


def vendor(secrets: Mapping[str, str] = OLD, **token: Any) -> tuple[Any, Account]:
    account = make_account(MANIFEST, secrets=secrets)
    adapter = answering(account)
    adapter.get(f"{URL}/me", status_code=401)
    adapter.get(f"{URL}/me", request_headers={"Authorization": "Bearer access-2"}, json={"id": 1})
    adapter.post(f"{URL}/token", **(token or {"json": NEW}))
    return adapter, account


def paths(adapter: Any) -> list[str]:
    return [request.path.rpartition("/")[2] for request in adapter.request_history]


def test_a_refused_token_is_renewed_and_the_request_repeated(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    adapter, account = vendor()
    assert Client(account).get("/me") == {"id": 1}
    assert paths(adapter) == ["me", "token", "me"]
    assert (account.secrets["access_token"], account.secrets["refresh_token"]) == ("access-2", "refresh-2")
    assert Client(account).get("/me") == {"id": 1}
    assert paths(adapter)[3:] == ["me"]
    assert "renewing" in caplog.text
    assert not [secret for secret in (*OLD.values(), "access-2", "refresh-2", "client-secret") if secret in caplog.text]


def test_a_token_about_to_expire_is_renewed_before_it_is_sent():
    adapter, account = vendor({**OLD, "renew_at": "1"})
    assert Client(account).get("/me") == {"id": 1}
    assert paths(adapter) == ["token", "me"]


def test_many_requests_that_are_refused_side_by_side_renew_once():
    adapter, account = vendor()
    assert Client(account).map(lambda _: Client(account).get("/me"), range(12)) == [{"id": 1}] * 12
    assert paths(adapter).count("token") == 1


def test_a_refused_renewal_asks_for_consent_and_is_not_tried_again():
    adapter, account = vendor(status_code=400, json={"error": "invalid_grant"})
    with pytest.raises(Reauthorise, match="connect again"):
        Client(account).get("/me")
    assert paths(adapter) == ["me", "token"]
    assert account.secrets == OLD


def test_a_renewed_token_that_is_refused_too_is_not_renewed_again():
    adapter, account = vendor(json={**NEW, "access_token": "access-3"})
    with pytest.raises(Reauthorise):
        Client(account).get("/me")
    assert paths(adapter) == ["me", "token", "me"]


@pytest.mark.parametrize("given", [{"access_token": "access-1"}, OLD])
def test_what_connect_proves_and_what_nothing_renews_is_refused_at_once(given: Mapping[str, str]):
    adapter, account = vendor({"access_token": "access-1"})
    with pytest.raises(Reauthorise):
        Client(account, given if given is OLD else None).get("/me")
    assert paths(adapter) == ["me"]
