"""The organizations table and an organization's page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
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


@blueprint.get("/<uuid:id>/delete")
@requires("people.erase")
def ask(id: UUID) -> ResponseReturnValue:
    """Say what deleting means, and ask whether to do it."""
    organization = organizations.get(session(), id)
    if organization.archived_at is None:
        abort(409)
    name = organizations.display_name(organization)
    return render_template(
        "ask.html",
        crumb=(name, url_for("organizations.show", id=id)),
        question=f"Delete {name}?",
        effect="All that is known of this organization goes for good. Its people stay, and so does what they did; they "
        "belong to it no more. Only hashes of its identifiers are kept, so that no sync brings it back. This cannot be "
        "undone.",
        action=request.path,
        button="Delete for good",
        icon_name="trash",
        danger=True,
    )


@blueprint.post("/<uuid:id>/delete")
@requires("people.erase")
def erase(id: UUID) -> ResponseReturnValue:
    """Delete an organization for good."""
    return _do(
        id,
        lambda: curating.erase(mainstem(), "organization", id, actor()),
        "Deleted for good: its people stay",
        to_list=True,
    )


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


def _do(id: UUID, work: Callable[[], object], done: str, *, to_list: bool = False) -> ResponseReturnValue:
    try:
        work()
    except ServiceError as error:
        flash(str(error), "danger")
        return redirect(url_for("organizations.show", id=id))
    flash(done, "success")
    there = url_for("organizations.index", state="archived") if to_list else url_for("organizations.show", id=id)
    return redirect(there)
