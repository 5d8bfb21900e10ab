"""Intercom's API 2.16: its hosts, its errors, its rate limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from core.contract.errors import Reauthorise, Refused, Restart, Retry, SourceError
from core.contract.types import JSON, Account
from plugins.base.client import ApiClient, Declined, Unavailable
from plugins.base.pages import dig, next_cursor, next_link, next_page, query_value

VERSION = "2.16"
API_URLS = {"US": "https://api.intercom.io", "EU": "https://api.eu.intercom.io", "AU": "https://api.au.intercom.io"}
APP_URLS = {"US": "https://app.intercom.com", "EU": "https://app.eu.intercom.com", "AU": "https://app.au.intercom.com"}
WORKSPACE_LIMIT = 25_000
SLICES = 6
TOO_BIG = (408, 500, 504)
SMALLEST_PAGE = 37


def api_url(account: Account) -> str:
    """Return the base of the API: the workspace's own region, unless the operator names another server."""
    return _regional(account, account.environment.get("INTERCOM_API_URL"), API_URLS)


def app_url(account: Account) -> str:
    """Return the base of Intercom's own pages, likewise."""
    return _regional(account, account.environment.get("INTERCOM_APP_URL"), APP_URLS)


def _regional(account: Account, configured: str | None, urls: Mapping[str, str]) -> str:
    url = (configured or urls["US"]).rstrip("/")
    if url not in urls.values():
        return url
    return urls.get(str(account.settings.get("region")), url)


class IntercomClient(ApiClient):
    """Reads one workspace.

    Args:
        account: Whose workspace.
        token: Access token; None takes the account's.
    """

    vendor = "Intercom"
    searches = frozenset({"/contacts/search", "/conversations/search", "/tickets/search"})
    # Limits are enforced in slices of ten seconds: the longest wait for the next one.
    patience = 11.0

    def __init__(self, account: Account, token: str | None = None) -> None:
        bearer = token or account.secrets.get("access_token", "")
        headers = {"Authorization": f"Bearer {bearer}", "Intercom-Version": VERSION}
        super().__init__(account, api_url(account), headers)

    def rate(self, response: requests.Response) -> tuple[int | None, int | None, float | None]:
        """Read the rate headers, whose limit may be that of a minute or of a ten-second slice.

        Intercom allows a workspace 25,000 requests a minute: a limit above a sixth of it is a minute's.
        """
        limit, remaining, reset = super().rate(response)
        if limit is not None and limit > WORKSPACE_LIMIT // SLICES:
            limit //= SLICES
            remaining = None if remaining is None else min(remaining, limit)
        return limit, remaining, reset

    def problem(self, response: requests.Response) -> tuple[str, str]:
        """Read the first error of Intercom's list, of which every part may be missing."""
        try:
            first = response.json()["errors"][0]
            return str(first.get("code") or ""), _explained(first)
        except (requests.JSONDecodeError, LookupError, TypeError, AttributeError):
            return "", ""

    def unauthorised(self, response: requests.Response, message: str) -> SourceError:
        """Tell a dead token from one that lacks a scope, for which Intercom also answers 401: ask who we are."""
        if urlsplit(response.url).path.endswith("/me"):
            return Reauthorise("Intercom refused this access token")
        try:
            self.get("/me")
        except SourceError as error:
            return error
        return Declined(f"{message}: the app lacks the scope for it, add it in Intercom's Developer Hub", 401)

    def read_page(self, ask: Callable[[int], JSON], size: int, after: str | None) -> JSON:
        """Read one page of a cursor listing.

        Args:
            ask: Sends the request for a page of so many rows.
            size: Rows wanted; fewer are asked for when Intercom cannot put so many together (408, 500, 504).
            after: The cursor that ``ask`` sends, if any.

        Raises:
            Restart: Intercom no longer takes the cursor.
        """
        while True:
            try:
                return ask(size)
            except Unavailable as error:
                if error.status not in TOO_BIG or size // 2 < SMALLEST_PAGE:
                    raise
                size //= 2
            except Declined as error:
                if after and error.status == 400 and error.code in ("client_error", "bad_request", ""):
                    raise Restart("Intercom no longer takes the cursor") from None
                raise

    def search_page(self, path: str, query: JSON, after: str | None, size: int, by: str = "updated_at") -> JSON:
        """Search by ``query``, oldest change first: a row that changes meanwhile shows up again and is not missed.

        Args:
            path: Of the search.
            query: In Intercom's search language.
            after: Intercom's cursor of the page; None for the first one.
            size: Rows of a page.
            by: The time that decides which is oldest.
        """

        def ask(rows: int) -> JSON:
            pagination: dict[str, str | int] = {"per_page": rows}
            if after:
                pagination["starting_after"] = after
            sort = {"field": by, "order": "ascending"}
            return self.search(path, {"query": query, "sort": sort, "pagination": pagination})

        return self.read_page(ask, size, after)

    def rows(self, path: str, *names: str) -> Iterator[Any]:
        """Yield all rows of a listing by pages, found under one of ``names``."""
        page: int | None = 1
        while page is not None:
            body = self.get(path, {"page": page, "per_page": 60})
            yield from listed(body, *names)
            page = following_page(body, page)


def listed(body: JSON, *names: str) -> list[Any]:
    """Return the rows of a listing under the first of ``names`` that is there; a bare array is taken as it is.

    Raises:
        Retry: The answer is no listing.
    """
    if isinstance(body, list):
        return body
    for name in names:
        rows = body.get(name)
        if isinstance(rows, list):
            return rows
    raise Retry(f"Intercom answered without {' or '.join(names)}")


def total_of(body: JSON | Refused) -> int:
    """Return how many rows a listing has in all.

    Raises:
        Refused: It was refused, as one of several (see :meth:`ApiClient.map`), or does not tell.
    """
    if isinstance(body, Refused):
        raise body
    total = dig(body, "total_count")
    if type(total) is not int:
        raise Refused("Intercom answered without total_count")
    return total


def after(body: JSON) -> str | None:
    """Return the cursor of the following page; it is absent or null on the last one, and a link on some lists."""
    link = next_link(body, "pages", "next")
    return query_value(link, "starting_after") if link else next_cursor(body, "pages", "next", "starting_after")


def following_page(body: JSON, page: int) -> int | None:
    """Return the number of the page after ``page``: from the link where there is one, else from the count of pages."""
    pages = body.get("pages") if isinstance(body, dict) else None
    if not isinstance(pages, dict):
        return None
    link = next_link(pages, "next")
    if link:
        number = query_value(link, "page")
        return int(number) if number and number.isdigit() and int(number) > page else None
    total = str(pages.get("total_pages"))
    return next_page(page, int(total) if total.isdigit() else None)


def _explained(error: Mapping[str, Any]) -> str:
    needed = (error.get("data") or {}).get("required_permissions")
    message = str(error.get("message") or "")
    return f"{message} (needs {needed})" if needed else message
