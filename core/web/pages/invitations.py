"""Where an invitation leads: a password is set, and one is in."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import invitations
from core.services.errors import Invalid
from core.services.users import PASSWORD_LENGTH
from core.web.access import enter, mainstem, public
from core.web.database import session

blueprint = Blueprint("invitations", __name__, url_prefix="/accept")


@blueprint.get("/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Ask for a password."""
    return _page(token, {})


@blueprint.post("/<token>")
@public
def accept(token: str) -> ResponseReturnValue:
    """Set it, and log in."""
    form = request.form
    if form.get("password") != form.get("again"):
        return _page(token, {"again": "differs from the password above"}), 400
    try:
        user = invitations.accept(mainstem(), token, form.get("name", ""), form.get("password", ""))
    except Invalid as error:
        return _page(token, error.errors), 400
    enter(user)
    flash("Welcome to Mainstem", "success")
    return redirect(url_for("home.index"))


def _page(token: str, errors: dict[str, str]) -> str:
    user = invitations.invited(session(), mainstem(), token)
    name = request.form.get("name", user.name)
    return render_template("accept.html", user=user, name=name, errors=errors, length=PASSWORD_LENGTH)
