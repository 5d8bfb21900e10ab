"""What hangs on the records of a page: memberships, tags, activities, articles and their collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam

from core.contract.types import Ref
from core.db.bulk import insert_missing, rows_in, table_of, upsert
from core.db.models import Activity, Article, Collection, Membership, Participant, Tagging
from core.pipeline.ids import in_order
from core.pipeline.links import Links, LinkState
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped, ShapedActivity

MEMBERSHIP, TAGGING = table_of(Membership), table_of(Tagging)
ACTIVITY, PARTICIPANT = table_of(Activity), table_of(Participant)
ARTICLE, COLLECTION = table_of(Article), table_of(Collection)


def refs_of(records: Iterable[Shaped]) -> set[Ref]:
    """Return every object that ``records`` refer to."""
    refs: set[Ref] = set()
    for record in records:
        refs.update(record.organizations or ())
        if record.parent is not None:
            refs.add(record.parent)
        for activity in record.activities:
            refs.update(activity.people)
            if activity.organization is not None:
                refs.add(activity.organization)
    return refs


def write_memberships(connection: Connection, people: Sequence[Shaped], links: Links) -> None:
    """Let each person belong to exactly the organizations that her record names."""
    telling = [record for record in people if record.organizations is not None]
    _forget(connection, telling, links, MEMBERSHIP, "person_link_id")
    rows: list[dict[str, Any]] = [
        {
            "person_link_id": record.link_id,
            "organization_link_id": organization.id,
            "person_id": links[record.link_id].entity_id,
            "organization_id": organization.entity_id,
            "position": position,
        }
        for record in telling
        for position, organization in enumerate(links.of(ref) for ref in record.organizations or ())
    ]
    rows.sort(key=lambda row: (row["person_link_id"].int, row["organization_link_id"].int))
    insert_missing(connection, MEMBERSHIP, rows)


def write_tags(connection: Connection, records: Sequence[Shaped], links: Links) -> None:
    """Let each entity carry exactly the tags that its record names."""
    telling = [record for record in records if record.tags is not None]
    _forget(connection, telling, links, TAGGING, "link_id")
    rows: list[dict[str, Any]] = [
        {"link_id": record.link_id, "name": name, "kind": record.kind, "entity_id": links[record.link_id].entity_id}
        for record in telling
        for name in record.tags or ()
    ]
    rows.sort(key=lambda row: (row["link_id"].int, row["name"]))
    insert_missing(connection, TAGGING, rows)


def _forget(connection: Connection, records: Sequence[Shaped], links: Links, table: Any, column: str) -> None:
    seen_before = [record.link_id for record in records if not links[record.link_id].is_new]
    if seen_before:
        connection.execute(table.delete().where(table.c[column].in_(seen_before)))


_ACTIVITY_UPDATE = (
    "type",
    "record_link_id",
    "person_id",
    "person_link_id",
    "organization_id",
    "organization_link_id",
    "occurred_at",
    "attributes",
    "content_hash",
)


_PARTICIPANT_UPDATE = ("type", "occurred_at")


def write_activities(connection: Connection, records: Sequence[Shaped], links: Links, policy: Policy) -> None:
    """Store what happened; an activity that is stored already with the same content is left alone."""
    found = {activity.id: (record, activity) for record in records for activity in record.activities}
    rows = [_activity_row(*found[id], links, policy) for id in in_order(found)]
    upsert(connection, ACTIVITY, rows, update=_ACTIVITY_UPDATE, unless_equal="content_hash")
    _write_participants(connection, found, links, policy)


def _write_participants(
    connection: Connection, found: Mapping[UUID, tuple[Shaped, ShapedActivity]], links: Links, policy: Policy
) -> None:
    """Let each of these activities have exactly the further people that it names."""
    wanted = {
        (activity.id, person.id): _participant_row(activity, person, policy)
        for _, activity in found.values()
        for person in (links.of(ref) for ref in activity.people[1:])
    }
    seen_before = {record.link_id for record, _ in found.values() if not links[record.link_id].is_new}
    of_activity = PARTICIPANT.c.activity_id == ACTIVITY.c.id
    rows = rows_in(connection, [PARTICIPANT], ACTIVITY.c.record_link_id, seen_before, of_activity)
    stored = {(row.activity_id, row.person_link_id): row for row in rows}
    its = PARTICIPANT.c.activity_id == bindparam("activity"), PARTICIPANT.c.person_link_id == bindparam("person")
    if gone := [{"activity": a, "person": p} for a, p in stored.keys() - wanted.keys() if a in found]:
        connection.execute(PARTICIPANT.delete().where(*its), gone)
    changed = [
        {"activity": key[0], "person": key[1], **{name: wanted[key][name] for name in _PARTICIPANT_UPDATE}}
        for key, row in stored.items()
        if key in wanted and any(wanted[key][name] != row._mapping[name] for name in _PARTICIPANT_UPDATE)
    ]
    if changed:
        connection.execute(PARTICIPANT.update().where(*its), changed)
    insert_missing(connection, PARTICIPANT, [wanted[key] for key in sorted(wanted.keys() - stored.keys())])


def _participant_row(activity: ShapedActivity, person: LinkState, policy: Policy) -> dict[str, Any]:
    return {
        "activity_id": activity.id,
        "person_link_id": person.id,
        "person_id": person.entity_id,
        "source_id": policy.source_id,
        "type": activity.type,
        "occurred_at": activity.occurred_at,
    }


def _activity_row(record: Shaped, activity: ShapedActivity, links: Links, policy: Policy) -> dict[str, Any]:
    person = links.of(activity.people[0]) if activity.people else None
    organization = links.of(activity.organization) if activity.organization else None
    return {
        "id": activity.id,
        "source_id": policy.source_id,
        "type": activity.type,
        "remote_id": activity.remote_id,
        "record_link_id": record.link_id,
        "person_id": person and person.entity_id,
        "person_link_id": person and person.id,
        "organization_id": organization and organization.entity_id,
        "organization_link_id": organization and organization.id,
        "occurred_at": activity.occurred_at,
        "historical": policy.is_historical(record.object, activity.occurred_at),
        "attributes": activity.attributes,
        "content_hash": activity.content_hash,
    }


def write_collections(connection: Connection, records: Sequence[Shaped], links: Links, policy: Policy) -> None:
    """Store collections of articles."""
    _write_content(connection, COLLECTION, records, links, policy)


def write_articles(connection: Connection, records: Sequence[Shaped], links: Links, policy: Policy) -> None:
    """Store articles."""
    _write_content(connection, ARTICLE, records, links, policy)


def _write_content(connection: Connection, table: Any, records: Sequence[Shaped], links: Links, policy: Policy) -> None:
    rows = [_content_row(record, links, policy) for record in sorted(records, key=lambda r: r.link_id)]
    if rows:
        upsert(connection, table, rows, update=rows[0].keys() - {"id", "created_at"})


def _content_row(record: Shaped, links: Links, policy: Policy) -> dict[str, Any]:
    given = record.values.get
    parent: UUID | None = links.of(record.parent).entity_id if record.parent else None
    row: dict[str, Any] = {
        "id": record.link_id,
        "source_id": policy.source_id,
        "remote_id": record.remote_id,
        "description": given("description"),
        "url": given("url"),
        "locale": given("locale"),
        "translations": given("translations") or {},
        "archived_at": None,
        "created_at": record.created_at or policy.now,
        "updated_at": record.updated_at or policy.now,
    }
    if record.kind == "collection":
        name = given("name") or record.remote_id
        return row | {"parent_id": parent, "name": name, "icon": given("icon"), "position": given("position") or 0}
    return row | {
        "collection_id": parent,
        "title": given("title") or "",
        "body": given("body") or "",
        "state": given("state") or "draft",
        "author": given("author"),
    }
