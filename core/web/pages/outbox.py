"""The outbox: mail that waits, was sent or failed."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.services import mail
from core.web import params
from core.web.access import actor, mainstem, requires
from core.web.database import session
from core.web.ringing import ring_for_mail

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")


@blueprint.get("/")
@requires("mail.read")
def index() -> ResponseReturnValue:
    """List mail, the last first."""
    state = request.args.get("state", "")
    letters, more = mail.outbox(session(), mainstem(), state, params.number("before"))
    return render_template("outbox.html", letters=letters, more=more, state=state, states=mail.STATES)


@blueprint.post("/<int:id>/again")
@requires("mail.read")
def again(id: int) -> ResponseReturnValue:
    """Try a mail that failed again."""
    mail.send_again(mainstem(), id, actor())
    ring_for_mail()
    flash("It is tried again", "success")
    return redirect(url_for("outbox.index"))
