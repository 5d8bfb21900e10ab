"""The web application."""

from __future__ import annotations

import gc
from datetime import timedelta

from flask import Flask

from core import web
from core.services.mainstem import Mainstem

SESSION_LIFETIME = timedelta(days=14)


def create_app(mainstem: Mainstem | None = None) -> Flask:
    """Return the web admin as a WSGI application; ``app.extensions["mainstem"]`` is what it works on.

    Args:
        mainstem: The installation; by default the one that the environment describes.

    Raises:
        core.config.ConfigError: The environment is malformed.
    """
    mainstem = mainstem or Mainstem.open()
    app = Flask("core.web")
    app.config.from_mapping(
        SECRET_KEY=mainstem.settings.secret_key,
        SQLALCHEMY_DATABASE_URI=mainstem.settings.database_url,
        SESSION_COOKIE_NAME="mainstem_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=mainstem.settings.public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        # A token lives as long as its session: a page may stay open for days.
        WTF_CSRF_TIME_LIMIT=None,
        # Behind a proxy that ends TLS the referrer is https while the request here is http.
        WTF_CSRF_SSL_STRICT=False,
        MAX_CONTENT_LENGTH=1024 * 1024,
    )
    app.extensions["mainstem"] = mainstem
    web.install(app)
    return app


def served(mainstem: Mainstem | None = None) -> Flask:
    """Return the application of :func:`create_app` for a process that does nothing but serve it.

    What is there by then stays until the process ends. Without being told so, Python looks through all of it again and
    again for what could go, and every twentieth page or so waits a tenth of a second for that.
    """
    app = create_app(mainstem)
    gc.collect()
    gc.freeze()
    return app
