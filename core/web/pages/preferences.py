"""What a user chooses for herself."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from core.services.users import set_theme
from core.web.access import mainstem, safe_next

blueprint = Blueprint("preferences", __name__, url_prefix="/preferences")


@blueprint.post("/theme")
def theme() -> ResponseReturnValue:
    """Keep the theme and go back."""
    set_theme(mainstem(), current_user.id, request.form.get("theme", ""))
    return redirect(safe_next(request.form.get("next")))
