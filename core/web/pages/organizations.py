"""The organizations table and an organization's page."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core.services import curating, organizations
from core.web import entity, listing
from core.web.access import mainstem
from core.web.database import session

blueprint = Blueprint("organizations", __name__, url_prefix="/organizations")

WORDS = entity.Words(
    archived="Archived: you can restore it at any time",
    effect="All that is known of this organization goes for good. Its people stay, and so does what they did; they "
    "belong to it no more. Only hashes of its identifiers are kept, so that no sync brings it back. This cannot be "
    "undone.",
    erased="Deleted for good: its people stay",
)


def _read() -> listing.Listing:
    return listing.read("organization")


def _table(given: listing.Listing) -> ResponseReturnValue:
    return render_template("organizations/index.html", listing=given)


entity.add_list(blueprint, "organization", _read, _table)
entity.add_curating(blueprint, "organization", organizations.get, organizations.display_name, WORDS)


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
