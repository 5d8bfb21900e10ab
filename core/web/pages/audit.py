"""The audit log."""

from __future__ import annotations

from dataclasses import fields
from functools import cache, partial

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import auditing
from core.services.fields import stored_schema
from core.web.access import mainstem, requires
from core.web.audit import told
from core.web.database import session

blueprint = Blueprint("audit", __name__, url_prefix="/audit")


@blueprint.get("/")
@requires("audit.read")
def index() -> ResponseReturnValue:
    """Show who did what."""
    given = {field.name: request.args.get(field.name, "").strip() for field in fields(auditing.Query)}
    query = auditing.Query(**given)
    entries, more = auditing.entries(session(), query, request.args.get("before", type=int))
    names = auditing.names(session(), entries)
    schema_of = cache(partial(stored_schema, session().connection(), retired=True))
    lines = [(entry, told(session(), mainstem().host, entry, names, schema_of)) for entry in entries]
    return render_template("audit.html", query=query, entries=entries, lines=lines, more=more)
