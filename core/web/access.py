"""Who may see what. One gate before every request: a view is closed unless it says otherwise.

A view marked :func:`public` needs no login; one marked :func:`requires` needs a role that has the permission; all
others need a login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, make_response, redirect, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_user

from core.db.models import User
from core.services.mainstem import Mainstem
from core.services.users import THEMES, fingerprint
from core.web.database import session


@dataclass(frozen=True, slots=True)
class Permission:
    """What needs more than a login: in words, and who may."""

    label: str
    roles: frozenset[str]


_ADMINS = frozenset({"owner", "admin"})
_EDITORS = _ADMINS | {"standard"}

PERMISSIONS: Mapping[str, Permission] = MappingProxyType(
    {
        "people.edit": Permission("Archive, restore and tag people and organizations, undo merges", _EDITORS),
        "people.export": Permission("Download lists of people and organizations", _EDITORS),
        "people.erase": Permission("Delete archived people and organizations for good", _ADMINS),
        "sources.manage": Permission("Connect, change, sync, disconnect and delete data sources", _ADMINS),
        "users.manage": Permission("Invite users, change their role and teams, revoke and delete them", _ADMINS),
        "teams.manage": Permission("Make, rename and delete teams, and say who is in them", _ADMINS),
        "mail.read": Permission("Read the outbox, and send mail again", _ADMINS),
        "audit.read": Permission("Read the audit log", _ADMINS),
        "ownership.transfer": Permission("Hand over ownership", frozenset({"owner"})),
    }
)
"""All that needs more than a login. Whoever may log in may read everything else, and change her own settings."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user who looks at a page. A session ends when her password changes or she is revoked.

    ``columns`` holds the keys of those she chose for the tables of people and organizations.
    """

    id: int
    email: str
    name: str
    role: str
    theme: str
    columns: Mapping[str, Sequence[str]]
    fingerprint: str
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    @classmethod
    def of(cls, user: User) -> Viewer:
        """Return the viewer that ``user`` is."""
        theme = user.preferences.get("theme")
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            theme=theme if theme in THEMES else "system",
            columns=user.preferences.get("columns", {}),
            fingerprint=fingerprint(user.password_hash),
        )

    def get_id(self) -> str:
        """Return what the session cookie keeps."""
        return f"{self.id}.{self.fingerprint}"

    def may(self, permission: str) -> bool:
        """Tell whether her role has ``permission``."""
        return self.role in PERMISSIONS[permission].roles


class Anonymous:
    """Someone who is not logged in."""

    is_authenticated = False
    is_active = False
    is_anonymous = True
    theme = "system"

    def get_id(self) -> None:
        """Return nothing to keep."""

    def may(self, permission: str) -> bool:
        """Allow nothing."""
        return False


def enter(user: User) -> None:
    """Begin a session of ``user``; nothing of an earlier one, of whomever, is left."""
    cookie.clear()
    cookie.permanent = True
    login_user(Viewer.of(user))


def public(view: View) -> View:
    """Mark a view that needs no login."""
    view.public = True  # type: ignore[attr-defined]
    return view


def requires(permission: str) -> Callable[[View], View]:
    """Mark a view that needs ``permission``, a key of :data:`PERMISSIONS`."""
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def safe_next(target: str | None) -> str:
    """Return ``target`` if it is a path of this site, else the first page."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable():
        split = urlsplit(target)
        if not split.scheme and not split.netloc:
            return target
    return url_for("home.index")


def mainstem() -> Mainstem:
    """Return the installation that this application works on."""
    found: Mainstem = current_app.extensions["mainstem"]
    return found


def actor() -> str:
    """Return who acts, for the audit log."""
    email: str = current_user.email
    return email


def install(app: Flask) -> None:
    """Put the gate before every request of ``app``."""
    manager = LoginManager(app)
    manager.session_protection = "basic"
    manager.anonymous_user = Anonymous
    manager.user_loader(_load)
    app.before_request(_gate)


def _load(id: str) -> Viewer | None:
    number, _, _ = id.partition(".")
    user = session().get(User, int(number)) if number.isdecimal() else None
    if user is None or user.state != "active":
        return None
    viewer = Viewer.of(user)
    return viewer if viewer.get_id() == id else None


def _gate() -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint == "static":
        return None
    view = current_app.view_functions[request.endpoint]
    if getattr(view, "public", False):
        return None
    if not current_user.is_authenticated:
        return _to_login()
    permission = getattr(view, "permission", None)
    if permission is not None and not current_user.may(permission):
        abort(403)
    return None


def _to_login() -> ResponseReturnValue:
    if "HX-Request" in request.headers:
        # A redirect would put the login form into the middle of the page.
        return make_response("", 401, {"HX-Redirect": url_for("auth.login")})
    asked = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=None if asked == "/" else asked))
