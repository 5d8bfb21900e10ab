"""The smallest complete data source: a shop that keeps its customers in memory.

The examples of the hooks stand on it, so that each of them shows its own hook and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import requests
from marshmallow import Schema, fields

from core.contract.hookspecs import hookimpl
from core.contract.types import (
    Account,
    Connected,
    Cursor,
    Manifest,
    ObjectSpec,
    Page,
    Partition,
    Record,
    Redirect,
    Rejected,
    Scope,
)

CUSTOMERS = ("ann@example.com", "bob@example.com", "cid@example.com")
PAGE = 2


class ShopKey(Schema):
    """What the admin types in."""

    key = fields.String(required=True, metadata={"label": "Key", "help": "Under Settings, API.", "secret": True})


class Shop:
    """The plugin: a manifest and the three hooks that every data source needs."""

    manifest = Manifest(
        name="shop",
        title="Corner shop",
        category="Shops",
        description="Imports the customers of a shop.",
        objects=(ObjectSpec("customer", "Customers", "person"),),
        credentials=ShopKey,
    )

    @hookimpl
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Prove the key."""
        if answers["key"] != "open":
            return Rejected({"key": "The shop refused this key: copy it again from Settings, API"})
        return Connected(remote_id="shop-1", name="Corner shop", secrets={"key": answers["key"]})

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        """Read all customers in one go."""
        return [Partition("customer", start=0)]

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Return the customers from ``cursor`` on."""
        end = cursor + PAGE
        return Page(
            records=[Record("customer", email, values={"email": email}) for email in CUSTOMERS[cursor:end]],
            next=end if end < len(CUSTOMERS) else None,
        )


class NoLimit:
    """A rate limit that never waits."""

    def acquire(self) -> None:
        """Go on at once."""

    def observe(self, limit: int | None, remaining: int | None, reset: float | None) -> None:
        """Take no notice."""


class NothingKnown:
    """A host that holds nothing yet: every record must be fetched."""

    def __call__(self, object: str, versions: Mapping[str, datetime]) -> frozenset[str]:
        """Know none of them."""
        return frozenset()


class Held(Mapping[str, str]):
    """Secrets in memory, with the way to renew them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        self._lock = threading.Lock()

    def __getitem__(self, key: str) -> str:
        return self._secrets[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __len__(self) -> int:
        return len(self._secrets)

    def renew(
        self, stale: Mapping[str, str], change: Callable[[Mapping[str, str]], Mapping[str, str]]
    ) -> Mapping[str, str]:
        """Call ``change`` unless somebody else did so meanwhile."""
        with self._lock:
            if self._secrets == stale:
                self._secrets = dict(change(stale))
            return self._secrets


def account() -> Account:
    """Return an account of the shop as the host would hand it to the plugin."""
    held = Held({"key": "open"})
    return Account(
        id=1,
        plugin="shop",
        remote_id="shop-1",
        settings={},
        secrets=held,
        renew=held.renew,
        environment={},
        objects={"customer": None},
        redirect_uri="http://127.0.0.1:8000/oauth/shop/callback",
        http=requests.Session(),
        limiter=NoLimit(),
        known=NothingKnown(),
        log=logging.getLogger("shop"),
    )
