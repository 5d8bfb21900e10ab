"""What happens to every API request before its endpoint: writes refused, token, limit, version, scope, faults."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, g, request

from plugins.intercom.sandbox.errors import ApiError, bad_version, plan_restricted, unauthorized
from plugins.intercom.sandbox.limits import Limiter
from plugins.intercom.sandbox.store import Store

Version = tuple[int, int]
CURRENT: Version = (2, 16)
VERSIONS = {(1, minor) for minor in range(5)} | {(2, minor) for minor in range(17)}
READING_POSTS = re.compile(
    r"/(contacts/search|conversations/search|tickets/search|companies/list|companies/search|admins/activity_logs/search"
    r"|auth/eagle/token|auth/uninstall)/?"
)
OUTSIDE = ("/_sandbox", "/oauth", "/auth/eagle/token", "/a/")
SCOPES = {
    "contacts": "contacts", "segments": "contacts", "subscription_types": "contacts", "data_attributes": "contacts",
    "companies": "companies", "conversations": "conversations", "tickets": "tickets", "ticket_types": "tickets",
    "ticket_states": "tickets", "articles": "articles", "help_center": "articles", "admins": "admins",
    "teams": "admins", "away_status_reasons": "admins", "tags": "tags",
}  # fmt: skip
FAILURES = {
    "500": (500, "server_error", "An internal error has occurred, please try again later"),
    "502": (502, "server_error", "Bad gateway"),
    "503": (503, "service_unavailable", "Sorry, the API service is temporarily unavailable"),
    "504": (504, "server_error", "Gateway timeout"),
    "408": (408, "request_timeout", "Request took too long to process"),
}


class Gate:
    """Checks one request after another; puts the API version into `flask.g.version`."""

    def __init__(self, store: Store, limiter: Limiter) -> None:
        self.store, self.limiter = store, limiter

    def check(self) -> Response | None:
        """Raises ApiError for whatever Intercom refuses before it looks at the endpoint."""
        self._refuse_writes()
        if request.path.startswith(OUTSIDE):
            return None
        self._count()
        self._authenticate()
        g.rate_headers, refusal = self.limiter.take()
        if refusal is not None:
            raise refusal
        self._fail()
        g.version = self._version()
        self._permit()
        return None

    def finish(self, response: Response) -> Response:
        for name, value in getattr(g, "rate_headers", {}).items():
            response.headers[name] = value
        if not request.path.startswith("/_sandbox"):
            with self.store.lock:
                self.store.statuses[response.status_code] += 1
                self.store.recent.append(
                    {"at": self.store.clock.now(), "method": request.method, "path": request.full_path.rstrip("?"),
                     "status": response.status_code}
                )  # fmt: skip
        return response

    def _refuse_writes(self) -> None:
        """The promise that the connector only reads: whatever could write is refused and remembered."""
        if request.method in ("GET", "HEAD", "OPTIONS") or request.path.startswith("/_sandbox"):
            return
        if request.method == "POST" and READING_POSTS.fullmatch(request.path):
            return
        entry = {"method": request.method, "path": request.path, "at": self.store.clock.seconds()}
        with self.store.lock:
            self.store.writes.append(entry)
        raise ApiError(403, "forbidden", "This sandbox refuses every request that writes")

    def _count(self) -> None:
        with self.store.lock:
            self.store.api_requests += 1
            self.store.requests[f"{request.method} {_pattern(request.path)}"] += 1
            if self.store.faults.revoke_at is not None and self.store.api_requests >= self.store.faults.revoke_at:
                self.store.faults.revoke_at = None
                self.store.revoke_token()

    def _authenticate(self) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("missing_authorization")
        if token not in self.store.tokens:
            raise unauthorized(self.store.dead_tokens.get(token, "unauthorized"))

    def _fail(self) -> None:
        faults = self.store.faults
        if faults.strikes("429"):
            raise self.limiter.refusal(g.rate_headers)
        for name, (status, code, message) in FAILURES.items():
            if faults.strikes(name):
                raise ApiError(status, code, message)

    def _version(self) -> Version:
        named = request.headers.get("Intercom-Version") or self.store.hub_version
        if named.lower() in ("preview", "unstable"):
            return (99, 0)
        match = re.fullmatch(r"(\d+)\.(\d+)", named)
        version = (int(match[1]), int(match[2])) if match else None
        if version is None or version not in VERSIONS:
            raise bad_version("The requested version could not be found")
        return version

    def _permit(self) -> None:
        scope = SCOPES.get(request.path.split("/")[1])
        faults = self.store.faults
        if scope in faults.unauthorized:
            raise unauthorized()
        if scope in faults.forbidden:
            needed: dict[str, Any] = {"required_permissions": [f"read_{scope}"]}
            raise ApiError(403, "action_forbidden", "Your token has not the scope for this", data=needed)
        if scope == "conversations" and "plan" in faults.flags:
            raise plan_restricted()


def require_version(least: Version) -> None:
    """Raises ApiError 400 for endpoints that the version asked for does not have."""
    if g.version < least:
        raise bad_version("Requested resource is not available in current API version.")


def _pattern(path: str) -> str:
    """A path with ids replaced, so that requests can be counted by endpoint."""
    return re.sub(r"/(?:[0-9a-f]{24}|\d+)(?=/|$)", "/{id}", path)
