"""Zendesk's API v2: its address, its errors, its rate limit, its two kinds of listings."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from core.contract.errors import Restart, Retry
from core.contract.types import JSON, Account
from plugins.base.client import ApiClient, Declined
from plugins.base.mapping import text
from plugins.base.oauth import OAuth2
from plugins.base.pages import dig, next_cursor

SIZE = 100
"""Rows of a page, the most that Zendesk gives in lists; also ids in one request for many."""
SUBDOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*")


def base_url(account: Account, subdomain: str) -> str:
    """Return the address of an account of Zendesk, unless the operator names another server."""
    return account.environment.get("ZENDESK_URL") or f"https://{subdomain}.zendesk.com"


def consent(account: Account, subdomain: str) -> OAuth2:
    """Return the consent to read an account, by the OAuth client that the operator registered.

    Zendesk: OAuth tokens. An access token may expire, after half an hour by default; the refresh token with it is good
    for one use, which ends both.
    """
    url = base_url(account, subdomain)
    id, secret = (account.environment.get(f"ZENDESK_CLIENT_{part}", "") for part in ("ID", "SECRET"))
    return OAuth2("Zendesk", f"{url}/oauth/authorizations/new", f"{url}/oauth/tokens", id, secret, ("read",))


class ZendeskClient(ApiClient):
    """Reads one account.

    Args:
        account: Whose.
        subdomain: Of the account; None takes the connected one's.
        secrets: To be proven: a header ``authorization``, or the tokens of a consent; None takes the account's.
    """

    vendor = "Zendesk"
    parallel = 8

    def __init__(
        self, account: Account, subdomain: str | None = None, secrets: Mapping[str, str] | None = None
    ) -> None:
        subdomain = subdomain or str(account.settings.get("subdomain"))
        typed = (secrets or account.secrets).get("authorization")
        headers = {"Authorization": typed} if typed else {}
        oauth = None if typed else consent(account, subdomain)
        super().__init__(account, base_url(account, subdomain), headers, oauth, secrets)

    def rate(self, response: requests.Response) -> tuple[int | None, int | None, float | None]:
        """Read the account's limit, whose reset is told in seconds from now (Zendesk: rate limits)."""
        limit, left, reset = (
            int(value) if (value := response.headers.get(name, "")).isdigit() else None
            for name in ("X-Rate-Limit", "X-Rate-Limit-Remaining", "ratelimit-reset")
        )
        return limit, left, None if reset is None else time.time() + reset

    def problem(self, response: requests.Response) -> tuple[str, str]:
        """Read Zendesk's error: a code with a description, or an object with title and message."""
        try:
            body = response.json()
        except requests.JSONDecodeError:
            return "", ""
        error = dig(body, "error")
        if isinstance(error, dict):
            return text(error.get("title")) or "", text(error.get("message")) or ""
        return text(error) or "", text(dig(body, "description")) or ""

    def page(self, path: str, params: Mapping[str, str | int], resumes: bool) -> JSON:
        """Read one page.

        Args:
            path: Of the listing.
            params: Its query.
            resumes: A cursor of Zendesk's is in it.

        Raises:
            Restart: Zendesk no longer takes the cursor.
        """
        try:
            return self.get(path, params)
        except Declined as error:
            if resumes and error.status in (400, 410, 422):
                raise Restart("Zendesk no longer takes the cursor") from None
            raise

    def list_page(self, path: str, params: Mapping[str, str | int], after: str | None) -> tuple[JSON, str | None]:
        """Read one page of a list with cursor pagination; return it and the cursor of the next."""
        position = {"page[after]": after} if after else {}
        body = self.page(path, {**params, "page[size]": SIZE, **position}, resumes=bool(after))
        more = dig(body, "meta", "has_more") is True
        return body, next_cursor(body, "meta", "after_cursor") if more else None

    def rows(self, path: str, name: str) -> Iterator[Any]:
        """Yield all rows of a list with cursor pagination, found under ``name``."""
        after: str | None = None
        while True:
            body, after = self.list_page(path, {}, after)
            yield from listed(body, name)
            if after is None:
                return

    def show_many(self, path: str, name: str, ids: list[str]) -> list[Any]:
        """Return those of the rows with these ids that are there."""
        found: list[Any] = []
        for start in range(0, len(ids), SIZE):
            found += listed(self.get(path, {"ids": ",".join(ids[start : start + SIZE])}), name)
        return found

    def count(self, path: str, params: Mapping[str, str | int] | None = None) -> int | None:
        """Return Zendesk's own count; of many it is some hours old."""
        counted = dig(self.get(path, params), "count", "value")
        return counted if type(counted) is int else None


def listed(body: JSON, name: str) -> list[Any]:
    """Return the rows of a listing.

    Raises:
        Retry: The answer is no listing.
    """
    rows = dig(body, name)
    if not isinstance(rows, list):
        raise Retry(f"Zendesk answered without {name}")
    return rows
