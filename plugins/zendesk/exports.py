"""Incremental exports: all that was changed since a moment, oldest change first, the deleted among it.

Zendesk API: incremental exports. Ten requests a minute; a request sees nothing of the last minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from core.contract.errors import Refused, Retry
from core.contract.types import Account, Cursor, Page, Partition
from plugins.base.pages import next_cursor
from plugins.base.source import Stream
from plugins.zendesk.client import ZendeskClient, listed

OVERLAP = timedelta(minutes=10)


class Export(Stream):
    """One export in one partition: its order lets no two read it side by side.

    Attributes:
        path: Of the export.
        name: Of its rows.
        size: Rows of a page; Zendesk gives 1,000 at most.
    """

    path: str
    name: str
    size = 1_000

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Begin a little before ``since``, which Zendesk may not have seen then."""
        return [Partition(self.object, start={"start": int((since - OVERLAP).timestamp()) if since else 0})]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at ``{"start": unix seconds}`` or ``{"after": Zendesk's cursor}``."""
        after = cursor.get("after")
        position = {"cursor": after} if after else {"start_time": cursor["start"]}
        client = ZendeskClient(account)
        body = client.page(self.path, {**position, "per_page": self.size}, resumes=bool(after))
        following = None
        if body.get("end_of_stream") is not True:
            following = self.following(body, cursor)
        return self.page(client, listed(body, self.name), following)

    def following(self, body: dict[str, Any], cursor: Cursor) -> Cursor:
        """Return where a page that is not the last one goes on."""
        after = next_cursor(body, "after_cursor")
        if not after:
            raise Retry(f"Zendesk answered {self.path} without after_cursor")
        return {"after": after}

    def page(self, client: ZendeskClient, rows: list[Any], following: Cursor | None) -> Page:
        """Map the rows of a page."""
        raise NotImplementedError


class TimedExport(Export):
    """An export without cursors: the next page begins with the last second of this one, whose rows come again."""

    def following(self, body: dict[str, Any], cursor: Cursor) -> Cursor:
        """Return the second that the next page begins with."""
        end = body.get("end_time")
        if type(end) is not int:
            raise Retry(f"Zendesk answered {self.path} without end_time")
        if end <= cursor["start"]:
            raise Refused(f"Zendesk's export {self.path} does not go on after second {end}: too much changed in it")
        return {"start": end}
