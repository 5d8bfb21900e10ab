"""The people table and a person's page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import curating, organizations, overview, people
from core.services.errors import ServiceError
from core.web import listing
from core.web.access import actor, mainstem, requires
from core.web.database import session
from core.web.params import uuid

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the table."""
    return _show(_listing())


@blueprint.post("/")
def refine() -> ResponseReturnValue:
    """Change the filter: go to the list that it gives, or show the builder again."""
    refined = listing.refined(_listing())
    return redirect(refined) if isinstance(refined, str) else _show(refined)


@blueprint.post("/columns")
def columns() -> ResponseReturnValue:
    """Keep which columns the table shows."""
    return listing.keep_columns("person")


@blueprint.post("/export")
@requires("people.export")
def export() -> ResponseReturnValue:
    """Return the list as a CSV file."""
    return listing.export(_listing())


@blueprint.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one person."""
    profile = people.profile(session(), mainstem().host, id, request.args.get("page"))
    return render_template(
        "people/show.html",
        profile=profile,
        person=profile.person,
        own_tags=curating.own_tags(session(), "person", id),
        merges=curating.merges_of(session(), id),
    )


@blueprint.post("/<uuid:id>/archive")
@requires("people.edit")
def archive(id: UUID) -> ResponseReturnValue:
    """Let a person take part in nothing."""
    return _do(id, lambda: curating.archive(mainstem(), "person", id, actor()), "Archived: can be restored at any time")


@blueprint.post("/<uuid:id>/restore")
@requires("people.edit")
def restore(id: UUID) -> ResponseReturnValue:
    """Let an archived person take part again."""
    return _do(id, lambda: curating.restore(mainstem(), "person", id, actor()), "Restored")


@blueprint.get("/<uuid:id>/delete")
@requires("people.erase")
def ask(id: UUID) -> ResponseReturnValue:
    """Say what deleting means, and ask whether to do it."""
    person = people.get(session(), id)
    if person.archived_at is None:
        abort(409)
    name = people.display_name(person)
    return render_template(
        "ask.html",
        crumb=(name, url_for("people.show", id=id)),
        question=f"Delete {name}?",
        effect="All that is known of this person goes for good, and so do their activities. Only hashes of the "
        "identifiers are kept, so that no sync brings this person back. This cannot be undone.",
        action=request.path,
        button="Delete for good",
        icon_name="trash",
        danger=True,
    )


@blueprint.post("/<uuid:id>/delete")
@requires("people.erase")
def erase(id: UUID) -> ResponseReturnValue:
    """Delete a person for good."""
    return _do(id, lambda: curating.erase(mainstem(), "person", id, actor()), "Deleted for good", to_list=True)


@blueprint.post("/<uuid:id>/tags")
@requires("people.edit")
def add_tag(id: UUID) -> ResponseReturnValue:
    """Tag a person."""
    return _do(id, lambda: curating.add_tag(mainstem(), "person", id, request.form.get("tag", ""), actor()), "Tagged")


@blueprint.post("/<uuid:id>/tags/remove")
@requires("people.edit")
def remove_tag(id: UUID) -> ResponseReturnValue:
    """Take a tag away."""
    name = request.form.get("tag", "")
    return _do(id, lambda: curating.remove_tag(mainstem(), "person", id, name, actor()), f"«{name}» was taken away")


@blueprint.post("/<uuid:id>/merges/<int:merge_id>/undo")
@requires("people.edit")
def undo_merge(id: UUID, merge_id: int) -> ResponseReturnValue:
    """Take a merge apart."""
    return _do(
        id,
        lambda: curating.undo_merge(mainstem(), id, merge_id, actor()),
        "The merge is undone: both are here again, and what joined them does not join them any more",
    )


def _listing() -> listing.Listing:
    source = request.args.get("source", type=int)
    return listing.read("person", organization=uuid("organization"), source=source)


def _show(given: listing.Listing) -> ResponseReturnValue:
    source, organization = given.query.source, given.query.organization
    return render_template(
        "people/index.html",
        listing=given,
        source=overview.get(session(), source) if source is not None else None,
        organization=organizations.get(session(), organization) if organization else None,
    )


def _do(id: UUID, work: Callable[[], object], done: str, *, to_list: bool = False) -> ResponseReturnValue:
    try:
        work()
    except ServiceError as error:
        flash(str(error), "danger")
        return redirect(url_for("people.show", id=id))
    flash(done, "success")
    return redirect(url_for("people.index", state="archived") if to_list else url_for("people.show", id=id))
