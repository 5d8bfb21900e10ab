"""The organizations table and an organization's page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import curating, organizations
from core.services.errors import ServiceError
from core.web import listing
from core.web.access import actor, mainstem, requires
from core.web.database import session

blueprint = Blueprint("organizations", __name__, url_prefix="/organizations")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the table."""
    return render_template("organizations/index.html", listing=listing.read("organization"))


@blueprint.post("/")
def refine() -> ResponseReturnValue:
    """Change the filter: go to the list that it gives, or show the builder again."""
    refined = listing.refined(listing.read("organization"))
    if isinstance(refined, str):
        return redirect(refined)
    return render_template("organizations/index.html", listing=refined)


@blueprint.post("/columns")
def columns() -> ResponseReturnValue:
    """Keep which columns the table shows."""
    return listing.keep_columns("organization")


@blueprint.post("/export")
@requires("people.export")
def export() -> ResponseReturnValue:
    """Return the list as a CSV file."""
    return listing.export(listing.read("organization"))


@blueprint.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one organization."""
    profile = organizations.profile(session(), mainstem().host, id, request.args.get("page"))
    return render_template(
        "organizations/show.html",
        profile=profile,
        organization=profile.organization,
        own_tags=curating.own_tags(session(), "organization", id),
    )


@blueprint.post("/<uuid:id>/archive")
@requires("people.edit")
def archive(id: UUID) -> ResponseReturnValue:
    """Let an organization take part in nothing."""
    done = "Archived: you can restore it at any time"
    return _do(id, lambda: curating.archive(mainstem(), "organization", id, actor()), done)


@blueprint.post("/<uuid:id>/restore")
@requires("people.edit")
def restore(id: UUID) -> ResponseReturnValue:
    """Let an archived organization take part again."""
    return _do(id, lambda: curating.restore(mainstem(), "organization", id, actor()), "Restored")


@blueprint.post("/<uuid:id>/tags")
@requires("people.edit")
def add_tag(id: UUID) -> ResponseReturnValue:
    """Tag an organization."""
    name = request.form.get("tag", "")
    return _do(id, lambda: curating.add_tag(mainstem(), "organization", id, name, actor()), "Tagged")


@blueprint.post("/<uuid:id>/tags/remove")
@requires("people.edit")
def remove_tag(id: UUID) -> ResponseReturnValue:
    """Take a tag away."""
    name = request.form.get("tag", "")
    done = f"«{name}» was taken away"
    return _do(id, lambda: curating.remove_tag(mainstem(), "organization", id, name, actor()), done)


def _do(id: UUID, work: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        work()
    except ServiceError as error:
        flash(str(error), "danger")
    else:
        flash(done, "success")
    return redirect(url_for("organizations.show", id=id))
