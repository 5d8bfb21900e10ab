"""What an installation holds of its one data source, without when and in which order it came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select

from core.db.base import Model
from core.db.bulk import table_of
from core.db.models import (
    Activity,
    Article,
    Collection,
    Link,
    Membership,
    Organization,
    Participant,
    Person,
    Tagging,
    Team,
    TeamMember,
    User,
)

# Permissions are taken over from the vendor only by whoever is new here.
OURS = {
    "id", "created_at", "updated_at", "lineage", "historical", "email_subscribed", "sms_subscribed",
    "person_id", "organization_id", "person_link_id", "organization_link_id",
}  # fmt: skip


def snapshot(engine: Engine) -> dict[str, dict[Any, Any]]:
    """Return by table the rows that are there because the vendor has what they tell of.

    Which of two merged people stays is a matter of who was here first: entities are called by what they are there.
    """

    def rows(model: type[Model]) -> list[dict[str, Any]]:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(table_of(model))).mappings()]

    links = {row["id"]: row for row in rows(Link)}
    gone = {id for id, row in links.items() if row["deleted_at"] is not None}
    read = {id: row for id, row in links.items() if row["content_hash"] is not None and id not in gone}
    names: dict[Any, Any] = defaultdict(list)
    for row in sorted(read.values(), key=lambda row: (row["object"], row["remote_id"])):
        names[row["entity_id"]].append((row["object"], row["remote_id"]))
    names = {id: tuple(found) for id, found in names.items()}

    def named(row: Mapping[str, Any], *columns: str) -> tuple[Any, ...]:
        return tuple(names.get(row[column], row[column]) for column in columns)

    def told(model: type[Model]) -> dict[Any, Any]:
        return {names[row["id"]]: _without(row, OURS) for row in rows(model) if row["id"] in names}

    activities = {row["id"]: row for row in rows(Activity) if row["record_link_id"] in read}
    users = {row["id"]: row["email"] for row in rows(User)}
    teams = {row["id"]: row["remote_id"] for row in rows(Team) if row["gone_at"] is None}
    return {
        "links": {(row["object"], row["remote_id"]): row["remote_updated_at"] for row in read.values()},
        "people": told(Person),
        "organizations": told(Organization),
        "articles": told(Article),
        "collections": told(Collection),
        "memberships": {
            named(row, "person_id", "organization_id"): row["position"]
            for row in rows(Membership)
            if row["person_link_id"] in read and row["organization_link_id"] not in gone
        },
        "tags": {(*named(row, "entity_id"), row["name"]): True for row in rows(Tagging) if row["link_id"] in read},
        "activities": {
            id: {**_without(row, OURS), "people": named(row, "person_id", "organization_id")}
            for id, row in activities.items()
        },
        "participants": {
            (row["activity_id"], *named(row, "person_id")): True
            for row in rows(Participant)
            if row["activity_id"] in activities
        },
        "users": {row["email"]: (row["name"], row["role"]) for row in rows(User) if row["gone_at"] is None},
        "teams": {row["remote_id"]: row["name"] for row in rows(Team) if row["gone_at"] is None},
        "members": {(teams[row["team_id"]], users[row["user_id"]]): True for row in rows(TeamMember)},
    }


def _without(row: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


def differences(one: Mapping[str, Mapping[Any, Any]], other: Mapping[str, Mapping[Any, Any]]) -> list[Any]:
    """Return what is not the same, table by table: of rows that are in both, the columns that differ."""
    return [
        (table, key, *_told_apart(one[table].get(key), other[table].get(key)))
        for table in one
        for key in one[table].keys() | other[table].keys()
        if one[table].get(key) != other[table].get(key)
    ]


def _told_apart(one: Any, other: Any) -> tuple[Any, Any]:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one, other
    apart = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    return {key: one.get(key) for key in apart}, {key: other.get(key) for key in apart}
