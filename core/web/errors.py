"""What people see when something is wrong: each page says what to do next."""

from __future__ import annotations

import logging

from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from core.services.errors import Conflict, Invalid, NotFound, ServiceError

log = logging.getLogger(__name__)

TITLES = {
    400: "This request cannot be understood",
    403: "Your role does not allow this",
    404: "There is no such page",
    405: "This cannot be done here",
    409: "This cannot be done now",
    413: "That is too much at once",
    500: "Something went wrong on our side",
    503: "The database does not answer as it should",
}
ADVICE = {
    400: "Go back, reload the page and try again.",
    403: "Ask the owner or an admin of this installation to do it, or to change your role.",
    404: "Check the address, or start from one of the lists.",
    405: "Go back to the page you came from and use its buttons.",
    409: "Go back and look at the present state.",
    413: "Send less than a megabyte.",
    500: "Try again in a minute. If it stays, look into the server's log for this moment.",
    503: "Check that it runs and is migrated: «mainstem doctor» says what is wrong and how to mend it.",
}
STATUS: dict[type[ServiceError], int] = {NotFound: 404, Conflict: 409, Invalid: 400}


def install(app: Flask) -> None:
    """Let ``app`` answer errors with pages."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(ServiceError, _service)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(Exception, _bug)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error.get_response()
    return _page(error.code)


def _csrf(error: CSRFError) -> ResponseReturnValue:
    return _page(400, "This form is no longer valid", "Go back, reload the page and send it again.")


def _service(error: ServiceError) -> ResponseReturnValue:
    return _page(STATUS.get(type(error), 400), str(error))


def _database(error: OperationalError) -> ResponseReturnValue:
    log.error("the database failed at %s %s: %s", request.method, request.path, error.orig)
    return _page(503)


def _bug(error: Exception) -> ResponseReturnValue:
    log.error("unexpected error at %s %s", request.method, request.path, exc_info=error)
    return _page(500)


def _page(status: int, title: str = "", advice: str = "") -> ResponseReturnValue:
    title = title or TITLES.get(status, "This did not work")
    advice = advice or ADVICE.get(status, "Go back and try again.")
    said = {"status": status, "title": title, "advice": advice}
    if status >= 500:
        # Without the context of other pages: who looks is in the database, which may be the very thing that fails.
        return current_app.jinja_env.get_template("error.html").render(layout="bare.html", **said), status
    return render_template("error.html", layout="layout.html", **said), status
