"""Consent that needs an answer first, by the pages' requests."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from core.db.models import Draft
from core.host import Host
from core.services.mainstem import Mainstem
from tests.services.conftest import rows
from tests.services.test_consents import AskingVendor
from tests.web.factories import Factory
from tests.web.helpers import send, text


@pytest.fixture
def mainstem(mainstem: Mainstem) -> Mainstem:
    object.__setattr__(mainstem, "host", Host([AskingVendor()]))
    return mainstem


def test_the_subdomain_is_asked_first_and_comes_back(mainstem: Mainstem, owner: FlaskClient):
    page = owner.get("/sources/new/acme").get_data(as_text=True)
    assert page.index("Sign in at Acme") < page.index('name="shop"') < page.index("Paste credentials instead")
    assert page.count('name="shop"') == 1
    assert "It is kept encrypted and shown to nobody. Connect with this" in text(owner.get("/sources/new/acme"))
    refused = send(owner, "/sources/new/acme", {"how": "consent", "shop": " "})
    assert refused.status_code == 400
    assert "Name your shop" in text(refused)
    assert rows(mainstem.engine, Draft) == []

    leaving = send(owner, "/sources/new/acme", {"how": "consent", "shop": "corner"}).get_data(as_text=True)
    (address,) = {unescape(found) for found in re.findall(r'href="(https://[^"]+)"', leaving)}
    assert urlsplit(address).netloc == "corner.acme.example"
    answer = f"/oauth/acme/callback?code=42&state={parse_qs(urlsplit(address).query)['state'][0]}"
    assert rows(mainstem.engine, Draft)[0]["remote_id"] is None
    shown = owner.get(answer).get_data(as_text=True)
    assert "Waiting for Acme" in shown
    (on,) = {unescape(found) for found in re.findall(r'href="(/oauth/[^"]+)"', shown)}
    assert on == answer.replace("callback", "accept")
    back = owner.get(on)
    (draft,) = rows(mainstem.engine, Draft)
    assert back.location == f"/setup/{draft['id']}"
    assert (draft["remote_id"], draft["settings"]) == ("1", {"shop": "corner"})


def test_a_data_source_is_connected_again_by_the_ways_that_its_connect_page_names(factory: Factory, owner: FlaskClient):
    source = factory.source(state="disconnected", plugin="acme", remote_id="1", settings={"shop": "corner"})
    asked = text(owner.get(f"/sources/{source.id}/reconnect"))
    assert asked.index("Sign in at Acme") < asked.index("Paste credentials instead") < asked.index("with these")
    leaving = send(owner, f"/sources/{source.id}/consent").get_data(as_text=True)
    (address,) = {unescape(found) for found in re.findall(r'href="(https://[^"]+)"', leaving)}
    state = parse_qs(urlsplit(address).query)["state"][0]
    back = owner.get(f"/oauth/acme/accept?code=42&state={state}", follow_redirects=True)
    assert back.request.path == f"/sources/{source.id}"
    assert "Reconnected; what changed meanwhile is being fetched" in text(back)
