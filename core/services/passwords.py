"""Who forgot her password gets a link by email, by which she chooses another one."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, update
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import AuditEntry, User
from core.services import mail
from core.services.errors import Conflict, Invalid, NotFound
from core.services.invitations import remind
from core.services.mainstem import Mainstem
from core.services.signed import SignedLink
from core.services.sources import audit, now_utc
from core.services.users import EMAIL, PASSWORD_LENGTH, TooManyAttempts, fingerprint

USER, ENTRY = table_of(User), table_of(AuditEntry)

VALID = timedelta(hours=1)
ASKED = "ask for a password"
# In an hour, by the audit log. More mails help nobody; more questions from one address try out who is here.
MAILS = 3
QUESTIONS = 30
EMAIL_LENGTH = 254

LINK = SignedLink("new password", VALID, "This link is no longer valid: ask for a new one")


def ask(mainstem: Mainstem, email: str, address: str) -> None:
    """Write a link to whom this email belongs, if anybody; who has not accepted her invitation is reminded of it.

    Args:
        mainstem: The installation.
        email: In any case.
        address: Where the question comes from; questions are counted by it.

    Raises:
        Conflict: No mail server is set: nobody but the recipient may read such a link.
        Invalid: That is no email address.
        TooManyAttempts: Too many came from there in the last hour.
    """
    if mainstem.settings.smtp_url is None:
        raise Conflict("No mail server is set, so no link can be sent")
    email = email.strip().lower()
    if not (EMAIL.fullmatch(email) and email.isprintable() and len(email) <= EMAIL_LENGTH):
        raise Invalid({"email": "needs an address, such as ann@example.com"})
    with writing(mainstem.engine) as connection:
        if _asked(connection, ENTRY.c.actor == address) >= QUESTIONS:
            raise TooManyAttempts("Too many requests for a new password: wait an hour, then try again")
        mails = _asked(connection, ENTRY.c.target == email)
        audit(connection, address, ASKED, email)
        user = connection.execute(select(USER).where(USER.c.email == email)).mappings().one_or_none()
        if user is None or mails >= MAILS:
            return
        if user["state"] == "invited" and user["invited_at"]:
            remind(mainstem, connection, user["id"], email, user["invited_at"])
        elif user["state"] == "active":
            _write(mainstem, connection, user)


def _asked(connection: Connection, whose: ColumnElement[bool]) -> int:
    lately = ENTRY.c.at > now_utc() - VALID
    return connection.scalar(select(func.count()).where(ENTRY.c.action == ASKED, lately, whose)) or 0


def _write(mainstem: Mainstem, connection: Connection, user: RowMapping) -> None:
    mail.cancel(connection, user["id"])
    link = f"{mainstem.settings.public_url}/password/{token(mainstem, user['id'], user['password_hash'])}"
    body = (
        f"Somebody asked for a new password for your access to Mainstem.\n\nChoose it here:\n\n{link}\n\n"
        "The link works once, for an hour. If it was not you, do nothing: your password stays as it is.\n"
    )
    mail.write(mainstem, connection, user["email"], "Your new password for Mainstem", body, user["id"], private=True)


def token(mainstem: Mainstem, user_id: int, password_hash: str | None) -> str:
    """Return the signed text that lets a user choose a new password as long as she has the present one."""
    return LINK.token(mainstem, user_id, fingerprint(password_hash))


def chooser(session: Session, mainstem: Mainstem, token: str) -> User:
    """Return who may choose a new password by ``token``.

    Raises:
        NotFound: It is forged, too old or used, or she may not log in any more.
    """
    user_id, old = LINK.read(mainstem, token)
    user = session.get(User, user_id)
    if user is None or user.state != "active" or fingerprint(user.password_hash) != old:
        raise NotFound(LINK.worthless)
    return user


def choose(mainstem: Mainstem, token: str, password: str) -> User:
    """Give whoever holds a valid link the password she chose; her sessions elsewhere end.

    Args:
        mainstem: The installation.
        token: From the link.
        password: At least :data:`core.services.users.PASSWORD_LENGTH` characters.

    Raises:
        NotFound: The link is worth nothing.
        Invalid: The password is too short.
    """
    if len(password) < PASSWORD_LENGTH:
        raise Invalid({"password": f"needs at least {PASSWORD_LENGTH} characters"})
    with Session(mainstem.engine) as session:
        known = chooser(session, mainstem, token)
        user_id, old_hash = known.id, known.password_hash
    with writing(mainstem.engine) as connection:
        # With the same password still: of two who hold the link, one gets in.
        hers = update(USER).where(USER.c.id == user_id, USER.c.state == "active", USER.c.password_hash == old_hash)
        values = {"password_hash": generate_password_hash(password), "last_login_at": now_utc()}
        email = connection.execute(hers.values(values).returning(USER.c.email)).scalar_one_or_none()
        if email is None:
            raise NotFound(LINK.worthless)
        mail.cancel(connection, user_id)
        audit(connection, email, "choose password", f"user {user_id}")
    with Session(mainstem.engine, expire_on_commit=False) as session:
        return session.get_one(User, user_id)
