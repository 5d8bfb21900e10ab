"""Those who may log in: adding them, listing them, and checking who they are."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from core.contract.fields import Entity
from core.db.bulk import lock_table, table_of
from core.db.engine import writing
from core.db.models import AuditEntry, User
from core.services.configuration import ROLES
from core.services.errors import Conflict, Invalid, NotFound, ServiceError
from core.services.mainstem import Mainstem
from core.services.sources import audit, now_utc

THEMES = ("system", "light", "dark")
PASSWORD_LENGTH = 10

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost")

FAILED_LOGIN = "fail to log in"
FAILURE_WINDOW = timedelta(minutes=15)
# Failures in the window after which attempts are refused unseen. The audit log is the counter, so all web processes
# share it and a restart forgets nothing. One address alone cannot lock a user out everywhere: the limit of an email
# over all addresses is far above that of one address.
FAILURES_OF_EMAIL_AT_ADDRESS = 5
FAILURES_OF_ADDRESS = 50
FAILURES_OF_EMAIL = 100

# What an unknown email is checked against, so that the time of the answer does not tell whether it is known.
_NOBODY = generate_password_hash(secrets.token_urlsafe())


class TooManyAttempts(ServiceError):
    """Logging in failed too often, or a password was forgotten too often; nothing is done for a while."""


def fingerprint(password_hash: str | None) -> str:
    """Return what tells a password from any other: sessions and links end when it changes."""
    return sha256((password_hash or "").encode()).hexdigest()[:16]


def add_user(
    mainstem: Mainstem, email: str, role: str, name: str = "", password: str | None = None, actor: str = "command line"
) -> tuple[int, str | None]:
    """Add an active user.

    Args:
        mainstem: The installation.
        email: Her address; kept in lower case.
        role: One of :data:`core.services.configuration.ROLES`.
        name: For people; may be empty.
        password: At least :data:`PASSWORD_LENGTH` characters; None makes one.
        actor: Who does it, for the audit log.

    Returns:
        Her id, and the password if it was made here.

    Raises:
        Invalid: Email, role or password.
        Conflict: There is a user with this email, or an owner already.
    """
    email = email.strip().lower()
    errors = {}
    if not EMAIL.fullmatch(email):
        errors["email"] = f"{email!r} is no email address"
    if role not in ROLES:
        errors["role"] = f"unknown role {role!r}: allowed are {', '.join(ROLES)}"
    if password is not None and len(password) < PASSWORD_LENGTH:
        errors["password"] = f"needs at least {PASSWORD_LENGTH} characters"
    if errors:
        raise Invalid(errors)
    made = secrets.token_urlsafe(12) if password is None else None
    values = {
        "email": email,
        "name": name.strip(),
        "role": role,
        "state": "active",
        "agent": role == "agent",
        "password_hash": generate_password_hash(password or made or ""),
        "created_at": now_utc(),
    }
    try:
        with writing(mainstem.engine) as connection:
            if role == "owner":
                _refuse_second_owner(connection)
            deleted = update(User).where(User.email == email, User.state == "deleted")
            id = connection.execute(deleted.values(values).returning(User.id)).scalar_one_or_none()
            if id is None:
                id = connection.execute(insert(User).values(values).returning(User.id)).scalar_one()
            audit(connection, actor, "add", f"user {id}", role=role)
    except IntegrityError:
        raise Conflict(f"There is already a user with the email {email}") from None
    return id, made


def _refuse_second_owner(connection: Connection) -> None:
    lock_table(connection, table_of(User))
    owner = connection.scalar(select(User.email).where(User.role == "owner", User.state != "deleted").limit(1))
    if owner is not None:
        raise Conflict(f"The owner is {owner}, and there is one only: add an admin, or hand over ownership")


def reset_password(mainstem: Mainstem, user_id: int, actor: str = "command line") -> str:
    """Give a user a new password, made here, and let her in if she was not.

    Raises:
        NotFound: There is no such user.
    """
    made = secrets.token_urlsafe(12)
    values = {"password_hash": generate_password_hash(made), "state": "active"}
    with writing(mainstem.engine) as connection:
        if not connection.execute(update(User).where(User.id == user_id).values(values)).rowcount:
            raise NotFound(f"There is no user {user_id}")
        audit(connection, actor, "reset password", f"user {user_id}")
    return made


def list_users(session: Session) -> Sequence[User]:
    """Return all users, those who may log in first, by name and email."""
    order = (User.state == "revoked", func.lower(User.name), User.email)
    return session.scalars(select(User).where(User.state != "deleted").order_by(*order)).all()


def authenticate(mainstem: Mainstem, email: str, password: str, address: str = "") -> User | None:
    """Return the active user whom email and password belong to.

    Args:
        mainstem: The installation.
        email: In any case.
        password: As typed.
        address: Where the attempt comes from; attempts are counted by it.

    Raises:
        TooManyAttempts: Too many failed in the last :data:`FAILURE_WINDOW`.
    """
    email = email.strip().lower()
    with Session(mainstem.engine, expire_on_commit=False) as session:
        _throttle(session, email, address)
        user = session.scalar(select(User).where(User.email == email))
    known = user is not None and user.state == "active" and user.password_hash is not None
    matches = check_password_hash(user.password_hash or _NOBODY if user and known else _NOBODY, password)
    passed = known and matches
    with writing(mainstem.engine) as connection:
        if passed and user is not None:
            connection.execute(update(User).where(User.id == user.id).values(last_login_at=now_utc()))
        else:
            audit(connection, address, FAILED_LOGIN, email)
    return user if passed else None


def set_theme(mainstem: Mainstem, user_id: int, theme: str) -> None:
    """Keep which theme a user wants, one of :data:`THEMES`.

    Raises:
        Invalid: There is no such theme.
        NotFound: There is no such user.
    """
    if theme not in THEMES:
        raise Invalid({"theme": f"unknown theme {theme!r}: allowed are {', '.join(THEMES)}"})
    _keep(mainstem, user_id, lambda kept: {**kept, "theme": theme})


def set_columns(mainstem: Mainstem, user_id: int, kind: Entity, keys: Sequence[str] | None) -> None:
    """Keep which columns a user wants in the table of people, or of organizations; None for the default ones.

    Raises:
        NotFound: There is no such user.
    """

    def change(kept: dict[str, Any]) -> dict[str, Any]:
        columns = {key: value for key, value in kept.get("columns", {}).items() if key != kind}
        return {**kept, "columns": columns if keys is None else {**columns, kind: list(keys)}}

    _keep(mainstem, user_id, change)


def _keep(mainstem: Mainstem, user_id: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    hers = select(User.preferences).where(User.id == user_id)
    with writing(mainstem.engine) as connection:
        kept = connection.execute(hers.with_for_update()).scalar_one_or_none()
        if kept is None:
            raise NotFound(f"There is no user {user_id}")
        connection.execute(update(User).where(User.id == user_id).values(preferences=change(kept)))


def _throttle(session: Session, email: str, address: str) -> None:
    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(condition)

    of_email, of_address = AuditEntry.target == email, AuditEntry.actor == address
    both, by_address, by_email = session.execute(
        select(count(of_email & of_address), count(of_address), count(of_email)).where(
            AuditEntry.at > now_utc() - FAILURE_WINDOW, AuditEntry.action == FAILED_LOGIN
        )
    ).one()
    if both >= FAILURES_OF_EMAIL_AT_ADDRESS or by_address >= FAILURES_OF_ADDRESS or by_email >= FAILURES_OF_EMAIL:
        minutes = int(FAILURE_WINDOW.total_seconds() // 60)
        raise TooManyAttempts(f"Too many failed attempts: wait {minutes} minutes, then try again")
