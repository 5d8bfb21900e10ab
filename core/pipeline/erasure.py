"""Somebody, or an organization, is erased, for good: what is known of it goes, and no page brings it back (R41).

What is left are salted hashes of the ids of its links and identities. A page compares its own with them: a record that
is an erased object, or claims an erased identity, is skipped; so is what it is said to have done. Pages hold the salt
while they write, and whoever erases waits for them, so that no page in flight brings back what has just gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, and_, exists, or_, select, update

from core.contract.fields import SYSTEM_FIELDS, Entity
from core.contract.types import Ref
from core.db.bulk import insert_missing, rows_in, table_of
from core.db.models import (
    Activity,
    ActivityPast,
    Erased,
    Identity,
    Link,
    Membership,
    Merge,
    Organization,
    Participant,
    Person,
    RefusedRecord,
    Salt,
    Tagging,
)
from core.pipeline.ids import identity_id, link_id
from core.pipeline.keys import normal
from core.pipeline.shape import Shaped

ERASED, SALT = table_of(Erased), table_of(Salt)
LINK, IDENTITY, MERGE = map(table_of, (Link, Identity, Merge))
ACTIVITY, PAST, PARTICIPANT, REFUSED = map(table_of, (Activity, ActivityPast, Participant, RefusedRecord))
MEMBERSHIP, TAGGING = table_of(Membership), table_of(Tagging)
TABLES: Mapping[Entity, Table] = MappingProxyType({"person": table_of(Person), "organization": table_of(Organization)})

_NAME = "erased"


class Erasures:
    """Tells which links and identities are erased; holds the salt until the transaction ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._salt = _salt(connection, alone=False)

    def among(self, ids: Iterable[UUID]) -> set[UUID]:
        """Return those of these ids, of links and identities, that are erased."""
        # Asked with the salt in hand: whoever is erased later waits for this transaction.
        if not self._connection.scalar(select(exists().select_from(ERASED))):
            return set()
        hashes = {_hash(self._salt, id): id for id in ids}
        return {hashes[row.id] for row in rows_in(self._connection, [ERASED.c.id], ERASED.c.id, hashes)}

    def add(self, ids: Iterable[UUID], stubs: Collection[UUID]) -> None:
        """Refuse these too from here on, and remove whom or what was only referred to by them.

        Waits for all other pages; of two that wait for each other the database ends one, which is applied again.
        """
        _add(self._connection, _salt(self._connection, alone=True), ids)
        for kind, table in TABLES.items():
            empty = [row.id for row in rows_in(self._connection, [table.c.id], table.c.id, stubs, table.c.stub)]
            _remove(self._connection, kind, empty, rows_in(self._connection, [LINK], LINK.c.entity_id, empty))


def without_erased(record: Shaped, source_id: int, erased: Collection[UUID]) -> Shaped:
    """Return ``record`` less what erased people and organizations did, and less the erased where others did it."""

    def there(ref: Ref) -> bool:
        return link_id(source_id, ref.object, ref.remote_id) not in erased

    kept = []
    for activity in record.activities:
        organization = activity.organization if activity.organization and there(activity.organization) else None
        whose = activity.people[0] if activity.people else activity.organization
        if whose is None or there(whose):
            people = tuple(filter(there, activity.people))
            kept.append(replace(activity, people=people, organization=organization))
    organizations = record.organizations and tuple(filter(there, record.organizations))
    return replace(record, activities=kept, organizations=organizations)


def erase(connection: Connection, kind: Entity, id: UUID) -> None:
    """Remove a person or an organization with all that is known of it, and refuse it from here on.

    What was merged into it goes with it. What a person did goes too; of an organization only what none of its people
    did: they stay, and so does what they did, which is of no organization any more.

    Args:
        connection: A write transaction.
        kind: What it is.
        id: Which; its row must be held by the caller.
    """
    salt = _salt(connection, alone=True)
    entities = _with_absorbed(connection, kind, id)
    table = TABLES[kind]
    rows = rows_in(connection, [table], table.c.id, entities)
    links = rows_in(connection, [LINK], LINK.c.entity_id, entities)
    identities = rows_in(connection, [IDENTITY.c.id], IDENTITY.c.entity_id, entities)
    journal = rows_in(connection, [MERGE.c.before], MERGE.c.survivor_id, entities)
    ids = {row.id for row in (*links, *identities)}
    for values in (*(row._mapping for row in rows), *(merge.before["survivor"] for merge in journal)):
        ids |= _identities_of(kind, values)
    _add(connection, salt, ids)
    _remove(connection, kind, entities, links)


def _identities_of(kind: Entity, values: Mapping[str, Any]) -> set[UUID]:
    """Return the ids of all identities that it has or could claim, whichever keys join here."""
    unique = [field.key for field in SYSTEM_FIELDS[kind] if field.identifier]
    given = {key: normal(key, values[key]) for key in unique if values.get(key)}
    return {identity_id(kind, key, value) for key, value in given.items() if value}


def _with_absorbed(connection: Connection, kind: Entity, id: UUID) -> list[UUID]:
    table, found, new = TABLES[kind], [id], [id]
    while new:
        new = [row.id for row in rows_in(connection, [table.c.id], table.c.merged_into, new)]
        found += new
    return found


def _remove(connection: Connection, kind: Entity, entities: Sequence[UUID], links: Sequence[Any]) -> None:
    if not entities:
        return
    if kind == "person":
        _remove_doings(connection, entities)
    else:
        _take_out(connection, entities)
    table = TABLES[kind]
    for column in (
        MEMBERSHIP.c[f"{kind}_id"],
        TAGGING.c.entity_id,
        IDENTITY.c.entity_id,
        MERGE.c.survivor_id,
        MERGE.c.absorbed_id,
        LINK.c.entity_id,
        table.c.id,
    ):
        connection.execute(column.table.delete().where(column.in_(entities)))
    objects = [
        and_(
            REFUSED.c.source_id == link.source_id,
            REFUSED.c.object == link.object,
            REFUSED.c.remote_id == link.remote_id,
        )
        for link in links
    ]
    if objects:
        connection.execute(REFUSED.delete().where(or_(*objects)))


def _remove_doings(connection: Connection, people: Sequence[UUID]) -> None:
    theirs = select(ACTIVITY.c.id).where(ACTIVITY.c.person_id.in_(people))
    for column, ids in (
        (PARTICIPANT.c.activity_id, theirs),
        (PARTICIPANT.c.person_id, people),
        (ACTIVITY.c.person_id, people),
        (PAST.c.person_id, people),
    ):
        connection.execute(column.table.delete().where(column.in_(ids)))


def _take_out(connection: Connection, organizations: Sequence[UUID]) -> None:
    """Let activities be of these organizations no more; those that were of nobody else go."""
    theirs = ACTIVITY.c.organization_id.in_(organizations)
    of_nobody = ACTIVITY.c.person_id.is_(None), ~exists().where(PARTICIPANT.c.activity_id == ACTIVITY.c.id)
    connection.execute(ACTIVITY.delete().where(theirs, *of_nobody))
    cleared = {"organization_id": None, "organization_link_id": None}
    connection.execute(update(ACTIVITY).where(theirs).values(cleared))


def _salt(connection: Connection, *, alone: bool) -> bytes:
    """Return the salt, held with other pages or ``alone``."""
    wanted = select(SALT.c.value).where(SALT.c.name == _NAME).with_for_update(read=not alone)
    salt: bytes | None = connection.scalar(wanted)
    if salt is None:
        insert_missing(connection, SALT, [{"name": _NAME, "value": secrets.token_bytes(16)}])
        salt = connection.execute(wanted).scalar_one()
    return salt


def _add(connection: Connection, salt: bytes, ids: Iterable[UUID]) -> None:
    insert_missing(connection, ERASED, [{"id": id} for id in sorted(_hash(salt, id) for id in ids)])


def _hash(salt: bytes, id: UUID) -> UUID:
    return UUID(bytes=blake2b(id.bytes, key=salt, digest_size=16).digest())
