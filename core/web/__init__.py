"""The web admin: pages rendered on the server, one blueprint for each."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect

from core.web import access, errors, formats, headers
from core.web.database import db
from core.web.pages import (
    audit,
    auth,
    connect,
    edit,
    health,
    home,
    invitations,
    organizations,
    outbox,
    people,
    plugins,
    preferences,
    setup,
    sources,
    teams,
    users,
    webhooks,
)

PAGES = (
    audit,
    auth,
    connect,
    edit,
    health,
    home,
    invitations,
    organizations,
    outbox,
    people,
    plugins,
    preferences,
    setup,
    sources,
    teams,
    users,
    webhooks,
)


def install(app: Flask) -> None:
    """Give ``app`` its pages and everything that surrounds them."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    db.init_app(app)
    # A delivery is proven by its signature, not by a session.
    CSRFProtect(app).exempt(webhooks.blueprint)
    access.install(app)
    headers.install(app)
    formats.install(app)
    errors.install(app)
    for page in PAGES:
        app.register_blueprint(page.blueprint)
