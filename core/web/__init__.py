"""The web admin: pages rendered on the server, one blueprint for each."""

from __future__ import annotations

from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.utils import find_modules, import_string

from core.web import access, errors, formats, headers, params
from core.web.database import db
from core.web.pages import webhooks


def install(app: Flask) -> None:
    """Give ``app`` its pages, one for each module of :mod:`core.web.pages`, and everything that surrounds them."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    db.init_app(app)
    # A delivery is proven by its signature, not by a session.
    CSRFProtect(app).exempt(webhooks.blueprint)
    access.install(app)
    params.install(app)
    headers.install(app)
    formats.install(app)
    errors.install(app)
    for page in find_modules("core.web.pages"):
        app.register_blueprint(import_string(f"{page}:blueprint"))
