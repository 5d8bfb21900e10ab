"""What a browser asks other machines for."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Request

from tests.support.network import is_local


def outside_requests(context: BrowserContext) -> list[str]:
    """Return a list that grows by the address of every request of ``context`` to another machine."""
    outside: list[str] = []

    def note(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("about", "blob", "data") and not is_local(url.hostname):
            outside.append(request.url)

    context.on("request", note)
    return outside
