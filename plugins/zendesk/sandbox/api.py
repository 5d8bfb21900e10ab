"""The API: exports, lists by cursor, rows by id, and consent."""

from __future__ import annotations

import base64
import binascii
import threading
import time
from datetime import datetime
from typing import Any

from flask import Flask, Response, abort, redirect, request

from core.contract.types import SandboxOptions
from plugins.base.sandbox import TokenOffice
from plugins.zendesk.sandbox.data import Data, Row

MOST = 1_000
LISTS = ("users", "groups", "group_memberships", "user_fields", "organization_fields", "ticket_fields")
HELP = ("articles", "sections", "categories")


class Limit:
    """So many requests in each minute."""

    def __init__(self, rpm: int) -> None:
        self._rpm, self._minute, self._used = rpm, 0, 0
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int]:
        """Count a request; return how many are left, below 0 for one too many, and the seconds to the next minute."""
        now = int(time.time())
        with self._lock:
            if now // 60 != self._minute:
                self._minute, self._used = now // 60, 0
            self._used += 1
            return self._rpm - self._used, 60 - now % 60


def make_app(data: Data, options: SandboxOptions, basic: str, office: TokenOffice) -> Flask:
    """Return the API.

    Args:
        data: What it serves.
        options: Its speed.
        basic: A header ``Authorization`` that is let in.
        office: Gives out the access tokens that are let in as well.
    """
    app = Flask(__name__)
    limit = Limit(options.rpm)

    @app.before_request
    def check() -> Any:
        if not request.path.startswith("/api/"):
            return None
        time.sleep(options.latency_ms / 1000)
        authorization = request.headers.get("Authorization")
        if authorization != basic and not office.accepts(authorization):
            return {"error": "Couldn't authenticate you"}, 401
        left, wait = limit.take()
        request.environ["sandbox.rate"] = {
            "X-Rate-Limit": str(options.rpm), "X-Rate-Limit-Remaining": str(max(0, left)), "ratelimit-reset": str(wait)
        }  # fmt: skip
        if left < 0:
            return {"error": "APIRateLimitExceeded"}, 429, {"Retry-After": str(wait)}
        return None

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers.update(request.environ.get("sandbox.rate", {}))
        return response

    @app.errorhandler(404)
    def missing(error: Exception) -> Any:
        return {"error": "RecordNotFound", "description": "Not found"}, 404

    @app.get("/api/v2/users/me.json")
    def me() -> Any:
        return {"user": next(row for row in data.rows["users"].values() if row["role"] == "admin")}

    @app.get("/api/v2/incremental/<any(users, tickets):kind>/cursor.json")
    def export(kind: str) -> Any:
        size = min(MOST, int(request.args.get("per_page", MOST)))
        after = _opened(request.args["cursor"]) if "cursor" in request.args else None
        start = _cursor_key(after) if after else (float(request.args["start_time"]), -1)
        rows = _by_change(data.rows[kind])
        found = [row for row in rows if _key(row) > start]
        page = found[:size]
        last = page[-1] if page else None
        cursor = _sealed(f"{_key(last)[0]}|{last['id']}") if last else request.args.get("cursor")
        return {kind: page, "after_cursor": cursor, "end_of_stream": len(found) <= size}

    @app.get("/api/v2/incremental/organizations.json")
    def organizations() -> Any:
        size = min(MOST, int(request.args.get("per_page", MOST)))
        start = float(request.args["start_time"])
        found = [row for row in _by_change(data.rows["organizations"]) if _key(row)[0] >= start]
        page = found[:size]
        # Rows of one second are never parted.
        page += [row for row in found[size:] if _key(row)[0] == _key(page[-1])[0]]
        end = int(_key(page[-1])[0]) if page else None
        return {"organizations": page, "end_time": end, "end_of_stream": len(page) == len(found)}

    @app.get("/api/v2/<any(users, organizations):kind>/count.json")
    def count(kind: str) -> Any:
        return {"count": {"value": len(_listed(data, kind)), "refreshed_at": None}}

    @app.get("/api/v2/<any(users, tickets, organizations):kind>/show_many.json")
    def show_many(kind: str) -> Any:
        rows = data.rows[kind]
        return {kind: [rows[key] for key in map(int, request.args["ids"].split(",")) if key in rows]}

    @app.get("/api/v2/tickets/<int:key>/audits.json")
    def audits(key: int) -> Any:
        return _page("audits", data.audits.get(key) or abort(404))

    @app.get("/api/v2/<kind>.json")
    def listing(kind: str) -> Any:
        return _page(kind, _listed(data, kind)) if kind in LISTS else abort(404)

    @app.get("/api/v2/help_center/<kind>.json")
    def help_center(kind: str) -> Any:
        return _page(kind, list(data.rows[kind].values())) if kind in HELP else abort(404)

    @app.get("/api/v2/help_center/<any(articles, sections, categories):kind>/<int:key>.json")
    def help_page(kind: str, key: int) -> Any:
        return {kind.removesuffix("s"): data.rows[kind].get(key) or abort(404)}

    @app.get("/oauth/authorizations/new")
    def authorize() -> Any:
        return redirect(office.consent(request.args))

    @app.post("/oauth/tokens")
    def exchange() -> Any:
        return office.token(request.form)

    return app


def _listed(data: Data, kind: str) -> list[Row]:
    roles = request.args.getlist("role[]") or request.args.getlist("role")
    rows = data.rows[kind].values()
    return [row for row in rows if (not roles or row["role"] in roles) and row.get("active", True)]


def _by_change(rows: dict[int, Row]) -> list[Row]:
    return sorted(rows.values(), key=_key)


def _key(row: Row) -> tuple[float, int]:
    return datetime.fromisoformat(row["updated_at"]).timestamp(), row["id"]


def _cursor_key(text: str) -> tuple[float, int]:
    at, _, id = text.partition("|")
    return float(at), int(id)


def _page(name: str, rows: list[Row]) -> Any:
    """Return the page of a list that ``page[size]`` and ``page[after]`` ask for."""
    size = min(100, int(request.args.get("page[size]", 100)))
    start = int(_opened(request.args["page[after]"])) if "page[after]" in request.args else 0
    page, more = rows[start : start + size], len(rows) > start + size
    return {name: page, "meta": {"has_more": more, "after_cursor": _sealed(str(start + size)) if more else None}}


def _sealed(text: str) -> str:
    return base64.urlsafe_b64encode(f"place:{text}".encode()).decode()


def _opened(cursor: str) -> str:
    """Return what a cursor says; one that was never given out is a bad request."""
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    if not text.startswith("place:"):
        abort(Response('{"error": "InvalidCursor"}', 400, mimetype="application/json"))
    return text.removeprefix("place:")
