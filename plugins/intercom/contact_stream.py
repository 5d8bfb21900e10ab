"""How contacts are read: first all of them, side by side by the days of their creation, later what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Conditions, Cursor, Page, Partition
from plugins.base.client import Declined
from plugins.base.lookup import Lookup
from plugins.base.mapping import moment, remote_id, text
from plugins.base.pages import dig
from plugins.base.source import Stream
from plugins.intercom.client import IntercomClient, after, listed, total_of
from plugins.intercom.contacts import names_found, read_contacts
from plugins.intercom.ranges import Range, divide, midnights
from plugins.intercom.selection import Clauses, query_of, where, without_null, words_of

SIZE = 150
# Up to 2.16 the search matches calendar days in the workspace's zone, and its index lags behind by minutes.
DAYS_WIDER = timedelta(days=2)
OVERLAP = timedelta(minutes=10)
SPLIT_FROM = 3_000
# Sixteen partitions run side by side; with fourteen, sixteenths of an even growth need no further cut.
PARTS, LEAST = 14, 1_500
MISSING_MOST = 0.1
# What search does not show yet comes with the next run; what it lacks beyond that is not looked for in vain.
LAGGING, LAGGING_SHARE = 10, 0.001


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

    def plan_selected(self, account: Account, horizon: datetime | None, conditions: Conditions) -> Sequence[Partition]:
        """Searches of those that meet what search can be asked of the conditions; of all, where that saves nothing."""
        for chosen in (tuple, without_null):
            try:
                clauses = chosen(words_of(account, conditions, lambda: zones(account)).clauses)
                return _narrowed(account, clauses) or self.plan(account, None, horizon)
            except Refused as error:
                account.log.warning("contacts are read without conditions, or with fewer: %s", error)
        return self.plan(account, None, horizon)

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at the cursor, which has Intercom's own as ``after``, and one of these, or nothing.

        ``since``: what was changed from then on. ``from`` and ``to``: what was created then and, with ``where``, meets
        conditions. ``missing``: all that the host does not have, which should be so many.
        """
        client = IntercomClient(account)
        if "since" in cursor:
            body = _changed(client, cursor)
        elif "from" in cursor:
            try:
                body = _created(client, cursor)
            except Declined as error:
                if error.status != 400 or "where" not in cursor:
                    raise
                account.log.warning("contacts are read without conditions from here on: %s", error)
                return Page(next=_without_conditions(cursor))
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

    def count_selected(self, account: Account, conditions: Conditions) -> int | None:
        """Return how many contacts search shows that meet conditions, where it can be asked for these very ones."""
        words = words_of(account, conditions, lambda: zones(account))
        return _count_in(IntercomClient(account), EVER, where(words.clauses)) if words.exact else None


def _without_conditions(cursor: Cursor) -> Cursor:
    """Return the beginning of the same days, or of the listing of all."""
    days = {key: cursor[key] for key in ("from", "to")}
    return {} if set(days.values()) == {None} else days


def _partition(part: Range, where: Sequence[JSON] = ()) -> Partition:
    start = {"from": part.start, "to": part.end, **({"where": list(where)} if where else {})}
    return Partition("contact", f"created-{part.start or 0}", start, narrowed=bool(where))


def _ranges(account: Account) -> tuple[list[Range], int]:
    """Return ranges of creation days that hold about as much, and how many contacts they miss.

    There are none where one listing does as well: of few contacts, of an unknown time zone, where search fails.
    """
    client = IntercomClient(account)
    total = _count_all(client)
    ranges = _divided(client, total) if total >= SPLIT_FROM else []
    missing = max(0, total - sum(part.count for part in ranges))
    return ([], 0) if len(ranges) < 2 or missing > total * MISSING_MOST else (ranges, missing)


def _divided(client: IntercomClient, total: int, where: Sequence[JSON] = ()) -> list[Range]:
    """Return ranges of creation days, each counted by itself: what falls between them must not go unnoticed.

    Args:
        client: Asks Intercom.
        total: How many there are to be read.
        where: Conditions that they meet.
    """
    zone = zones(client.account)
    if zone is None:
        return []
    body = client.search_page("/contacts/search", created_in(None, None, where), None, 1, by="created_at")
    first = dig((listed(body, "data") or [None])[0], "created_at")
    if type(first) is not int:
        return []
    last = int(datetime.now(UTC).timestamp())
    most = max(LEAST, total // PARTS)
    whole = Range(None, None, total_of(body))
    ranges = divide(whole, first, last, most, lambda parts: _counts(client, parts, where), midnights(zone))
    return [replace(part, count=held) for part, held in zip(ranges, _counts(client, ranges, where), strict=True)]


def _narrowed(account: Account, clauses: Clauses) -> list[Partition]:
    """Return the searches of those that meet conditions; none where all are read as well.

    Raises:
        Refused: Intercom does not take the conditions.
    """
    client = IntercomClient(account)
    total = _count_all(client) if clauses else 0
    if total <= SIZE:
        return []
    asked = where(clauses)
    shown, found = (_count_in(client, EVER, of) for of in ((), asked))
    if total - shown > max(LAGGING, total * LAGGING_SHARE):
        account.log.warning("contacts are read without conditions: search shows %d of %d", shown, total)
        return []
    ranges = _divided(client, found, asked) if found >= SPLIT_FROM else []
    if not ranges:
        return [replace(_partition(EVER, asked), key="selected")]
    parts = [_partition(part, asked) for part in sorted(ranges, key=lambda part: -part.count)]
    if missing := max(0, found - sum(part.count for part in ranges)):
        rest = _partition(EVER, asked)
        parts.append(replace(rest, key="missing", start={**rest.start, "missing": missing}))
    return parts


def _count_all(client: IntercomClient) -> int:
    return total_of(client.get("/contacts", {"per_page": 1}))


def _count_in(client: IntercomClient, part: Range, where: Sequence[JSON] = ()) -> int:
    query = created_in(part.start, part.end, where)
    return total_of(client.search_page("/contacts/search", query, None, 1, by="created_at"))


def _counts(client: IntercomClient, parts: Sequence[Range], where: Sequence[JSON]) -> list[int]:
    found: list[int] = []
    for counted in client.map(lambda part: _count_in(client, part, where), parts):
        if isinstance(counted, Refused):
            raise counted
        found.append(counted)
    return found


def _zone(account: Account) -> ZoneInfo | None:
    """Return the workspace's time zone as it is now, or None if it is none that is known here."""
    name = text(dig(IntercomClient(account).get("/me"), "app", "timezone"))
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        account.log.warning("contacts are read one after the other: the time zone %r is unknown", name)
        return None


zones: Lookup[ZoneInfo | None] = Lookup(_zone)
EVER = Range(None, None, 0)
ANY_DAY: JSON = {"field": "created_at", "operator": ">", "value": 0}


def created_in(start: int | None, end: int | None, where: Sequence[JSON] = ()) -> JSON:
    """Return the query for what was created from ``start`` on and before ``end``, both first seconds of a day.

    Args:
        start: None for ever.
        end: None for ever.
        where: What must hold besides.

    Up to 2.16, ``>`` begins with the day after the one of its value, and ``<`` ends before the day of its value,
    in the workspace's time zone; from 2.17 on both mean seconds. With these values either means the same.
    """
    bounds: list[JSON] = []
    if start is not None:
        bounds.append({"field": "created_at", "operator": ">", "value": start - 1})
    if end is not None:
        bounds.append({"field": "created_at", "operator": "<", "value": end})
    return query_of(bounds, where) if bounds or where else ANY_DAY


def _created(client: IntercomClient, cursor: Cursor) -> JSON:
    # The time of creation never changes, so no row moves while pages go by.
    query = created_in(cursor["from"], cursor["to"], cursor.get("where", ()))
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
