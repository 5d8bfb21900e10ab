"""The organizations table and an organization's page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import organizations
from core.web.access import mainstem
from core.web.database import session
from core.web.params import state

blueprint = Blueprint("organizations", __name__, url_prefix="/organizations")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the table."""
    query = organizations.Query(text=request.args.get("q", "").strip(), state=state())
    return render_template(
        "organizations/index.html",
        query=query,
        page=organizations.table(session(), query, request.args.get("page")),
        count=organizations.count(session(), query),
    )


@blueprint.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one organization."""
    profile = organizations.profile(session(), mainstem().host, id, request.args.get("page"))
    return render_template("organizations/show.html", profile=profile, organization=profile.organization)
