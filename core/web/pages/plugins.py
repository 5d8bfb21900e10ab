"""The installed plugins and their icons."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from core.web.access import mainstem

blueprint = Blueprint("plugins", __name__, url_prefix="/plugins")

DAY = 24 * 3600


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """List what became of each plugin."""
    host = mainstem().host
    manifests = {name: host.manifest(name) for name in host.names()}
    return render_template("plugins/index.html", reports=host.report(), manifests=manifests)


@blueprint.get("/<name>/icon.svg")
def icon(name: str) -> ResponseReturnValue:
    """Return the vendor's mark. As an image of its own it can run nothing in our pages."""
    host = mainstem().host
    markup = host.manifest(name).icon if name in host.names() else ""
    if not markup:
        abort(404)
    response = Response(markup, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = f"private, max-age={DAY}"
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response
