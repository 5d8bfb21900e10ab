"""Which teams and users come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.contract.types import Roster, TeamUser
from core.services.configuration import ROLES
from core.web.steps.question import Form, Sections, Setup, has


def read_teams(setup: Setup, form: Form) -> Sections:
    """Read which teams, members and other users come in, and their roles."""
    pairs, teams = set(form.getlist("member")), form.getlist("team")
    ids = [team.remote_id for team in setup.roster.teams]
    members = {
        team.remote_id: _words(team.members, [user for user in team.members if f"{team.remote_id}:{user}" in pairs])
        for team in setup.roster.teams
    }
    loose = [user.remote_id for user in loose_users(setup.roster)]
    ticked = [id for id in loose if id in form.getlist("user")]
    section: dict[str, Any] = {
        "teams": _words(ids, [id for id in ids if id in teams]),
        "users": "all",
        "roles": {"default": form.get("role", "agent")},
    }
    if ticked != loose or set(map(str, members.values())) - {"all"}:
        section |= {"users": ticked, "members": members}
    known = [user.remote_id for user in setup.roster.users]
    section["roles"] |= {id: role for id in known if (role := form.get(f"role-{id}"))}
    return {"teams": section}


def _words(offered: Iterable[str], ticked: list[str]) -> Any:
    """Return ``"all"``, ``"none"`` or the list; of none that are offered, all are ticked."""
    if len(ticked) == len(list(offered)):
        return "all"
    return ticked or "none"


def loose_users(roster: Roster) -> list[TeamUser]:
    """Return the users without a team."""
    placed = {member for team in roster.teams for member in team.members}
    return [user for user in roster.users if user.remote_id not in placed]


def view_teams(setup: Setup) -> Mapping[str, Any]:
    """Return the teams with their members, and the users without one, each ticked or not."""
    choices, users = setup.choices, {user.remote_id: user for user in setup.roster.users}

    def takes(team: str, user: str) -> bool:
        return has(choices.members[team], user) if team in choices.members else has(choices.users, user)

    teams = [
        {
            "team": team,
            "ticked": has(choices.teams, team.remote_id),
            "members": [{"user": users[id], "ticked": takes(team.remote_id, id)} for id in team.members if id in users],
        }
        for team in sorted(setup.roster.teams, key=lambda team: team.name.casefold())
    ]
    loose = [{"user": user, "ticked": has(choices.users, user.remote_id)} for user in loose_users(setup.roster)]
    return {"teams": teams, "loose": loose, "roles": choices.roles, "offered_roles": ROLES[1:]}
