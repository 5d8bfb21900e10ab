"""A password that was forgotten: a link is asked for, and leads to where another one is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import passwords
from core.services.errors import Invalid
from core.services.users import PASSWORD_LENGTH, TooManyAttempts
from core.web.access import enter, mainstem, public
from core.web.database import session
from core.web.ringing import ring_for_mail

blueprint = Blueprint("passwords", __name__)


@blueprint.get("/forgotten")
@public
def forgotten() -> ResponseReturnValue:
    """Ask whose password it is."""
    return _forgotten()


@blueprint.post("/forgotten")
@public
def ask() -> ResponseReturnValue:
    """Write a link; the answer is the same whether anybody has this email."""
    email = request.form.get("email", "")
    try:
        passwords.ask(mainstem(), email, request.remote_addr or "")
    except TooManyAttempts as error:
        return _forgotten(error=str(error)), 429
    except Invalid as error:
        return _forgotten(email=email, errors=error.errors), 400
    ring_for_mail()
    return _forgotten(asked=email.strip())


def _forgotten(asked: str = "", email: str = "", error: str = "", errors: Mapping[str, str] | None = None) -> str:
    return render_template("forgotten.html", asked=asked, email=email, error=error, errors=errors or {})


@blueprint.get("/password/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Ask for the new password."""
    return _page(token, {})


@blueprint.post("/password/<token>")
@public
def choose(token: str) -> ResponseReturnValue:
    """Keep it, and log in."""
    form = request.form
    if form.get("password") != form.get("again"):
        return _page(token, {"again": "differs from the password above"}), 400
    try:
        user = passwords.choose(mainstem(), token, form.get("password", ""))
    except Invalid as error:
        return _page(token, error.errors), 400
    enter(user)
    flash("Your new password is kept, and you are logged in", "success")
    return redirect(url_for("home.index"))


def _page(token: str, errors: dict[str, str]) -> str:
    user = passwords.chooser(session(), mainstem(), token)
    return render_template("password.html", user=user, errors=errors, length=PASSWORD_LENGTH)
