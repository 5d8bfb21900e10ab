"""The people table and a person's page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import curating, organizations, people
from core.web import entity, listing
from core.web.access import actor, mainstem, requires
from core.web.database import session
from core.web.params import uuid

blueprint = Blueprint("people", __name__, url_prefix="/people")

WORDS = entity.Words(
    archived="Archived: can be restored at any time",
    effect="All that is known of this person goes for good, and so do their activities. Only hashes of the "
    "identifiers are kept, so that no sync brings this person back. This cannot be undone.",
    erased="Deleted for good",
)


def _read() -> listing.Listing:
    return listing.read("person", organization=uuid("organization"))


def _table(given: listing.Listing) -> ResponseReturnValue:
    organization = given.query.organization
    return render_template(
        "people/index.html",
        listing=given,
        organization=organizations.get(session(), organization) if organization else None,
    )


entity.add_list(blueprint, "person", _read, _table)
entity.add_curating(blueprint, "person", people.get, people.display_name, WORDS)


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


@blueprint.post("/<uuid:id>/merges/<int:merge_id>/undo")
@requires("people.edit")
def undo_merge(id: UUID, merge_id: int) -> ResponseReturnValue:
    """Take a merge apart."""
    return entity.do(
        id,
        lambda: curating.undo_merge(mainstem(), id, merge_id, actor()),
        "The merge is undone: both are here again, and what joined them does not join them any more",
    )
