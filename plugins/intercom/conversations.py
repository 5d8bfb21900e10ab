"""Conversations: found by search, read one by one with all their parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Cursor, Page, Partition, Record, Ref, Refusal
from plugins.base.client import Declined, NotFound, Unavailable
from plugins.base.mapping import map_each, moment, own_id
from plugins.base.source import Stream
from plugins.intercom.activities import ConversationMapper
from plugins.intercom.client import IntercomClient, after, listed

# Each row costs a request of its own, and a conversation may have 500 parts.
SIZE = 75
WINDOW = timedelta(days=7)
MOST_WINDOWS = 150
OVERLAP = timedelta(minutes=5)
FORBIDDEN = (401, 402, 403)
FEW = 3


class Conversations(Stream):
    """By windows of their last change, oldest change first."""

    object = "conversation"

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Weeks up to now, the last one open; or one open window from the last run on."""
        if since is not None:
            start = since - OVERLAP
            return [window("conversation", max(start, horizon) if horizon else start, None)]
        floor = horizon or datetime.fromtimestamp(0, UTC)
        first = _oldest(account, floor)
        if first is None:
            return [window("conversation", floor, None)]
        now = datetime.now(UTC)
        return windows("conversation", first, now, max(WINDOW, (now - first) / MOST_WINDOWS))

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at ``{"from", "to": unix seconds or null, "after": Intercom's cursor or absent}``."""
        client = IntercomClient(account)
        body = search_window(client, "/conversations/search", cursor, SIZE)
        rows = [row for row in listed(body, "conversations", "data") if in_window(row, cursor)]
        sketches = map_each("conversation", rows, _sketch)
        versions = {sketch.remote_id: sketch.updated_at for sketch in sketches if isinstance(sketch, Record)}
        held = account.known("conversation", {key: at for key, at in versions.items() if at is not None})
        records, deleted = read_conversations(client, [key for key in versions if key not in held])
        total, following = body.get("total_count"), after(body)
        return Page(
            records=[*records, *(sketch for sketch in sketches if isinstance(sketch, Refusal))],
            next=following and {**cursor, "after": following},
            unchanged={"conversation": len(held)} if held else {},
            deleted=deleted,
            expected=total if isinstance(total, int) else None,
        )


def _oldest(account: Account, floor: datetime) -> datetime | None:
    """Return the first change of a conversation since ``floor``; None when there is none or it cannot be told."""
    everything = window("conversation", floor, None).start
    try:
        body = search_window(IntercomClient(account), "/conversations/search", everything, 1)
        rows = listed(body, "conversations", "data")
        return moment(rows[0].get("updated_at")) if rows else None
    except (Refused, ValueError, AttributeError):
        # The partition meets the same refusal, and tells it.
        return None


def window(object: str, start: datetime, end: datetime | None) -> Partition:
    """Return the partition of what was changed from ``start`` on and before ``end``."""
    first, last = int(start.timestamp()), None if end is None else int(end.timestamp())
    return Partition(object, f"{start:%Y-%m-%d}", start={"from": first, "to": last})


def windows(object: str, start: datetime, now: datetime, width: timedelta) -> list[Partition]:
    """Split the time from ``start`` on; the last window is open and takes in what changes during the run."""
    found = []
    while start + width < now:
        found.append(window(object, start, start + width))
        start += width
    return [*found, window(object, start, None)]


def search_window(client: IntercomClient, path: str, cursor: Cursor, size: int) -> JSON:
    """Search what was changed in the cursor's window.

    Intercom describes ``>`` and ``<`` as "or equal" too: the bounds are right either way, :func:`in_window` is exact.
    """
    query: JSON = {"field": "updated_at", "operator": ">", "value": max(0, cursor["from"] - 1)}
    if cursor["to"] is not None:
        query = {"operator": "AND", "value": [query, {"field": "updated_at", "operator": "<", "value": cursor["to"]}]}
    return client.search_page(path, query, cursor.get("after"), size)


def in_window(row: JSON, cursor: Cursor) -> bool:
    """Tell whether a row belongs to the cursor's window and to no other."""
    updated = row.get("updated_at") if isinstance(row, dict) else None
    if not isinstance(updated, int):
        return True
    return bool(cursor["from"] <= updated and (cursor["to"] is None or updated < cursor["to"]))


def _sketch(row: dict[str, Any]) -> Record:
    """Map what a search tells of a conversation: when it changed."""
    return Record("conversation", own_id(row), moment(row.get("updated_at"), "updated_at"))


def read_conversations(client: IntercomClient, ids: Sequence[str]) -> tuple[list[Record | Refusal], list[Ref]]:
    """Fetch conversations side by side; those that are gone are told apart from those that Intercom refuses."""
    return read_each(client, "conversation", "/conversations/{}", ids, ConversationMapper(client.account))


def read_each(
    client: IntercomClient, object: str, path: str, ids: Sequence[str], mapper: Callable[[Any], Record]
) -> tuple[list[Record | Refusal], list[Ref]]:
    """Fetch objects by id, side by side, and map them.

    Returns:
        Records and refusals, and what Intercom no longer has.

    Raises:
        Declined: The app's scopes or the plan forbid them all.
        Retry: Intercom cannot answer now.
    """
    found: list[JSON] = []
    refused: dict[str, Refused | Unavailable] = {}
    deleted: list[Ref] = []
    outcomes = client.map(lambda key: _fetch(client, path.format(quote(key, safe=""))), ids)
    for key, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            deleted.append(Ref(object, key))
        elif isinstance(outcome, Declined) and outcome.status in FORBIDDEN:
            raise outcome
        elif isinstance(outcome, Refused | Unavailable):
            refused[key] = outcome
        else:
            found.append(outcome)
    _check_alive(client, [error for error in refused.values() if isinstance(error, Unavailable)])
    refusals = [Refusal(object, key, str(error)) for key, error in refused.items()]
    return [*map_each(object, found, mapper), *refusals], deleted


def _fetch(client: IntercomClient, path: str) -> JSON:
    """Return the object, or the error where Intercom stumbles over it: that may be the object's own fault."""
    try:
        return client.get(path)
    except Unavailable as error:
        if error.status < 500:
            raise
        return error


def _check_alive(client: IntercomClient, errors: Sequence[Unavailable]) -> None:
    """Tell a few objects that Intercom cannot serve, which must not hold up the others, from an outage.

    Raises:
        Retry: It is an outage.
    """
    if len(errors) > FEW:
        raise errors[0]
    if errors:
        client.get("/me")
