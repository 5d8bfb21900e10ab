"""A web admin on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.app import create_app
from core.services.mainstem import Mainstem
from tests.web.factories import Factory, installation
from tests.web.helpers import log_in


@pytest.fixture
def mainstem(sqlite_url: str, tmp_path: Path, valkey_url: str) -> Iterator[Mainstem]:
    opened = installation(sqlite_url, str(tmp_path / "instance"), REDIS_URL=valkey_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def app(mainstem: Mainstem) -> Flask:
    return create_app(mainstem)


@pytest.fixture
def factory(mainstem: Mainstem) -> Factory:
    return Factory(mainstem.engine)


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    """A browser that is not logged in."""
    return app.test_client()


@pytest.fixture
def owner(app: Flask, factory: Factory) -> FlaskClient:
    """A browser of the owner's."""
    return log_in(app, factory.user().email)


@pytest.fixture
def reader(app: Flask, factory: Factory) -> FlaskClient:
    """A browser of someone who may only read."""
    return log_in(app, factory.user("rea@example.com", "read_only", name="Rea").email)
