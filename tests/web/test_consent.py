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
from tests.web.helpers import send, text


@pytest.fixture
def mainstem(mainstem: Mainstem) -> Mainstem:
    object.__setattr__(mainstem, "host", Host([AskingVendor()]))
    return mainstem


def test_the_subdomain_is_asked_first_and_comes_back(mainstem: Mainstem, owner: FlaskClient):
    page = owner.get("/sources/new/acme").get_data(as_text=True)
    assert page.index("Sign in at Acme") < page.index('name="shop"') < page.index("Paste credentials instead")
    assert page.count('name="shop"') == 1
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
