"""The audit log."""

from __future__ import annotations

from datetime import date
from functools import cache, partial

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import auditing
from core.services.errors import Invalid
from core.services.fields import stored_schema
from core.web import params
from core.web.access import mainstem, requires
from core.web.audit import told
from core.web.database import session

blueprint = Blueprint("audit", __name__, url_prefix="/audit")


@blueprint.get("/")
@requires("audit.read")
def index() -> ResponseReturnValue:
    """Show who did what."""
    days, errors = _days()
    query = auditing.Query(
        actor=request.args.get("actor", "").strip(),
        action=request.args.get("action", "").strip(),
        target=request.args.get("target", "").strip(),
        since=days.get("since"),
        until=days.get("until"),
        zone=params.zone(),
    )
    found = auditing.entries(session(), query, params.number("before"))
    entries, more = found if not errors else ([], False)
    names = auditing.names(session(), entries)
    schema_of = cache(partial(stored_schema, session().connection(), retired=True))
    lines = [(entry, told(session(), mainstem().host, entry, names, schema_of)) for entry in entries]
    return render_template("audit.html", query=query, entries=entries, lines=lines, more=more, errors=errors)


def _days() -> tuple[dict[str, date | None], dict[str, str]]:
    """Return the days that are asked for, and what is wrong with them."""
    days: dict[str, date | None] = {}
    errors: dict[str, str] = {}
    for name in ("since", "until"):
        try:
            days[name] = params.day(name)
        except Invalid as error:
            errors |= error.errors
    since, until = days.get("since"), days.get("until")
    if since and until and since > until:
        errors["since"] = "From is after To: exchange them"
    return days, errors
