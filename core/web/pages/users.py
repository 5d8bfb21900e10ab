"""Those who may log in."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from core.services.users import list_users
from core.web.database import session

blueprint = Blueprint("users", __name__, url_prefix="/users")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """List them."""
    return render_template("users/index.html", users=list_users(session()))
