"""The browser is real, sees this machine, and is caught when it looks further."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import outside_requests

PAGES = {
    "/": "<title>Home</title><img src='/missing.png'><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
    "/leaky": "<title>Leaky</title><img src='http://cdn.example/x.png'><img src='http://192.0.2.1/y.png'>",
}


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_of_this_machine_is_shown_by_chromium(page: Page, site: str):
    page.goto(site)
    assert page.title() == "Home"
    assert "Chrome" in page.evaluate("navigator.userAgent")


def test_requests_to_other_machines_are_caught_and_go_nowhere(browser: Browser, site: str):
    context = browser.new_context()
    outside = outside_requests(context)
    page = context.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.failure or ""))
    page.goto(f"{site}/leaky")
    assert sorted(outside) == ["http://192.0.2.1/y.png", "http://cdn.example/x.png"]
    assert failed == ["net::ERR_NAME_NOT_RESOLVED"] * 2
    context.close()
