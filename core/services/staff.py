"""Those who work here, as owner and admins manage them (R31). There is exactly one owner, always."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, String, func, select, update
from sqlalchemy.orm import Session

from core.db.bulk import insert_missing, table_of
from core.db.engine import writing
from core.db.models import Team, TeamMember, User
from core.services import invitations, mail, paging
from core.services.configuration import ROLES
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.searching import mentions
from core.services.sources import audit

USER, TEAM, MEMBER = table_of(User), table_of(Team), table_of(TeamMember)

SHOWN = User.state != "deleted"
ORDER = paging.Order(
    (User.state == "revoked", func.lower(User.name, type_=String()), User.email), User.id, descending=False
)

AWAITED = (User.state == "invited", User.gone_at.is_(None))
"""The condition that somebody is invited and may still come: who is no longer imported is not waited for."""


@dataclass(frozen=True, slots=True)
class Member:
    """A line of the list of users, with the teams she is in."""

    user: User
    teams: Sequence[Team]


@dataclass(frozen=True, slots=True)
class Query:
    """Which users are asked for.

    Attributes:
        text: Each of its words is part of the name or the email; "" for all.
        role: Only those with this role; "" for all.
        state: Only those in this state, of the invited ones whom an invitation waits for; ``gone`` for those who are
            no longer imported; "" for all.
        team: Only those in this team.
    """

    text: str = ""
    role: str = ""
    state: str = ""
    team: int | None = None


def everybody(session: Session) -> Sequence[User]:
    """Return all users by name and email, those who may log in first."""
    return session.scalars(select(User).where(SHOWN).order_by(*ORDER.keys, ORDER.id)).all()


def page(session: Session, query: Query, cursor: str | None = None, size: int = 50) -> paging.Page[Member]:
    """Return a page of the users that are asked for, in the order of :func:`everybody`.

    Args:
        session: Where to read.
        query: Which users.
        cursor: Of the page; None for the first.
        size: Users on a page.

    Raises:
        NotFound: The cursor is malformed.
    """
    rows = select(User).where(SHOWN, *_narrowed(query), *mentions(query.text, User.name, User.email))
    return paging.page(session, rows, ORDER, cursor, size).map(lambda users: _members(session, users))


def _narrowed(query: Query) -> Iterator[ColumnElement[bool]]:
    if query.role:
        yield User.role == query.role
    if query.state == "gone":
        yield User.gone_at.is_not(None)
    elif query.state == "invited":
        yield from AWAITED
    elif query.state:
        yield User.state == query.state
    if query.team is not None:
        inside = select(TeamMember.user_id).where(TeamMember.team_id == query.team, ~TeamMember.removed)
        yield User.id.in_(inside)


def _members(session: Session, users: Sequence[User]) -> list[Member]:
    teams = teams_of(session, [user.id for user in users])
    return [Member(user, teams.get(user.id, ())) for user in users]


def teams_of(session: Session, user_ids: Iterable[int]) -> Mapping[int, Sequence[Team]]:
    """Return the teams that each of several users is in, by name."""
    rows = session.execute(
        select(TeamMember.user_id, Team)
        .join(Team, Team.id == TeamMember.team_id)
        .where(
            TeamMember.user_id.in_(list(user_ids)),
            ~TeamMember.removed,
            Team.gone_at.is_(None),
            Team.deleted_at.is_(None),
        )
        .order_by(func.lower(Team.name), Team.id)
    )
    found: dict[int, list[Team]] = {}
    for user_id, team in rows:
        found.setdefault(user_id, []).append(team)
    return found


def get(session: Session, user_id: int) -> User:
    """Return a user.

    Raises:
        NotFound: There is no such user.
    """
    user = session.get(User, user_id)
    if user is None or user.state == "deleted":
        raise NotFound(f"There is no user {user_id}: they may have been deleted")
    return user


def change(mainstem: Mainstem, user_id: int, role: str, agent: bool, actor: str) -> None:
    """Give a user another role, and say whether she works in the inbox.

    Raises:
        NotFound: There is no such user.
        Invalid: There is no such role to give.
        Conflict: She is the owner, has not accepted yet, or is the actor herself.
    """
    if role not in ROLES[1:]:
        raise Invalid({"role": f"must be one of {', '.join(ROLES[1:])}"})
    with writing(mainstem.engine) as connection:
        user = _lock(connection, user_id)
        _not_oneself(user, actor)
        _not_owner(user)
        if user["state"] == "invited":
            raise Conflict("Role and access can be changed once the invitation is accepted")
        connection.execute(update(USER).where(USER.c.id == user_id).values(role=role, agent=agent))
        audit(connection, actor, "change role", f"user {user_id}", before=user["role"], after=role, agent=agent)


def revoke(mainstem: Mainstem, user_id: int, actor: str) -> None:
    """Let a user in no more; her sessions end at once.

    Raises:
        NotFound: There is no such user.
        Conflict: She is the owner, is revoked, or is the actor herself.
    """
    with writing(mainstem.engine) as connection:
        user = _lock(connection, user_id)
        _not_oneself(user, actor)
        _not_owner(user)
        if user["state"] == "revoked":
            raise Conflict("This user is revoked already")
        mail.cancel(connection, user_id)
        connection.execute(update(USER).where(USER.c.id == user_id).values(state="revoked"))
        audit(connection, actor, "revoke", f"user {user_id}")


def reactivate(mainstem: Mainstem, user_id: int, actor: str) -> None:
    """Let a revoked user in again; one who never had a password is invited.

    Raises:
        NotFound: There is no such user.
        Conflict: She is not revoked.
    """
    with writing(mainstem.engine) as connection:
        user = _lock(connection, user_id)
        if user["state"] != "revoked":
            raise Conflict("Only a revoked user can be reactivated")
        known = user["password_hash"] is not None
        back = update(USER).where(USER.c.id == user_id)
        connection.execute(back.values(state="active" if known else "invited"))
        if not known:
            invitations.write_invitation(mainstem, connection, user_id, user["email"], actor)
        audit(connection, actor, "reactivate", f"user {user_id}")


def delete(mainstem: Mainstem, user_id: int, actor: str) -> None:
    """Delete a user who has not accepted, or is revoked. She may be invited anew; a sync does not bring her back.

    Raises:
        NotFound: There is no such user.
        Conflict: She is active: revoke her first.
    """
    with writing(mainstem.engine) as connection:
        user = _lock(connection, user_id)
        _not_owner(user)
        if user["state"] == "active":
            raise Conflict("This user is active: revoke their access first")
        mail.cancel(connection, user_id)
        connection.execute(MEMBER.delete().where(MEMBER.c.user_id == user_id))
        gone: dict[str, Any] = {"state": "deleted", "password_hash": None, "preferences": {}}
        connection.execute(update(USER).where(USER.c.id == user_id).values(gone))
        audit(connection, actor, "delete", f"user {user_id}")


def transfer_ownership(mainstem: Mainstem, user_id: int, actor: str) -> None:
    """Make a user the owner, and the one who was an admin.

    Args:
        mainstem: The installation.
        user_id: Who becomes the owner.
        actor: The owner's email.

    Raises:
        NotFound: There is no such user.
        Conflict: The actor is not the owner, or the receiver is not active.
    """
    with writing(mainstem.engine) as connection:
        of_both = (USER.c.email == actor) | (USER.c.id == user_id)
        rows = connection.execute(select(USER).where(of_both).order_by(USER.c.id).with_for_update()).mappings().all()
        giver = next((row for row in rows if row["email"] == actor and row["role"] == "owner"), None)
        receiver = next((row for row in rows if row["id"] == user_id and row["state"] != "deleted"), None)
        if receiver is None:
            raise NotFound(f"There is no user {user_id}")
        if giver is None or giver["state"] != "active":
            raise Conflict("Only the owner can hand over ownership")
        if receiver["state"] != "active" or receiver["id"] == giver["id"]:
            raise Conflict("Ownership goes to another user who is active")
        connection.execute(update(USER).where(USER.c.id == giver["id"]).values(role="admin"))
        connection.execute(update(USER).where(USER.c.id == user_id).values(role="owner"))
        audit(connection, actor, "transfer ownership", f"user {user_id}")


def set_teams(mainstem: Mainstem, user_id: int, teams: Iterable[int], actor: str) -> None:
    """Let a user be in these teams and in no others.

    Raises:
        NotFound: There is no such user, or no such team.
    """
    wanted = set(teams)
    with writing(mainstem.engine) as connection:
        _lock(connection, user_id)
        shown = select(TEAM.c.id).where(TEAM.c.deleted_at.is_(None), TEAM.c.gone_at.is_(None))
        present = set(connection.scalars(shown))
        if wanted - present:
            raise NotFound("There is no such team: reload the page")
        mine = select(MEMBER.c.team_id).where(MEMBER.c.user_id == user_id, ~MEMBER.c.removed)
        now = set(connection.scalars(mine)) & present
        put(connection, [(team, user_id) for team in wanted - now])
        take_out(connection, [(team, user_id) for team in now - wanted])
        if wanted != now:
            audit(connection, actor, "change teams", f"user {user_id}", teams=sorted(wanted))


def put(connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Put users into teams; ``pairs`` are ids (team, user)."""
    for team_id, user_id in sorted(pairs):
        pair = (MEMBER.c.team_id == team_id, MEMBER.c.user_id == user_id)
        again = update(MEMBER).where(*pair, MEMBER.c.removed).values(removed=False, source_id=None)
        if not connection.execute(again).rowcount:
            row = {"team_id": team_id, "user_id": user_id, "source_id": None, "removed": False}
            insert_missing(connection, MEMBER, [row])


def take_out(connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Take users out of teams, for good if a data source had put them there."""
    for team_id, user_id in sorted(pairs):
        pair = (MEMBER.c.team_id == team_id, MEMBER.c.user_id == user_id)
        connection.execute(MEMBER.delete().where(*pair, MEMBER.c.source_id.is_(None)))
        connection.execute(update(MEMBER).where(*pair).values(removed=True, source_id=None))


def _lock(connection: Connection, user_id: int) -> RowMapping:
    user = connection.execute(select(USER).where(USER.c.id == user_id).with_for_update()).mappings().one_or_none()
    if user is None or user["state"] == "deleted":
        raise NotFound(f"There is no user {user_id}: they may have been deleted")
    return user


def _not_owner(user: RowMapping) -> None:
    if user["role"] == "owner":
        raise Conflict("The owner stays the owner: ownership has to be handed over first")


def _not_oneself(user: RowMapping, actor: str) -> None:
    if user["email"] == actor:
        raise Conflict("Nobody changes their own access: ask another admin or the owner")
