"""Names by id, which Intercom's objects do not carry, and the roster that some of them come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Roster, Team, TeamUser
from plugins.base.lookup import Lookup
from plugins.base.mapping import identified, own_id, text
from plugins.base.pages import dig
from plugins.intercom.client import IntercomClient, listed


def read_roster(account: Account) -> Roster:
    """Read all admins and teams. Whoever left is missing here, though old conversations still name them."""
    client = IntercomClient(account)
    admins = identified(listed(client.get("/admins"), "admins", "data"), account.log)
    teams = identified(listed(client.get("/teams"), "teams", "data"), account.log)
    members = {own_id(team): dict.fromkeys(_ids(team.get("admin_ids"))) for team in teams}
    for admin in admins:
        for team in _ids(admin.get("team_ids")):
            members.get(team, {})[own_id(admin)] = None
    return Roster(
        users=tuple(TeamUser(own_id(a), text(a.get("email")) or "", text(a.get("name")) or "") for a in admins),
        teams=tuple(Team(own_id(t), text(t.get("name")) or "", tuple(members[own_id(t)])) for t in teams),
    )


def _ids(value: JSON) -> Iterable[str]:
    return [str(item) for item in value if type(item) in (int, str)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Names:
    """Names of teammates and teams by id; ``found`` is false where the app may not read them."""

    teammates: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)
    found: bool = True


def _names(account: Account) -> Names:
    try:
        roster = read_roster(account)
    except Refused as error:
        account.log.warning("activities go without names of teammates: %s", error)
        return Names(found=False)
    return Names({user.remote_id: user.name for user in roster.users}, {t.remote_id: t.name for t in roster.teams})


def _tags(account: Account) -> Mapping[str, str] | None:
    body = IntercomClient(account).get_if_allowed("/tags")
    if body is None:
        return None
    rows = identified(listed(body, "data"), account.log)
    return {own_id(tag): text(tag.get("name")) or own_id(tag) for tag in rows}


def _subscriptions(account: Account) -> Mapping[str, str] | None:
    body = IntercomClient(account).get_if_allowed("/subscription_types")
    if body is None:
        return None
    rows = identified(listed(body, "data"), account.log)
    return {own_id(row): text(dig(row, "default_translation", "name")) or own_id(row) for row in rows}


names = Lookup(_names)
tags: Lookup[Mapping[str, str] | None] = Lookup(_tags)
"""None where the app may not read them: then nothing is known of anybody's tags."""
subscriptions: Lookup[Mapping[str, str] | None] = Lookup(_subscriptions)
"""Likewise for subscription types."""
