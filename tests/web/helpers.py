"""What tests of pages need besides a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from tests.web.factories import PASSWORD


def log_in(app: Flask, email: str, password: str = PASSWORD) -> FlaskClient:
    """Return a browser that is logged in."""
    client = app.test_client()
    response = send(client, "/login", {"email": email, "password": password})
    assert response.status_code == 302, text(response)
    return client


def token(client: FlaskClient) -> str:
    """Return a CSRF token of the browser's session."""
    page = client.get("/login", follow_redirects=True).get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def send(client: FlaskClient, path: str, data: Mapping[str, str] | None = None, **options: Any) -> TestResponse:
    """Post a form as a page would."""
    return client.post(path, data={**(data or {}), "csrf_token": token(client)}, **options)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def text(response: TestResponse) -> str:
    """Return what a page says, its words separated by single spaces."""
    parser = _Text()
    parser.feed(response.get_data(as_text=True))
    return " ".join(parser.words)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
