"""Logging in and out."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from core.services.users import TooManyAttempts, authenticate
from core.web.access import enter, mainstem, public, safe_next

blueprint = Blueprint("auth", __name__)

# One text for all reasons: it must not tell which emails are known.
WRONG = "Email and password do not belong together, or this user has no access"


@blueprint.get("/login")
@public
def login() -> ResponseReturnValue:
    """Ask who it is."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return render_template("login.html", email="", error="")


@blueprint.post("/login")
@public
def log_in() -> ResponseReturnValue:
    """Let in whom email and password belong to."""
    email = request.form.get("email", "")
    try:
        user = authenticate(mainstem(), email, request.form.get("password", ""), request.remote_addr or "")
    except TooManyAttempts as error:
        return render_template("login.html", email=email, error=str(error)), 429
    if user is None:
        return render_template("login.html", email=email, error=WRONG), 401
    enter(user)
    return redirect(safe_next(request.args.get("next")))


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    """End the session."""
    logout_user()
    session.clear()
    return redirect(url_for("auth.login"))
