"""Companies become organizations."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from core.contract.errors import Restart, Retry
from core.contract.types import Account, Cursor, Page, Partition, Record
from plugins.base.client import Declined, NotFound, Unavailable
from plugins.base.mapping import map_each, record, text
from plugins.base.pages import next_cursor
from plugins.base.source import Stream
from plugins.intercom.client import IntercomClient, listed
from plugins.intercom.contacts import add_custom, named, nested

PLAIN = ("company_id", "monthly_spend", "session_count", "user_count", "last_request_at", "remote_created_at")
# A scroll dies after an idle minute, and cannot be closed (Intercom API 2.16, /companies/scroll).
SCROLL_LIVES = 60.0

_scrolled: dict[tuple[str, str], float] = {}
"""When this process last used a scroll, by API and workspace: until it dies nobody can begin another one."""


class Companies(Stream):
    """All companies each time, by scroll: they cannot be listed by change, and other lists end at 10,000.

    Intercom does not count them: what its lists count leaves out companies without people.
    """

    object = "company"

    def plan(self, account: Account, since: Any, horizon: Any) -> list[Partition]:
        """One partition: a workspace may have one scroll, whose pages must be read without a pause."""
        return [Partition("company", "scroll", start={}, unbroken=True)]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at ``{"scroll": Intercom's handle or absent, "empty": the page before had no rows}``.

        An empty page is not always the end: the scroll is over when the next one is empty too, or gone.
        """
        client = IntercomClient(account)
        scroll, empty = cursor.get("scroll"), cursor.get("empty", False)
        try:
            body = _page(client, scroll)
        except NotFound:
            if empty:
                return Page()
            if scroll:
                raise Restart("Intercom's scroll of companies has expired") from None
            raise
        rows = listed(body, "data")
        handle = next_cursor(body, "scroll_param") or scroll
        ended = not handle or (empty and not rows)
        return Page(
            records=map_each("company", rows, map_company),
            next=None if ended else {"scroll": handle, "empty": not rows},
        )


def _page(client: IntercomClient, scroll: str | None) -> Any:
    # Asking again might skip a page: the scroll may have moved on although its answer was lost.
    client.attempts = 1
    workspace = (client.base_url, client.account.remote_id)
    try:
        body = client.get("/companies/scroll", {"scroll_param": scroll} if scroll else None)
        _scrolled[workspace] = time.monotonic()
        return body
    except Unavailable as error:
        if scroll and error.status != 429:
            raise Restart(f"Intercom's scroll of companies broke: {error}") from None
        raise
    except Declined as error:
        if error.code == "scroll_exists" or "scroll already exists" in str(error):
            left = _scrolled.get(workspace, -SCROLL_LIVES) + SCROLL_LIVES - time.monotonic()
            # Without one of our own it is another's, which may have been used just now.
            after = left if left > 0 else SCROLL_LIVES
            raise Retry("Companies are read once at a time, and an earlier reading is not over", after=after) from None
        raise


def map_company(company: dict[str, Any]) -> Record:
    """Map one company. Intercom leaves out fields without a value."""
    get = company.get
    website = text(get("website"))
    fields = {key: get(key) for key in PLAIN}
    fields["plan"] = nested(company, "plan").get("name")
    fields["segments"] = list(named(nested(company, "segments").get("segments") or (), {}) or ())
    add_custom(fields, company)
    tags = nested(company, "tags")
    return record(
        "company",
        company,
        values={
            "name": get("name"),
            "domain": domain_of(website),
            "website": website,
            "industry": get("industry"),
            "employees": get("size"),
        },
        fields=fields,
        tags=named(tags.get("tags") or tags.get("data") or (), {}),
    )


def domain_of(website: str | None) -> str | None:
    """Return the host of a website, without ``www.``; None where there is none that looks like one."""
    if not website:
        return None
    try:
        host = urlsplit(website if "//" in website else f"//{website}").hostname or ""
    except ValueError:
        return None
    host = host.removeprefix("www.")
    return host if "." in host else None
