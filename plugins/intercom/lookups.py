"""Names by id, which Intercom's objects do not carry, and the roster that some of them come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.contract.errors import Refused
from core.contract.types import Account, Roster, Team, TeamUser
from plugins.base.lookup import Lookup
from plugins.base.mapping import own_id, text
from plugins.base.pages import dig
from plugins.intercom.client import IntercomClient, listed


def read_roster(account: Account) -> Roster:
    """Read all admins and teams. Whoever left is missing here, though old conversations still name them."""
    client = IntercomClient(account)
    admins = listed(client.get("/admins"), "admins", "data")
    teams = listed(client.get("/teams"), "teams", "data")
    members: dict[str, dict[str, None]] = {
        own_id(team): dict.fromkeys(str(admin) for admin in team.get("admin_ids") or ()) for team in teams
    }
    for admin in admins:
        for team in admin.get("team_ids") or ():
            members.get(str(team), {})[own_id(admin)] = None
    return Roster(
        users=tuple(TeamUser(own_id(a), text(a.get("email")) or "", text(a.get("name")) or "") for a in admins),
        teams=tuple(Team(own_id(t), text(t.get("name")) or "", tuple(members[own_id(t)])) for t in teams),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Names of teammates and teams by id; empty where the app may not read them."""

    teammates: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)


def _names(account: Account) -> Names:
    try:
        roster = read_roster(account)
    except Refused as error:
        account.log.warning("activities go without names of teammates: %s", error)
        return Names()
    return Names({user.remote_id: user.name for user in roster.users}, {t.remote_id: t.name for t in roster.teams})


def _tags(account: Account) -> Mapping[str, str] | None:
    rows = IntercomClient(account).get_if_allowed("/tags")
    return None if rows is None else {own_id(tag): text(tag.get("name")) or own_id(tag) for tag in listed(rows, "data")}


def _subscriptions(account: Account) -> Mapping[str, str] | None:
    body = IntercomClient(account).get_if_allowed("/subscription_types")
    if body is None:
        return None
    rows = listed(body, "data")
    return {own_id(row): text(dig(row, "default_translation", "name")) or own_id(row) for row in rows}


names = Lookup(_names)
tags: Lookup[Mapping[str, str] | None] = Lookup(_tags)
"""None where the app may not read them: then nothing is known of anybody's tags."""
subscriptions: Lookup[Mapping[str, str] | None] = Lookup(_subscriptions)
"""Likewise for subscription types."""
