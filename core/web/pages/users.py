"""User management: those who may log in, and what their roles allow."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from markupsafe import Markup

from core.services import invitations, staff, teams
from core.services.errors import Invalid, ServiceError
from core.web import params
from core.web.access import PERMISSIONS, actor, mainstem, requires
from core.web.database import session
from core.web.deeds import DEEDS
from core.web.formats import sends_mail
from core.web.ringing import ring_for_mail

blueprint = Blueprint("users", __name__, url_prefix="/users")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """List them."""
    query = staff.Query(
        text=request.args.get("q", "").strip(),
        role=request.args.get("role", ""),
        state=request.args.get("state", ""),
        team=params.number("team"),
    )
    page = staff.page(session(), query, request.args.get("page"))
    return render_template("users/index.html", query=query, page=page, teams=teams.choices(session()))


@blueprint.get("/roles")
def roles() -> ResponseReturnValue:
    """Show what each role allows."""
    return render_template("users/roles.html", permissions=PERMISSIONS)


@blueprint.get("/new")
@requires("users.manage")
def new() -> ResponseReturnValue:
    """Ask whom to invite."""
    return render_template("users/new.html", teams=teams.choices(session()), given={}, errors={})


@blueprint.post("/new")
@requires("users.manage")
def invite() -> ResponseReturnValue:
    """Invite several."""
    form = request.form
    try:
        ids = invitations.invite(
            mainstem(), form.get("emails", ""), form.get("role", ""), "agent" in form, _team_ids(), actor()
        )
    except ServiceError as error:
        errors = error.errors if isinstance(error, Invalid) else {"emails": str(error)}
        page = render_template("users/new.html", teams=teams.choices(session()), given=form, errors=errors)
        return page, 400 if isinstance(error, Invalid) else 409
    ring_for_mail()
    flash(_mailed("Invited" if len(ids) == 1 else f"{len(ids)} users are invited"), "success")
    return redirect(url_for("users.index", state="invited"))


@blueprint.get("/<int:id>")
@requires("users.manage")
def show(id: int) -> ResponseReturnValue:
    """Show one, and what can be done."""
    user = staff.get(session(), id)
    return render_template(
        "users/show.html",
        user=user,
        mine={team.id for team in staff.teams_of(session(), [id]).get(id, ())},
        teams=teams.choices(session()),
        deeds={
            key: deed
            for key, deed in DEEDS.items()
            if user.state in deed.states and user.role != "owner" and current_user.may(deed.permission)
        },
    )


@blueprint.post("/<int:id>/role")
@requires("users.manage")
def change(id: int) -> ResponseReturnValue:
    """Give her another role."""
    return _do(
        id,
        lambda: staff.change(mainstem(), id, request.form.get("role", ""), "agent" in request.form, actor()),
        "The role is saved",
    )


@blueprint.post("/<int:id>/teams")
@requires("users.manage")
def change_teams(id: int) -> ResponseReturnValue:
    """Put her into other teams."""
    return _do(id, lambda: staff.set_teams(mainstem(), id, _team_ids(), actor()), "The teams are saved")


@blueprint.post("/<int:id>/resend")
@requires("users.manage")
def resend(id: int) -> ResponseReturnValue:
    """Invite her again."""
    return _do(id, lambda: invitations.resend(mainstem(), id, actor()), _mailed("Invited again"))


@blueprint.post("/<int:id>/reactivate")
@requires("users.manage")
def reactivate(id: int) -> ResponseReturnValue:
    """Let her in again."""
    return _do(id, lambda: staff.reactivate(mainstem(), id, actor()), "Reactivated")


@blueprint.get("/<int:id>/<any(revoke, delete):key>")
@requires("users.manage")
def ask(id: int, key: str) -> ResponseReturnValue:
    """Say what will happen, and ask whether to do it."""
    return _ask(id, key)


@blueprint.post("/<int:id>/<any(revoke, delete):key>")
@requires("users.manage")
def act(id: int, key: str) -> ResponseReturnValue:
    """Do it."""
    return _do(id, lambda: DEEDS[key].run(mainstem(), id, actor()), DEEDS[key].done, to_list=key == "delete")


@blueprint.get("/<int:id>/owner")
@requires("ownership.transfer")
def ask_owner(id: int) -> ResponseReturnValue:
    """Say what handing over ownership means, and ask whether to do it."""
    return _ask(id, "owner")


@blueprint.post("/<int:id>/owner")
@requires("ownership.transfer")
def hand_over(id: int) -> ResponseReturnValue:
    """Make her the owner."""
    return _do(id, lambda: DEEDS["owner"].run(mainstem(), id, actor()), DEEDS["owner"].done)


def _ask(id: int, key: str) -> ResponseReturnValue:
    user, deed = staff.get(session(), id), DEEDS[key]
    if user.state not in deed.states or user.role == "owner":
        abort(409)
    return render_template(
        "ask.html",
        crumb=(user.name or user.email, url_for("users.show", id=id)),
        question=deed.question.format(name=user.name or user.email),
        effect=deed.effect,
        action=request.path,
        button=deed.label,
        icon_name=deed.icon,
        danger=deed.danger,
    )


def _do(id: int, work: Callable[[], object], done: str, *, to_list: bool = False) -> ResponseReturnValue:
    try:
        work()
    except ServiceError as error:
        flash(str(error), "danger")
        return redirect(url_for("users.show", id=id))
    ring_for_mail()
    flash(done, "success")
    return redirect(url_for("users.index") if to_list else url_for("users.show", id=id))


def _mailed(done: str) -> str:
    """Return what is said after an invitation, with what is left to do where nothing sends mail."""
    if sends_mail():
        return done
    left = Markup('. No mail server is set, so nothing was sent: hand over the link from the <a href="{}">Outbox</a>')
    return done + left.format(url_for("outbox.index"))


def _team_ids() -> list[int]:
    return [int(text) for text in request.form.getlist("team") if text.isdecimal()]
