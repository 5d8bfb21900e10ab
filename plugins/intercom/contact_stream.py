"""How contacts are read: first all of them, side by side by the days of their creation, later what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Cursor, Page, Partition
from plugins.base.mapping import moment, remote_id, text
from plugins.base.pages import dig
from plugins.base.source import Stream
from plugins.intercom.client import IntercomClient, after, listed, total_of
from plugins.intercom.contacts import names_found, read_contacts
from plugins.intercom.ranges import Range, divide, midnights

SIZE = 150
# Up to 2.16 the search matches calendar days in the workspace's zone, and its index lags behind by minutes.
DAYS_WIDER = timedelta(days=2)
OVERLAP = timedelta(minutes=10)
SPLIT_FROM = 3_000
# Sixteen partitions run side by side; with fourteen, sixteenths of an even growth need no further cut.
PARTS, LEAST = 14, 1_500
MISSING_MOST = 0.1


class Contacts(Stream):
    """A first load is split by counting; where search shows fewer than there are, the plain listing adds the rest."""

    object = "contact"

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """One search of what changed; or ranges of days, the fullest first; or one listing of a small workspace."""
        if since is not None:
            return [Partition("contact", "changes", start={"since": int((since - OVERLAP).timestamp())})]
        try:
            ranges, missing = _ranges(account)
        except Refused:
            # The listing meets the same refusal, and tells it.
            ranges, missing = [], 0
        if not ranges:
            return [Partition("contact", "all", start={})]
        found = [_partition(part) for part in sorted(ranges, key=lambda part: -part.count)]
        return [*found, Partition("contact", "missing", start={"missing": missing})] if missing else found

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at the cursor, which has Intercom's own as ``after``, and one of these, or nothing.

        ``since``: what was changed from then on. ``from`` and ``to``: what was created then. ``missing``: all that the
        host does not have, which should be so many.
        """
        client = IntercomClient(account)
        if "since" in cursor:
            body = _changed(client, cursor)
        elif "from" in cursor:
            body = _created(client, cursor)
        else:
            body = _all(client, cursor)
        rows = [row for row in listed(body, "data") if _is_wanted(row, cursor)]
        total, following = body.get("total_count"), after(body)
        if "missing" in cursor:
            rows, total = _without_held(account, rows), cursor["missing"]
        return Page(
            records=read_contacts(client, rows),
            named=names_found(account, rows),
            next=following and {**cursor, "after": following},
            expected=total if "since" not in cursor and isinstance(total, int) else None,
        )

    def count(self, account: Account) -> int | None:
        """Return how many contacts are listed: neither archived nor blocked nor merged."""
        return _count_all(IntercomClient(account))


def _partition(part: Range) -> Partition:
    return Partition("contact", f"created-{part.start or 0}", start={"from": part.start, "to": part.end})


def _ranges(account: Account) -> tuple[list[Range], int]:
    """Return ranges of creation days that hold about as much, and how many contacts they miss.

    There are none where one listing does as well: of few contacts, of an unknown time zone, where search fails.
    """
    client = IntercomClient(account)
    total = _count_all(client)
    zone = _zone(client) if total >= SPLIT_FROM else None
    if zone is None:
        return [], 0
    body = client.search_page("/contacts/search", ANY_DAY, None, 1, by="created_at")
    first = dig((listed(body, "data") or [None])[0], "created_at")
    if type(first) is not int:
        return [], 0
    last = int(datetime.now(UTC).timestamp())
    most = max(LEAST, total // PARTS)
    whole = Range(None, None, total_of(body))
    ranges = divide(whole, first, last, most, lambda parts: _counts(client, parts), midnights(zone))
    # Counted again and each by itself: what falls between them, or is not in the index, must not go unnoticed.
    ranges = [replace(part, count=held) for part, held in zip(ranges, _counts(client, ranges), strict=True)]
    missing = max(0, total - sum(part.count for part in ranges))
    return ([], 0) if len(ranges) == 1 or missing > total * MISSING_MOST else (ranges, missing)


def _count_all(client: IntercomClient) -> int:
    return total_of(client.get("/contacts", {"per_page": 1}))


def _counts(client: IntercomClient, parts: Sequence[Range]) -> list[int]:
    def count(part: Range) -> JSON:
        return client.search_page("/contacts/search", created_in(part.start, part.end), None, 1, by="created_at")

    return [total_of(body) for body in client.map(count, parts)]


def _zone(client: IntercomClient) -> ZoneInfo | None:
    """Return the workspace's time zone as it is now, or None if it is none that is known here."""
    name = text(dig(client.get("/me"), "app", "timezone"))
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        client.account.log.warning("contacts are read one after the other: the time zone %r is unknown", name)
        return None


ANY_DAY: JSON = {"field": "created_at", "operator": ">", "value": 0}


def created_in(start: int | None, end: int | None) -> JSON:
    """Return the query for what was created from ``start`` on and before ``end``, both first seconds of a day.

    Up to 2.16, ``>`` begins with the day after the one of its value, and ``<`` ends before the day of its value,
    in the workspace's time zone; from 2.17 on both mean seconds. With these values either means the same.
    """
    bounds: list[JSON] = []
    if start is not None:
        bounds.append({"field": "created_at", "operator": ">", "value": start - 1})
    if end is not None:
        bounds.append({"field": "created_at", "operator": "<", "value": end})
    if len(bounds) == 2:
        return {"operator": "AND", "value": bounds}
    return bounds[0] if bounds else ANY_DAY


def _created(client: IntercomClient, cursor: Cursor) -> JSON:
    # The time of creation never changes, so no row moves while pages go by.
    query = created_in(cursor["from"], cursor["to"])
    return client.search_page("/contacts/search", query, cursor.get("after"), SIZE, by="created_at")


def _changed(client: IntercomClient, cursor: Cursor) -> JSON:
    value = cursor["since"] - int(DAYS_WIDER.total_seconds())
    query = {"field": "updated_at", "operator": ">", "value": value}
    return client.search_page("/contacts/search", query, cursor.get("after"), SIZE)


def _all(client: IntercomClient, cursor: Cursor) -> JSON:
    position = {"starting_after": cursor["after"]} if cursor.get("after") else {}
    return client.read_page(
        lambda size: client.get("/contacts", {"per_page": size, **position}), SIZE, cursor.get("after")
    )


def _is_wanted(row: Any, cursor: Cursor) -> bool:
    """Tell whether a row belongs to the cursor's part; what has no time belongs to each, and is refused there."""
    if "since" in cursor:
        updated = dig(row, "updated_at")
        return type(updated) is not int or bool(updated >= cursor["since"])
    created = dig(row, "created_at")
    start, end = cursor.get("from"), cursor.get("to")
    if type(created) is not int:
        return True
    return (start is None or created >= start) and (end is None or created < end)


def _without_held(account: Account, rows: Sequence[Any]) -> list[Any]:
    versions: dict[str, datetime] = {}
    for row in rows:
        try:
            key, updated = remote_id(dig(row, "id")), moment(dig(row, "updated_at"))
        except ValueError:
            continue
        if key and updated:
            versions[key] = updated
    held = account.known("contact", versions)
    return [row for row in rows if str(dig(row, "id")) not in held]
