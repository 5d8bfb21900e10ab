"""What the pages of people and those of organizations do alike; what only one of them has is in its own module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from core.contract.fields import Entity
from core.db.models import Organization, Person
from core.services import curating
from core.services.errors import ServiceError
from core.web import listing
from core.web.access import actor, mainstem, requires
from core.web.database import session

Row = TypeVar("Row", Person, Organization)


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of one kind.

    Attributes:
        archived: After one was archived.
        effect: What deleting one for good means.
        erased: After one was deleted for good.
    """

    archived: str
    effect: str
    erased: str


def add_list(
    blueprint: Blueprint,
    kind: Entity,
    read: Callable[[], listing.Listing],
    show: Callable[[listing.Listing], ResponseReturnValue],
) -> None:
    """Give the pages of ``kind`` the table: ``read`` finds what the address asks for, ``show`` renders it."""

    @blueprint.get("/")
    def index() -> ResponseReturnValue:
        """Show the table."""
        return show(read())

    @blueprint.post("/")
    def refine() -> ResponseReturnValue:
        """Change the filter: go to the list that it gives, or show the builder again."""
        refined = listing.refined(read())
        return redirect(refined) if isinstance(refined, str) else show(refined)

    @blueprint.post("/columns")
    def columns() -> ResponseReturnValue:
        """Keep which columns the table shows."""
        return listing.keep_columns(kind)

    @blueprint.post("/export")
    @requires("people.export")
    def export() -> ResponseReturnValue:
        """Return the list as a CSV file."""
        return listing.export(read())


def add_curating(
    blueprint: Blueprint,
    kind: Entity,
    get: Callable[[Session, UUID], Row],
    display_name: Callable[[Row], str],
    words: Words,
) -> None:
    """Give the pages of ``kind`` what can be done to one: archive, restore, delete for good, tag."""

    @blueprint.post("/<uuid:id>/archive")
    @requires("people.edit")
    def archive(id: UUID) -> ResponseReturnValue:
        """Let one take part in nothing."""
        return do(id, lambda: curating.archive(mainstem(), kind, id, actor()), words.archived)

    @blueprint.post("/<uuid:id>/restore")
    @requires("people.edit")
    def restore(id: UUID) -> ResponseReturnValue:
        """Let an archived one take part again."""
        return do(id, lambda: curating.restore(mainstem(), kind, id, actor()), "Restored")

    @blueprint.get("/<uuid:id>/delete")
    @requires("people.erase")
    def ask(id: UUID) -> ResponseReturnValue:
        """Say what deleting means, and ask whether to do it."""
        found = get(session(), id)
        if found.archived_at is None:
            abort(409)
        name = display_name(found)
        return render_template(
            "ask.html",
            crumb=(name, url_for(".show", id=id)),
            question=f"Delete {name}?",
            effect=words.effect,
            action=request.path,
            button="Delete for good",
            icon_name="trash",
            danger=True,
        )

    @blueprint.post("/<uuid:id>/delete")
    @requires("people.erase")
    def erase(id: UUID) -> ResponseReturnValue:
        """Delete an archived one for good."""
        return do(id, lambda: curating.erase(mainstem(), kind, id, actor()), words.erased, to_list=True)

    @blueprint.post("/<uuid:id>/tags")
    @requires("people.edit")
    def add_tag(id: UUID) -> ResponseReturnValue:
        """Tag one."""
        name = request.form.get("tag", "")
        return do(id, lambda: curating.add_tag(mainstem(), kind, id, name, actor()), "Tagged")

    @blueprint.post("/<uuid:id>/tags/remove")
    @requires("people.edit")
    def remove_tag(id: UUID) -> ResponseReturnValue:
        """Take a tag away."""
        name = request.form.get("tag", "")
        return do(id, lambda: curating.remove_tag(mainstem(), kind, id, name, actor()), f"«{name}» was taken away")


def do(id: UUID, work: Callable[[], object], done: str, *, to_list: bool = False) -> ResponseReturnValue:
    """Do something to one, say that it is done or why not, and go back to its page, or to the list."""
    try:
        work()
    except ServiceError as error:
        flash(str(error), "danger")
        return redirect(url_for(".show", id=id))
    flash(done, "success")
    return redirect(url_for(".index", state="archived") if to_list else url_for(".show", id=id))
