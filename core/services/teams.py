"""Teams of those who work here, imported and own (R32).

A team that is deleted here names the one that takes over its conversations: whoever asks which team an activity's team
is now follows ``moved_to`` by :func:`successors`. What happened keeps the name it happened under.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, update
from sqlalchemy.orm import Session

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Team, TeamMember, User
from core.services import staff
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.sources import audit, now_utc

TEAM, MEMBER, USER = table_of(Team), table_of(TeamMember), table_of(User)
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team with its members, by name.

    Attributes:
        team: The row.
        source: The data source that brought it; None when it was made here.
        members: Those who are in it, and which data source put each there.
    """

    team: Team
    source: DataSource | None
    members: Sequence[tuple[User, int | None]]


def shown() -> ColumnElement[bool]:
    """Return the condition that a team is there."""
    return and_(Team.gone_at.is_(None), Team.deleted_at.is_(None))


def choices(session: Session) -> Sequence[Team]:
    """Return all teams by name."""
    return session.scalars(select(Team).where(shown()).order_by(func.lower(Team.name), Team.id)).all()


def listing(session: Session) -> list[TeamView]:
    """Return all teams by name, with their members."""
    return _views(session, choices(session))


def get(session: Session, team_id: int) -> TeamView:
    """Return a team.

    Raises:
        NotFound: There is no such team.
    """
    team = session.scalar(select(Team).where(Team.id == team_id, shown()))
    if team is None:
        raise NotFound("There is no such team: it may have been deleted")
    return _views(session, [team])[0]


def deleted(session: Session) -> Sequence[tuple[Team, Team | None]]:
    """Return the teams that were deleted here, each with the one that took over, the last first."""
    ends = successors(session)
    there = {team.id: team for team in session.scalars(select(Team))}
    gone = sorted((team for team in there.values() if team.deleted_at), key=lambda team: -team.id)
    return [(team, there.get(ends.get(team.id, 0))) for team in gone]


def successors(session: Session) -> dict[int, int]:
    """Return for each deleted team the one that has its conversations now; those whose have none are left out."""
    rows = session.execute(select(Team.id, Team.moved_to, Team.deleted_at)).all()
    moved = {row.id: row.moved_to for row in rows if row.deleted_at}

    def end(team: int | None) -> int | None:
        while team in moved:
            team = moved[team]
        return team

    return {team: last for team in moved if (last := end(team)) is not None}


def _views(session: Session, teams: Sequence[Team]) -> list[TeamView]:
    sources = {source.id: source for source in session.scalars(select(DataSource))}
    rows = session.execute(
        select(TeamMember.team_id, User, TeamMember.source_id)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.team_id.in_([team.id for team in teams]), ~TeamMember.removed, User.state != "deleted")
        .order_by(func.lower(User.name), User.email)
    )
    members: dict[int, list[tuple[User, int | None]]] = {}
    for team_id, user, source_id in rows:
        members.setdefault(team_id, []).append((user, source_id))
    return [
        TeamView(team, sources.get(team.source_id) if team.source_id else None, members.get(team.id, ()))
        for team in teams
    ]


def create(mainstem: Mainstem, name: str, actor: str) -> int:
    """Make a team of our own and return its id.

    Raises:
        Invalid: The name.
        Conflict: There is a team of this name.
    """
    name = _name(name)
    with writing(mainstem.engine) as connection:
        _refuse_taken(connection, name)
        row = {"name": name, "created_at": now_utc()}
        id = int(connection.execute(TEAM.insert().values(row).returning(TEAM.c.id)).scalar_one())
        audit(connection, actor, "add", f"team {id}", name=name)
    return id


def rename(mainstem: Mainstem, team_id: int, name: str, actor: str) -> None:
    """Give a team another name, which a sync does not change again.

    Raises:
        Invalid: The name.
        NotFound: There is no such team.
        Conflict: There is a team of this name.
    """
    name = _name(name)
    with writing(mainstem.engine) as connection:
        _lock(connection, team_id)
        _refuse_taken(connection, name, team_id)
        connection.execute(update(TEAM).where(TEAM.c.id == team_id).values(name=name, renamed=True))
        audit(connection, actor, "rename", f"team {team_id}", name=name)


def add_members(mainstem: Mainstem, team_id: int, user_ids: Iterable[int], actor: str) -> None:
    """Put users into a team.

    Raises:
        NotFound: There is no such team or user.
    """
    ids = set(user_ids)
    with writing(mainstem.engine) as connection:
        _lock(connection, team_id)
        present = select(USER.c.id).where(USER.c.id.in_(ids), USER.c.state != "deleted")
        if set(connection.scalars(present)) != ids:
            raise NotFound("There is no such user: reload the page")
        staff.put(connection, [(team_id, user_id) for user_id in ids])
        audit(connection, actor, "add members", f"team {team_id}", users=sorted(ids))


def remove_member(mainstem: Mainstem, team_id: int, user_id: int, actor: str) -> None:
    """Take a user out of a team; a sync does not put her back.

    Raises:
        NotFound: There is no such team.
    """
    with writing(mainstem.engine) as connection:
        _lock(connection, team_id)
        staff.take_out(connection, [(team_id, user_id)])
        audit(connection, actor, "remove member", f"team {team_id}", user=user_id)


def delete(mainstem: Mainstem, team_id: int, moved_to: int | None, actor: str) -> None:
    """Delete a team; what was assigned to it goes to another one.

    Args:
        mainstem: The installation.
        team_id: Which.
        moved_to: The team that takes over its conversations; None leaves them without a team.
        actor: Who does it.

    Raises:
        NotFound: There is no such team.
        Conflict: It cannot take over from itself.
    """
    if moved_to == team_id:
        raise Conflict("A team cannot take over from itself: choose another one, or none")
    with writing(mainstem.engine) as connection:
        for id in sorted({team_id, moved_to} - {None}):  # type: ignore[type-var]
            _lock(connection, id or 0)
        connection.execute(MEMBER.delete().where(MEMBER.c.team_id == team_id))
        connection.execute(update(TEAM).where(TEAM.c.id == team_id).values(deleted_at=now_utc(), moved_to=moved_to))
        audit(connection, actor, "delete", f"team {team_id}", moved_to=moved_to)


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid({"name": f"needs between 1 and {LONGEST_NAME} characters"})
    return name


def _refuse_taken(connection: Connection, name: str, but: int = 0) -> None:
    there = (TEAM.c.gone_at.is_(None), TEAM.c.deleted_at.is_(None), TEAM.c.id != but)
    if connection.scalar(select(TEAM.c.id).where(func.lower(TEAM.c.name) == name.lower(), *there).limit(1)):
        raise Conflict(f"There is already a team «{name}»")


def _lock(connection: Connection, team_id: int) -> Mapping[str, Any]:
    there = select(TEAM).where(TEAM.c.id == team_id, TEAM.c.gone_at.is_(None), TEAM.c.deleted_at.is_(None))
    team = connection.execute(there.with_for_update()).mappings().one_or_none()
    if team is None:
        raise NotFound("There is no such team: it may have been deleted")
    return dict(team)
