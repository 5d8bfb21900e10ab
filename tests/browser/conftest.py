"""The real admin in a real browser: served on a free port, filled by rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from core.app import create_app
from core.services.mainstem import Mainstem
from plugins.intercom.sandbox import Sandbox, SandboxOptions
from tests.browser.pages import Complaints
from tests.support.serving import served
from tests.web.factories import Factory, installation
from tests.web.helpers import log_in


@pytest.fixture
def mainstem(sqlite_url: str, tmp_path: Path, valkey_url: str) -> Iterator[Mainstem]:
    opened = installation(sqlite_url, str(tmp_path / "instance"), REDIS_URL=valkey_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def factory(mainstem: Mainstem) -> Factory:
    return Factory(mainstem.engine)


@pytest.fixture
def app(mainstem: Mainstem) -> Flask:
    return create_app(mainstem)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the admin answers."""
    with served(app) as address:
        yield address


@pytest.fixture
def box() -> Sandbox:
    return Sandbox(SandboxOptions(people=60, conversations=12, companies=6))


@pytest.fixture
def vendor(box: Sandbox) -> Iterator[str]:
    """Where Intercom answers."""
    with served(box.app) as address:
        yield address


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[Complaints]:
    """What pages complain of; a test says what it expects."""
    found = Complaints()

    def note(message: ConsoleMessage) -> None:
        # htmx tells of a request that a newer one or the next page replaced, as of its end, in the voice of an error.
        if message.type in ("warning", "error") and message.text not in ("htmx:sendAbort", "htmx:afterRequest"):
            found.append(message.text)

    context.on("console", note)
    context.on("weberror", lambda error: found.append(str(error.error)))
    yield found
    assert found.unexpected() == []


@pytest.fixture
def visitor(page: Page, complaints: Complaints, address: str, factory: Factory) -> Page:
    """A browser at the login page; there is an owner."""
    factory.user()
    page.goto(f"{address}/")
    return page


@pytest.fixture
def owner(page: Page, complaints: Complaints, app: Flask, address: str, factory: Factory) -> Page:
    """A browser at the home page that is logged in: without the form, which has tests of its own."""
    name = app.config["SESSION_COOKIE_NAME"]
    session = log_in(app, factory.user().email).get_cookie(name)
    assert session
    page.context.add_cookies([{"name": name, "value": session.value, "url": address}])
    page.goto(f"{address}/")
    return page
