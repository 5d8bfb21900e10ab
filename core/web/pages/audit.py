"""The audit log."""

from __future__ import annotations

from dataclasses import fields

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import auditing
from core.web.access import requires
from core.web.database import session

blueprint = Blueprint("audit", __name__, url_prefix="/audit")


@blueprint.get("/")
@requires("audit.read")
def index() -> ResponseReturnValue:
    """Show who did what."""
    given = {field.name: request.args.get(field.name, "").strip() for field in fields(auditing.Query)}
    query = auditing.Query(**given)
    entries, more = auditing.entries(session(), query, request.args.get("before", type=int))
    return render_template("audit.html", query=query, entries=entries, more=more)
