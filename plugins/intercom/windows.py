"""What is found by a search for when it changed last: conversations and tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Cursor, Partition
from plugins.base.source import Stream
from plugins.intercom.client import IntercomClient, listed, total_of
from plugins.intercom.ranges import Range, any_second, divide

# Search shows a change only after some minutes (Intercom API 2.16).
OVERLAP = timedelta(minutes=5)
DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=90)
JUST_NOW = timedelta(hours=1)
PARTS = 24
LEAST, MOST = 300, 5_000


class Windows(Stream):
    """By windows of the last change, each oldest change first; the last window is open and takes in what changes now.

    A search may show a change late, and some changes move no time at all (a rating, statistics; conversations were seen
    to stay open for ever in other tools). So the first run of each day looks at the last 90 days again.

    Attributes:
        path: Of the search.
        names: Where its answer holds the rows.
        size: Rows of a page.
    """

    path: str
    names: tuple[str, ...]
    size: int

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Split what was changed since the last run, or ever, into windows of about as much, 5,000 at most."""
        now = datetime.now(UTC)
        start, again = horizon or datetime.fromtimestamp(0, UTC), False
        if since is not None:
            again = since.astimezone(UTC).date() < now.date()
            start = max(start, min(since - OVERLAP, now - LOOK_BACK) if again else since - OVERLAP)
        whole = Range(int(start.timestamp()), None, 0)
        long = since is None or now - start > DAY
        ranges = self._divided(account, whole, int(now.timestamp())) if long else [whole]
        fresh = int((since or now - JUST_NOW).timestamp()) - 1
        return [self._partition(part, fresh, again) for part in ranges]

    def plan_past(self, account: Account, horizon: datetime | None, until: datetime) -> Sequence[Partition]:
        """Split what was created before ``until`` and changed since ``horizon`` into windows likewise."""
        whole = Range(0 if horizon is None else max(0, int(horizon.timestamp())), None, 0)
        before = int(until.timestamp()) + 1
        ranges = self._divided(account, whole, int(datetime.now(UTC).timestamp()), before)
        bounds = [{"from": part.start, "to": part.end, "before": before} for part in ranges]
        return [Partition(self.object, f"past-{start['from']}", start=start) for start in bounds]

    def _partition(self, part: Range, fresh: int, again: bool) -> Partition:
        """Return the partition of a range.

        Args:
            part: The range.
            fresh: What was changed from then on (unix seconds) is read even if the host holds it: within one second it
                may have changed again after it was read.
            again: What is not finished is read even if the host holds it.
        """
        start = {"from": part.start, "to": part.end, "fresh": fresh, "again": again}
        return Partition(self.object, f"{part.start}", start=start)

    def _divided(self, account: Account, whole: Range, now: int, before: int | None = None) -> list[Range]:
        """Cut a range into parts that can be read side by side; it stays whole where nothing is told of it."""
        client = IntercomClient(account)
        try:
            body = self.search(client, {"from": whole.start, "to": None, "before": before}, 1)
            rows, total = listed(body, *self.names), body.get("total_count")
            first = rows[0].get("updated_at") if rows else None
            if type(first) is not int or type(total) is not int:
                return [whole]
            counted = Range(max(first, whole.start or 0), None, total)
            most = min(MOST, max(LEAST, total // PARTS))
            return divide(counted, first, now, most, lambda parts: self._counts(client, parts, before), any_second)
        except (Refused, AttributeError):
            # The partition meets the same refusal, and tells it.
            return [whole]

    def _counts(self, client: IntercomClient, parts: Sequence[Range], before: int | None) -> list[int]:
        bounds = [{"from": part.start, "to": part.end, "before": before} for part in parts]
        counted = client.map(lambda each: self.search(client, each, 1), bounds)
        return [total_of(body) for body in counted]

    def search(self, client: IntercomClient, cursor: Cursor, size: int | None = None) -> JSON:
        """Search what was changed in the cursor's window and, if that says so, created ``before`` a moment.

        Intercom describes ``>`` and ``<`` as "or equal" too: the bounds are right either way, :func:`in_window` is
        exact.
        """
        query: JSON = {"field": "updated_at", "operator": ">", "value": max(0, cursor["from"] - 1)}
        ends = [("updated_at", cursor["to"]), ("created_at", cursor.get("before"))]
        bounds = [{"field": name, "operator": "<", "value": end} for name, end in ends if end is not None]
        if bounds:
            query = {"operator": "AND", "value": [query, *bounds]}
        return client.search_page(self.path, query, cursor.get("after"), size or self.size)

    def count(self, account: Account) -> int | None:
        """Return how many there are, however old."""
        return total_of(self.search(IntercomClient(account), {"from": 0, "to": None}, 1))


def in_window(row: JSON, cursor: Cursor) -> bool:
    """Tell whether a row belongs to the cursor's window and to no other."""
    updated = row.get("updated_at") if isinstance(row, dict) else None
    if not isinstance(updated, int):
        return True
    return bool(cursor["from"] <= updated and (cursor["to"] is None or updated < cursor["to"]))
