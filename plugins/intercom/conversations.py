"""Conversations: found by search, read one by one with all their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.contract.types import Account, Cursor, Page, Partition, Record, Ref, Refusal
from plugins.base.mapping import map_each, own_id, remote_id
from plugins.intercom import lookups
from plugins.intercom.activities import ConversationMapper, is_closed, version
from plugins.intercom.client import IntercomClient, after, following_page, listed
from plugins.intercom.details import read_each
from plugins.intercom.windows import OVERLAP, Windows, in_window

DELETED = "deleted"
DELETED_SIZE = 60
FOREVER = 253_402_300_799


class Conversations(Windows):
    """By windows of their last change; those deleted by a list of their own."""

    object = "conversation"
    path = "/conversations/search"
    names = ("conversations", "data")
    # Each row costs a request of its own, and a conversation may have 500 parts.
    size = 75

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Windows, and the list of the deleted as far back as there is something to delete."""
        until = horizon if since is None else since - OVERLAP
        start = {"page": 1, "until": 0 if until is None else int(until.timestamp())}
        return [*super().plan(account, since, horizon), Partition(self.object, DELETED, start=start)]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at the cursor: of a window with Intercom's cursor as ``after``, or of the deleted."""
        if partition.key == DELETED:
            return _deleted(account, cursor)
        client = IntercomClient(account)
        body = self.search(client, cursor)
        rows = [row for row in listed(body, *self.names) if in_window(row, cursor)]
        sketches = map_each(self.object, rows, _sketch)
        held = _held(account, cursor, rows, sketches)
        wanted = [
            sketch.remote_id for sketch in sketches if isinstance(sketch, Record) and sketch.remote_id not in held
        ]
        records, deleted = read_conversations(client, list(dict.fromkeys(wanted)))
        total, following = body.get("total_count"), after(body)
        return Page(
            records=[*records, *(sketch for sketch in sketches if isinstance(sketch, Refusal))],
            next=following and {**cursor, "after": following},
            unchanged={self.object: len(held)} if held else {},
            named={self.object: lookups.names(account).found} if records else {},
            deleted=deleted,
            expected=total if isinstance(total, int) else None,
        )


def _sketch(row: dict[str, Any]) -> Record:
    """Map what a search tells of a conversation: when it changed."""
    return Record("conversation", own_id(row), version(row))


def _held(
    account: Account, cursor: Cursor, rows: Sequence[Any], sketches: Sequence[Record | Refusal]
) -> frozenset[str]:
    """Return which conversations need not be read, because the host has them as they are."""
    if cursor.get("before") is not None:
        # It has them without their older parts.
        return frozenset()
    fresh = datetime.fromtimestamp(cursor.get("fresh", FOREVER), UTC)
    versions: dict[str, datetime] = {}
    for row, sketch in zip(rows, sketches, strict=True):
        if isinstance(sketch, Refusal) or (cursor.get("again") and not is_closed(row)):
            continue
        if sketch.updated_at is not None and sketch.updated_at < fresh:
            versions[sketch.remote_id] = sketch.updated_at
    return account.known("conversation", versions)


def read_conversations(client: IntercomClient, ids: Sequence[str]) -> tuple[list[Record | Refusal], list[Ref]]:
    """Fetch conversations side by side; those that are gone are told apart from those that Intercom refuses."""
    return read_each(client, "conversation", "/conversations/{}", ids, ConversationMapper(client.account))


def _deleted(account: Account, cursor: Cursor) -> Page:
    """Read a page of the deleted, newest first, at ``{"page": number, "until": unix seconds}``.

    Intercom API 2.16, /conversations/deleted. An app that may not read it has webhooks only.
    """
    query = {"page": cursor["page"], "per_page": DELETED_SIZE, "order": "desc"}
    body = IntercomClient(account).get_if_allowed("/conversations/deleted", query)
    rows = [] if body is None else [row for row in listed(body, "conversations", "data") if isinstance(row, dict)]
    news = [row for row in rows if _deleted_at(row) >= cursor["until"]]
    following = following_page(body, cursor["page"]) if news and len(news) == len(rows) else None
    return Page(
        next=following and {**cursor, "page": following},
        deleted=[Ref("conversation", key) for row in news if (key := remote_id(row.get("id")))],
        expected=0,
    )


def _deleted_at(row: Mapping[str, Any]) -> float:
    at = row.get("deleted_at")
    return at if type(at) is int else FOREVER
