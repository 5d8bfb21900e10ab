"""An Intercom whose lists of contacts cost next to nothing: each contact is written out once, before it is asked for.

So what is measured is who reads, not who answers. Everything but the lists is the sandbox's own.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from plugins.intercom.sandbox import Sandbox
from plugins.intercom.sandbox.render import contact

DAY = 86_400
Range = tuple[int, int]


class Prerendered:
    """WSGI middleware around a sandbox.

    Args:
        sandbox: Whose contacts; they must not change.
        latency: Seconds that every answer takes.
        zone: What the workspace calls its time zone. Days are those of UTC; where it names no zone, nobody can tell its
            days, and one cursor reads them all.
    """

    def __init__(self, sandbox: Sandbox, latency: float, zone: str = "UTC") -> None:
        sandbox.store.zone = zone
        self._app: Callable[..., Iterable[bytes]] = sandbox.app.wsgi_app
        self._latency = latency
        self._created = [record.fields["created_at"] for record in sandbox.store.contacts]
        self._rows = [orjson.dumps(contact(record)) for record in sandbox.store.contacts]

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        route = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if route[1].startswith("/_sandbox"):
            return self._app(environ, start)
        time.sleep(self._latency)
        if route == ("GET", "/contacts"):
            query = dict(parse_qsl(environ["QUERY_STRING"]))
            return self._page(start, (0, len(self._rows)), int(query["per_page"]), query.get("starting_after"))
        if route == ("POST", "/contacts/search"):
            body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            paging = body["pagination"]
            return self._page(start, self._range(body["query"]), paging["per_page"], paging.get("starting_after"))
        return self._app(environ, start)

    def _range(self, query: Any) -> Range:
        low, high = 0, len(self._rows)
        for bound in query["value"] if query["operator"] == "AND" else [query]:
            day = bound["value"] // DAY * DAY
            if bound["operator"] == ">":
                low = bisect_left(self._created, day + DAY) if bound["value"] else 0
            else:
                high = bisect_left(self._created, day)
        return low, max(low, high)

    def _page(self, start: Callable[..., Any], range: Range, size: int, after: str | None) -> Iterable[bytes]:
        first = int(after or range[0])
        end = min(first + size, range[1])
        pages = {"type": "pages", "next": {"starting_after": str(end)} if end < range[1] else None}
        tail = json.dumps({"total_count": range[1] - range[0], "pages": pages})[1:].encode()
        body = b'{"type":"list","data":[%b],%b' % (b",".join(self._rows[first:end]), tail)
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
