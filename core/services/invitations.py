"""Who is asked to work here gets a link by email, and is in once she has set a password (R30)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from core.db.bulk import insert_missing, table_of
from core.db.engine import writing
from core.db.models import TeamMember, User
from core.services import mail
from core.services.configuration import ROLES
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.signed import SignedLink
from core.services.sources import audit, now_utc
from core.services.users import EMAIL, PASSWORD_LENGTH

USER, MEMBER = table_of(User), table_of(TeamMember)

VALID = timedelta(days=7)
MOST = 100
"""So many may be invited at once."""

LINK = SignedLink("invitation", VALID, "This invitation is no longer valid: ask the owner or an admin for a new one")


def invite(mainstem: Mainstem, emails: str, role: str, agent: bool, teams: Iterable[int], actor: str) -> Sequence[int]:
    """Add users and write an invitation to each.

    Args:
        mainstem: The installation.
        emails: Addresses, separated by commas, semicolons or white space.
        role: Any but owner.
        agent: They work in the inbox.
        teams: Ids of the teams they will be in.
        actor: Who does it.

    Returns:
        Their ids.

    Raises:
        Invalid: An address or the role.
        Conflict: Somebody with one of the addresses is here already.
    """
    addresses = list(dict.fromkeys(emails.replace(",", " ").replace(";", " ").lower().split()))
    wrong = [address for address in addresses if not EMAIL.fullmatch(address)]
    errors = {}
    if wrong:
        errors["emails"] = f"no email address: {', '.join(wrong)}"
    elif not 1 <= len(addresses) <= MOST:
        errors["emails"] = f"give between 1 and {MOST} addresses"
    if role not in ROLES[1:]:
        errors["role"] = f"must be one of {', '.join(ROLES[1:])}"
    if errors:
        raise Invalid(errors)
    with writing(mainstem.engine) as connection:
        return [_add(mainstem, connection, address, role, agent, list(teams), actor) for address in addresses]


def _add(
    mainstem: Mainstem, connection: Connection, email: str, role: str, agent: bool, teams: list[int], actor: str
) -> int:
    known = connection.execute(select(USER).where(USER.c.email == email).with_for_update()).mappings().one_or_none()
    if known is not None and known["state"] != "deleted":
        mend = ": reactivate this user" if known["state"] == "revoked" else ""
        raise Conflict(f"There is already a user with the email {email}{mend}")
    values = {"role": role, "agent": agent, "state": "invited", "imported": False, "gone_at": None}
    if known is None:
        fresh = {**values, "email": email, "created_at": now_utc()}
        id = int(connection.execute(USER.insert().values(fresh).returning(USER.c.id)).scalar_one())
    else:
        id = int(known["id"])
        connection.execute(update(USER).where(USER.c.id == id).values(values))
    members = [{"team_id": team, "user_id": id, "source_id": None, "removed": False} for team in sorted(set(teams))]
    insert_missing(connection, MEMBER, members)
    write_invitation(mainstem, connection, id, email, actor)
    audit(connection, actor, "invite", f"user {id}", role=role)
    return id


def invite_imported(mainstem: Mainstem, connection: Connection) -> int:
    """Write an invitation to every imported user who has not had one.

    Args:
        mainstem: The installation.
        connection: The transaction that imported them.

    Returns:
        How many were written.
    """
    waiting = select(USER.c.id, USER.c.email).where(
        USER.c.state == "invited", USER.c.invited_at.is_(None), USER.c.source_id.is_not(None), USER.c.gone_at.is_(None)
    )
    rows = connection.execute(waiting.order_by(USER.c.id).with_for_update()).all()
    for row in rows:
        write_invitation(mainstem, connection, row.id, row.email, "")
    return len(rows)


def resend(mainstem: Mainstem, user_id: int, actor: str) -> None:
    """Write another invitation; the links of earlier ones are worth nothing from here on.

    Raises:
        NotFound: There is no such user.
        Conflict: She has accepted, or is revoked.
    """
    with writing(mainstem.engine) as connection:
        user = connection.execute(select(USER).where(USER.c.id == user_id).with_for_update()).mappings().one_or_none()
        if user is None or user["state"] == "deleted":
            raise NotFound(f"There is no user {user_id}")
        if user["state"] != "invited":
            raise Conflict("Only somebody who has not accepted yet can be invited again")
        write_invitation(mainstem, connection, user_id, user["email"], actor)
        audit(connection, actor, "invite again", f"user {user_id}")


def write_invitation(mainstem: Mainstem, connection: Connection, user_id: int, email: str, inviter: str) -> None:
    """Put an invitation into the outbox, in place of earlier ones.

    Args:
        mainstem: The installation.
        connection: A write transaction.
        user_id: Whom it is for.
        email: Her address.
        inviter: Who invites; "" when it is nobody in particular.
    """
    now = now_utc()
    connection.execute(update(USER).where(USER.c.id == user_id).values(invited_at=now))
    _write(mainstem, connection, user_id, email, inviter, now)


def remind(mainstem: Mainstem, connection: Connection, user_id: int, email: str, invited_at: datetime) -> None:
    """Write an invitation once more; earlier links stay good, as it need not be the invited one who asks for it."""
    _write(mainstem, connection, user_id, email, "", invited_at)


def _write(
    mainstem: Mainstem, connection: Connection, user_id: int, email: str, inviter: str, invited_at: datetime
) -> None:
    mail.cancel(connection, user_id)
    who = f"{inviter} invites you" if "@" in inviter else "You are invited"
    address = f"{mainstem.settings.public_url}/accept/{token(mainstem, user_id, invited_at)}"
    body = (
        f"{who} to work with Mainstem, where your organization keeps what it knows of its customers.\n\n"
        f"Accept by choosing a password:\n\n{address}\n\n"
        f"The link is for you alone and works for {VALID.days} days. If you expected nothing of the kind, do nothing.\n"
    )
    mail.write(mainstem, connection, email, "Your invitation to Mainstem", body, user_id)


def token(mainstem: Mainstem, user_id: int, invited_at: datetime) -> str:
    """Return the signed text that lets a user accept the invitation of ``invited_at``, and no other one."""
    return LINK.token(mainstem, user_id, invited_at.isoformat())


def invited(session: Session, mainstem: Mainstem, token: str) -> User:
    """Return who may accept by ``token``.

    Raises:
        NotFound: It is forged, too old, replaced by a later one, used, or withdrawn.
    """
    user_id, moment = LINK.read(mainstem, token)
    user = session.get(User, user_id)
    if user is None or user.state != "invited" or user.invited_at != datetime.fromisoformat(moment):
        raise NotFound(LINK.worthless)
    return user


def accept(mainstem: Mainstem, token: str, name: str, password: str) -> User:
    """Let in whoever holds a valid invitation.

    Args:
        mainstem: The installation.
        token: From the link.
        name: For people; "" keeps the one that is known.
        password: At least :data:`core.services.users.PASSWORD_LENGTH` characters.

    Returns:
        The user, who is active now.

    Raises:
        NotFound: The invitation is worth nothing.
        Invalid: The password is too short.
    """
    user_id, moment = LINK.read(mainstem, token)
    if len(password) < PASSWORD_LENGTH:
        raise Invalid({"password": f"needs at least {PASSWORD_LENGTH} characters"})
    values = {"state": "active", "password_hash": generate_password_hash(password), "last_login_at": now_utc()}
    if name.strip():
        values["name"] = name.strip()[:100]
    with writing(mainstem.engine) as connection:
        hers = update(USER).where(
            USER.c.id == user_id, USER.c.state == "invited", USER.c.invited_at == datetime.fromisoformat(moment)
        )
        email = connection.execute(hers.values(values).returning(USER.c.email)).scalar_one_or_none()
        if email is None:
            raise NotFound(LINK.worthless)
        mail.cancel(connection, user_id)
        audit(connection, email, "accept invitation", f"user {user_id}")
    with Session(mainstem.engine, expire_on_commit=False) as session:
        return session.get_one(User, user_id)
