"""The people table and a person's page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import organizations, overview, people
from core.web.access import mainstem
from core.web.database import session
from core.web.params import state, uuid

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the table."""
    organization = uuid("organization")
    source = overview.get(session(), number) if (number := request.args.get("source", type=int)) else None
    query = people.Query(
        text=request.args.get("q", "").strip(),
        state=state(),
        organization=organization,
        source=source.id if source else None,
    )
    return render_template(
        "people/index.html",
        query=query,
        source=source,
        organization=organizations.get(session(), organization) if organization else None,
        page=people.table(session(), query, request.args.get("page")),
        count=people.count(session(), query),
    )


@blueprint.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one person."""
    profile = people.profile(session(), mainstem().host, id, request.args.get("page"))
    return render_template("people/show.html", profile=profile, person=profile.person)
