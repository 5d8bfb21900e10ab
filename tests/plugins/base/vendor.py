"""A made-up vendor for the tests of plugins.base."""

from __future__ import annotations

from typing import Any

import requests_mock
from marshmallow import Schema

from core.contract.types import Account, Manifest, ObjectSpec
from core.kit.account import make_account
from plugins.base.client import ApiClient

URL = "https://api.example.com/v1"
TOKEN = "tok-secret-1234"


class NoKey(Schema):
    """Nothing is typed in."""


MANIFEST = Manifest(
    name="acme",
    title="Acme",
    category="Tests",
    description="Nothing real.",
    objects=(ObjectSpec("customer", "Customers", "person"), ObjectSpec("order", "Orders", "activity")),
    credentials=NoKey,
    retention_days=30,
)


class Limiter:
    """Notes what it is asked and told."""

    def __init__(self) -> None:
        self.acquired = 0
        self.observed: list[tuple[int | None, int | None, float | None]] = []

    def acquire(self) -> None:
        self.acquired += 1

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        self.observed.append((limit, remaining, reset))


class AcmeClient(ApiClient):
    """Notes its pauses instead of making them."""

    vendor = "Acme"
    searches = frozenset({"/customers/search"})

    def __init__(self, account: Account, base_url: str = URL) -> None:
        super().__init__(account, base_url, {"Authorization": f"Bearer {TOKEN}"})
        self.pauses: list[float] = []
        self.pause = self.pauses.append


def answering(account: Account) -> Any:
    """Return what answers the account's requests from now on: a requests-mock Mocker."""
    mocker = requests_mock.Mocker(session=account.http)
    mocker.start()
    return mocker


def mocked() -> tuple[Any, AcmeClient, Limiter]:
    """Return what answers the client's requests, the client, and its limiter."""
    limiter = Limiter()
    account = make_account(MANIFEST, limiter=limiter)
    return answering(account), AcmeClient(account), limiter
