"""Pictures of every page, wide and narrow, by day and by night, with nothing, something and much to show.

``python -m tests.browser.screenshots FOLDER``: the tests' own fixtures, run by pytest, which collects no such file by
itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page

from core.db.models import Activity, DataSource, Draft, Organization, Person, Team, User
from core.host import Host
from core.services import invitations, passwords
from core.services.invitations import invite
from core.services.mainstem import Mainstem
from plugins.intercom import plugin as intercom
from plugins.intercom.sandbox import Sandbox
from tests.browser.filling import fill
from tests.browser.pages import NARROW, WIDE
from tests.browser.routes import addresses
from tests.services.conftest import rows
from tests.web.factories import NOW, Broken, Desk, Factory, installation
from tests.web.helpers import log_in, send

# What sticks to the foot of the window would cover the middle of a picture of the whole page.
UNSTICK = "document.querySelectorAll('.wizard-foot').forEach(foot => foot.style.position = 'static')"
LONG = "Ann-Sophie Freifrau von und zu Hohenlohe-Langenburg"


@pytest.fixture
def mainstem(sqlite_url: str, tmp_path: Path, valkey_url: str, box: Sandbox, vendor: str) -> Iterator[Mainstem]:
    plain = installation(sqlite_url, str(tmp_path / "instance"), REDIS_URL=valkey_url, **box.environment(vendor))
    yield Mainstem(**{**vars(plain), "host": Host([Desk(), Broken(), intercom])})
    plain.engine.dispose()


@pytest.fixture
def client(app: Flask, owner: Page) -> FlaskClient:
    return log_in(app, "olga@example.com")


def ids(mainstem: Mainstem) -> dict[str, list[object]]:
    """Return what there is to show, by the arguments of routes."""
    by_blueprint = {
        "sources": DataSource,
        "edit": DataSource,
        "people": Person,
        "organizations": Organization,
        "users": User,
        "teams": Team,
        "setup": Draft,
        "connect": Draft,
    }
    found: dict[str, list[object]] = {
        f"{name}.id": [row["id"] for row in rows(mainstem.engine, model)][:8] for name, model in by_blueprint.items()
    }
    users = {row["state"]: row for row in rows(mainstem.engine, User)}
    if invited := users.get("invited"):
        found["invitations.token"] = [invitations.token(mainstem, invited["id"], invited["invited_at"])]
    active = users["active"]
    found["passwords.token"] = [passwords.token(mainstem, active["id"], active["password_hash"])]
    return {**found, "plugin": ["intercom", "desk"]}


def some(mainstem: Mainstem, factory: Factory, client: FlaskClient, access_token: str) -> None:
    """Make something of everything that has a page."""
    fill(factory)
    factory.source("Shut", "disconnected", disconnected_at=NOW)
    factory.add_all(
        [Team(name="Help", created_at=NOW), Draft(plugin="desk", created_by="ann", created_at=NOW, updated_at=NOW)]
    )
    factory.user("ann@example.com", "admin", name="Ann Lee")
    invite(mainstem, "new@example.com", "agent", True, [], "olga@example.com")
    send(client, "/sources/new/intercom", {"how": "token", "access_token": access_token})


def much(mainstem: Mainstem, factory: Factory) -> None:
    """Make more than fits, with names that are long."""
    source = rows(mainstem.engine, DataSource)[0]["id"]
    same: dict[str, Any] = {"lineage": {}, "stub": False, "created_at": NOW, "updated_at": NOW}
    people = []
    for n in range(300):
        values: dict[str, Any] = {
            "email": f"{'a' * 40}{n}@a-very-long-domain-of-a-firm.example",
            "first_name": LONG,
            "last_name": str(n),
        }
        allows: dict[str, Any] = {"email_subscribed": True, "sms_subscribed": False}
        people.append(Person(id=uuid4(), initial_source_id=source, fields={}, **values, **allows, **same))
    factory.add_all(people)
    factory.add_all([Organization(id=uuid4(), name=f"{LONG} & {n}", fields={}, **same) for n in range(300)])
    ann = rows(mainstem.engine, Person)[0]["id"]
    said: dict[str, Any] = {
        "source_id": source,
        "type": "started",
        "occurred_at": datetime.now(UTC),
        "historical": False,
    }
    shown: dict[str, Any] = {"attributes": {"subject": LONG * 4}, "content_hash": b"0" * 16, "person_id": ann}
    factory.add_all(
        [Activity(id=uuid4(), remote_id=f"m:{n}", record_link_id=uuid4(), **said, **shown) for n in range(60)]
    )
    for number in range(40):
        factory.source(f"{LONG} {number}")
        factory.user(f"user{number}.{'x' * 30}@example.com", "agent", name=LONG)
    factory.add_all([Team(name=f"{LONG} {number}", created_at=NOW) for number in range(40)])


def shoot(page: Page, address: str, folder: str, pages: Mapping[str, str]) -> None:
    """Write a picture of each page in each look."""
    target = Path(os.environ["SCREENSHOTS"]) / folder
    target.mkdir(parents=True, exist_ok=True)
    for name, path in pages.items():
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        page.evaluate(UNSTICK)
        for width, window in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size(window)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.screenshot(path=target / f"{name}-{width}-{scheme}.png", full_page=True)


def test_nothing(owner: Page, address: str, app: Flask, client: FlaskClient):
    shoot(owner, address, "empty", addresses(app, client, {}))


def test_something_and_much(
    owner: Page, address: str, app: Flask, client: FlaskClient, mainstem: Mainstem, factory: Factory, box: Sandbox
):
    some(mainstem, factory, client, box.credentials["access_token"])
    shoot(owner, address, "few", addresses(app, client, ids(mainstem)))
    much(mainstem, factory)
    shoot(owner, address, "many", addresses(app, client, ids(mainstem)))


def test_login(visitor: Page, address: str):
    shoot(visitor, address, "empty", {"auth.login": "/login"})


if __name__ == "__main__":
    os.environ["SCREENSHOTS"] = os.path.abspath(sys.argv[1] if sys.argv[1:] else "screenshots")
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider"]))
