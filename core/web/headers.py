"""What every response says about itself to the browser, and the addresses of static files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
DAY = 24 * 3600
YEAR = 365 * DAY


class _Sessions(SecureCookieSessionInterface):
    """Sessions whose cookie is renewed with every page, but never with a file that caches may keep for everybody."""

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Tell whether the answer carries the cookie."""
        return request.endpoint != "static" and super().should_set_cookie(app, session)


def install(app: Flask) -> None:
    """Add the headers to every response of ``app`` and versions to the addresses of its static files."""
    folder = Path(app.static_folder or "")
    secure = bool(app.config["SESSION_COOKIE_SECURE"])

    @cache
    def version(filename: str) -> str:
        file = folder / filename
        return f"{file.stat().st_mtime_ns:x}" if file.is_file() else "0"

    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        # Style sheets name their fonts without a version; a page that fetches one before must name the same.
        if endpoint == "static" and "filename" in values and not values["filename"].endswith(".woff2"):
            values["v"] = version(values["filename"])

    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", POLICY)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if secure:
            headers["Strict-Transport-Security"] = f"max-age={YEAR}"
        if request.endpoint == "static":
            headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if "v" in request.args else f"max-age={DAY}"
            if response.status_code == 304:
                # Werkzeug opens the file of an unchanged answer too, and leaves it open.
                response.close()
        elif "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        return response

    app.session_interface = _Sessions()
    app.url_defaults(add_version)
    app.after_request(add_headers)
