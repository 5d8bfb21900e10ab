"""Users and teams of the vendor's tool become users and teams here (R7, R30, R32)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from core.contract.types import Roster, TeamUser
from core.contract.types import Team as TeamOfVendor
from core.db.bulk import insert_missing, table_of, upsert
from core.db.models import Team, TeamMember, User
from core.services import mail
from core.services.configuration import ROLES, Chosen, SourceConfig

USER, TEAM, MEMBER = table_of(User), table_of(Team), table_of(TeamMember)


def store_roster(
    connection: Connection, source_id: int, roster: Roster, config: SourceConfig, now: datetime
) -> dict[str, int]:
    """Make the users and teams that came from a data source equal to ``roster``.

    A user whose email is here already keeps role and state; only whom this data source brought and who has not accepted
    his invitation yet follows the roles that are chosen now. Who left the vendor, or is not wanted any more, is marked
    as gone, never deleted: what he did stays his.

    Args:
        connection: A write transaction.
        source_id: The data source.
        roster: Complete.
        config: Which teams and users are wanted, and their roles.
        now: The present moment.

    Returns:
        How many ``users`` and ``teams`` are imported.
    """
    members = {team.remote_id: _members(team, config) for team in roster.teams}
    brought = {
        member for team in roster.teams if team.remote_id in config.members for member in members[team.remote_id]
    }
    users = [
        user
        for user in roster.users
        if user.email and (user.remote_id in brought or _wanted(user.remote_id, config.users))
    ]
    teams = [team for team in roster.teams if _wanted(team.remote_id, config.teams)]
    user_ids = _store_users(connection, source_id, users, config, now)
    own_names = select(TEAM.c.remote_id, TEAM.c.name).where(TEAM.c.source_id == source_id, TEAM.c.renamed)
    renamed = {row.remote_id: row.name for row in connection.execute(own_names)}
    upsert(
        connection,
        TEAM,
        [
            {
                "name": renamed.get(team.remote_id, team.name),
                "source_id": source_id,
                "remote_id": team.remote_id,
                "created_at": now,
                "gone_at": None,
                "renamed": team.remote_id in renamed,
            }
            for team in sorted(teams, key=lambda team: team.remote_id)
        ],
        update=("name", "gone_at"),
        key=("source_id", "remote_id"),
    )
    stored = connection.execute(select(TEAM.c.id, TEAM.c.remote_id).where(TEAM.c.source_id == source_id)).all()
    team_ids = {row.remote_id: row.id for row in stored}
    gone = set(team_ids) - {team.remote_id for team in teams}
    connection.execute(
        TEAM.update()
        .where(TEAM.c.source_id == source_id, TEAM.c.remote_id.in_(gone), TEAM.c.gone_at.is_(None))
        .values(gone_at=now)
    )
    pairs = {
        (team_ids[team.remote_id], user_ids[member])
        for team in teams
        for member in members[team.remote_id]
        if member in user_ids
    }
    connection.execute(MEMBER.delete().where(MEMBER.c.source_id == source_id))
    member_rows = [
        {"team_id": team, "user_id": user, "source_id": source_id, "removed": False} for team, user in sorted(pairs)
    ]
    insert_missing(connection, MEMBER, member_rows)
    return {"users": len(users), "teams": len(teams)}


def _members(team: TeamOfVendor, config: SourceConfig) -> list[str]:
    """Return the remote ids of the members that may be in a team here."""
    return [member for member in team.members if _wanted(member, config.members.get(team.remote_id))]


def _wanted(remote_id: str, chosen: Chosen) -> bool:
    return chosen is None or remote_id in chosen


def _store_users(
    connection: Connection, source_id: int, users: list[TeamUser], config: SourceConfig, now: datetime
) -> dict[str, int]:
    """Store users by email; return their ids by remote id."""
    by_email = {user.email.strip().lower(): user for user in users}
    rows: list[dict[str, Any]] = [
        {
            "email": email,
            "name": user.name,
            "role": config.roles.get(user.remote_id, config.roles.get("default", "agent")),
            "state": "invited",
            "agent": True,
            "preferences": {},
            "source_id": source_id,
            "remote_id": user.remote_id,
            "imported": True,
            "gone_at": None,
            "created_at": now,
        }
        for email, user in sorted(by_email.items())
    ]
    follows = (USER.c.source_id == source_id, USER.c.imported, USER.c.state == "invited")
    # Before the rows are taken over: whom another data source brought keeps what he got there.
    undecided = set(connection.scalars(select(USER.c.email).where(*follows)))
    upsert(connection, USER, rows, update=("source_id", "remote_id", "gone_at"), key=("email",))
    for role in ROLES[1:]:
        emails = [row["email"] for row in rows if row["role"] == role and row["email"] in undecided]
        changed = USER.update().where(*follows, USER.c.email.in_(emails), USER.c.role != role)
        connection.execute(changed.values(role=role))
    columns = (USER.c.id, USER.c.email, USER.c.imported)
    stored = connection.execute(select(*columns).where(USER.c.source_id == source_id)).all()
    # Whoever was here before works here, whatever the vendor says.
    left = [row.id for row in stored if row.imported and row.email not in by_email]
    connection.execute(USER.update().where(USER.c.id.in_(left), USER.c.gone_at.is_(None)).values(gone_at=now))
    # Nobody waits for them any more: who comes back is invited anew.
    unwanted = (USER.c.id.in_(left), USER.c.state == "invited", USER.c.invited_at.is_not(None))
    for id in connection.scalars(USER.update().where(*unwanted).values(invited_at=None).returning(USER.c.id)).all():
        mail.cancel(connection, id)
    ids = {row.email: row.id for row in stored}
    return {user.remote_id: ids[user.email.strip().lower()] for user in users}
