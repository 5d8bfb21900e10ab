"""No page is without its picture."""

from __future__ import annotations

from flask import Flask

from core.services.mainstem import Mainstem
from tests.browser.routes import addresses, pages
from tests.browser.screenshots import ids, some
from tests.web.factories import Factory
from tests.web.helpers import log_in, send


def test_every_route_of_a_page_has_an_address(app: Flask, mainstem: Mainstem, factory: Factory):
    client = log_in(app, factory.user().email)
    send(client, "/sources/new/desk", {"how": "token", "token": "open"})
    some(mainstem, factory, client, "")
    shown = {name.partition("-")[0] for name in addresses(app, client, ids(mainstem))}
    assert shown == {rule.endpoint for rule in pages(app)}
