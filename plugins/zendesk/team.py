"""Agents, admins and groups; and their names by id, which tickets do not carry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.contract.errors import Refused
from core.contract.types import Account, Roster, Team, TeamUser
from plugins.base.lookup import Lookup
from plugins.base.mapping import own_id, text
from plugins.zendesk.client import ZendeskClient


def read_roster(account: Account) -> Roster:
    """Read all agents, admins and groups."""
    client = ZendeskClient(account)
    users = {own_id(row): row for row in client.rows("/api/v2/users.json?role[]=agent&role[]=admin", "users")}
    groups = {own_id(row): row for row in client.rows("/api/v2/groups.json", "groups")}
    members: dict[str, dict[str, None]] = defaultdict(dict)
    for row in client.rows("/api/v2/group_memberships.json", "group_memberships"):
        if str(row["user_id"]) in users:
            members[str(row["group_id"])][str(row["user_id"])] = None
    return Roster(
        users=tuple(
            TeamUser(key, text(row.get("email")) or "", text(row.get("name")) or "") for key, row in users.items()
        ),
        teams=tuple(Team(key, text(row.get("name")) or "", tuple(members[key])) for key, row in groups.items()),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Names of agents and groups by id; empty where they may not be read."""

    teammates: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)


def _names(account: Account) -> Names:
    try:
        roster = read_roster(account)
    except Refused as error:
        account.log.warning("activities go without names of agents: %s", error)
        return Names()
    return Names(
        {user.remote_id: user.name for user in roster.users}, {team.remote_id: team.name for team in roster.teams}
    )


names = Lookup(_names)
