"""Teams and members of the inbox."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import staff, teams
from core.services.errors import ServiceError
from core.web.access import actor, mainstem, requires
from core.web.database import session

blueprint = Blueprint("teams", __name__, url_prefix="/teams")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """List the teams."""
    return render_template("teams/index.html", views=teams.listing(session()), deleted=teams.deleted(session()))


@blueprint.post("/")
@requires("teams.manage")
def create() -> ResponseReturnValue:
    """Make a team."""
    return _do(
        lambda: teams.create(mainstem(), request.form.get("name", ""), actor()), "The team is there", to_made=True
    )


@blueprint.get("/<int:id>")
def show(id: int) -> ResponseReturnValue:
    """Show one team."""
    view = teams.get(session(), id)
    inside = {user.id for user, _ in view.members}
    others = [user for user in staff.everybody(session()) if user.id not in inside]
    return render_template("teams/show.html", view=view, others=others)


@blueprint.post("/<int:id>/name")
@requires("teams.manage")
def rename(id: int) -> ResponseReturnValue:
    """Give a team another name."""
    return _do(lambda: teams.rename(mainstem(), id, request.form.get("name", ""), actor()), "The team is renamed", id)


@blueprint.post("/<int:id>/members")
@requires("teams.manage")
def add(id: int) -> ResponseReturnValue:
    """Put users into a team."""
    ids = [int(text) for text in request.form.getlist("user") if text.isdecimal()]
    return _do(lambda: teams.add_members(mainstem(), id, ids, actor()), "The members are added", id)


@blueprint.post("/<int:id>/members/<int:user_id>/remove")
@requires("teams.manage")
def remove(id: int, user_id: int) -> ResponseReturnValue:
    """Take a user out of a team."""
    return _do(lambda: teams.remove_member(mainstem(), id, user_id, actor()), "The member is removed", id)


@blueprint.get("/<int:id>/delete")
@requires("teams.manage")
def ask(id: int) -> ResponseReturnValue:
    """Ask where the conversations of a team go."""
    view = teams.get(session(), id)
    others = [team for team in teams.choices(session()) if team.id != id]
    return render_template("teams/delete.html", view=view, others=others)


@blueprint.post("/<int:id>/delete")
@requires("teams.manage")
def delete(id: int) -> ResponseReturnValue:
    """Delete a team."""
    text = request.form.get("moved_to", "")
    moved_to = int(text) if text.isdecimal() else None
    return _do(lambda: teams.delete(mainstem(), id, moved_to, actor()), "The team is deleted")


def _do(work: Callable[[], object], done: str, id: int | None = None, *, to_made: bool = False) -> ResponseReturnValue:
    try:
        made = work()
    except ServiceError as error:
        flash(str(error), "danger")
    else:
        flash(done, "success")
        id = made if to_made and isinstance(made, int) else id
    return redirect(url_for("teams.index") if id is None else url_for("teams.show", id=id))
