"""Somebody is erased, for good: what is known of her goes, and no page brings her back (R41).

What is left are salted hashes of the ids of her links and identities. A page compares its own with them: a record that
is an erased object, or claims an erased identity, is skipped; so is what it is said to have done. Pages hold the salt
while they write, and whoever erases waits for them, so that no page in flight brings back what has just gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, exists, or_, select

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
PERSON, LINK, IDENTITY, MERGE = map(table_of, (Person, Link, Identity, Merge))
ACTIVITY, PAST, PARTICIPANT, REFUSED = map(table_of, (Activity, ActivityPast, Participant, RefusedRecord))
MEMBERSHIP, TAGGING = table_of(Membership), table_of(Tagging)

_NAME = "erased"
_UNIQUE = ("email", "phone", "external_id")


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
        """Refuse these too from here on, and remove the people who were only referred to by them.

        Waits for all other pages; of two that wait for each other the database ends one, which is applied again.
        """
        _add(self._connection, _salt(self._connection, alone=True), ids)
        empty = rows_in(self._connection, [PERSON.c.id], PERSON.c.id, stubs, PERSON.c.stub)
        people = [row.id for row in empty]
        _remove(self._connection, people, rows_in(self._connection, [LINK], LINK.c.entity_id, people))


def without_erased(record: Shaped, source_id: int, erased: Collection[UUID]) -> Shaped:
    """Return ``record`` less the activities of erased people, and less the erased among further people."""

    def there(ref: Ref) -> bool:
        return link_id(source_id, ref.object, ref.remote_id) not in erased

    kept = [
        replace(activity, people=tuple(filter(there, activity.people)))
        for activity in record.activities
        if not activity.people or there(activity.people[0])
    ]
    return replace(record, activities=kept)


def erase_person(connection: Connection, person_id: UUID) -> None:
    """Remove a person, all that is known of her and all that she did, and refuse her from here on.

    People who were merged into her go with her.

    Args:
        connection: A write transaction.
        person_id: Whom; her row must be held by the caller.
    """
    salt = _salt(connection, alone=True)
    people = _with_absorbed(connection, person_id)
    rows = rows_in(connection, [PERSON], PERSON.c.id, people)
    links = rows_in(connection, [LINK], LINK.c.entity_id, people)
    identities = rows_in(connection, [IDENTITY.c.id], IDENTITY.c.entity_id, people)
    journal = rows_in(connection, [MERGE.c.before], MERGE.c.survivor_id, people)
    ids = {row.id for row in (*links, *identities)}
    for values in (*(row._mapping for row in rows), *(merge.before["survivor"] for merge in journal)):
        ids |= _identities_of(values)
    _add(connection, salt, ids)
    _remove(connection, people, links)


def _identities_of(values: Mapping[str, Any]) -> set[UUID]:
    """Return the ids of all identities that a person has or could claim, whichever keys join here."""
    given = {key: normal(key, values[key]) for key in _UNIQUE if values.get(key)}
    return {identity_id("person", key, value) for key, value in given.items() if value}


def _with_absorbed(connection: Connection, person_id: UUID) -> list[UUID]:
    found, new = [person_id], [person_id]
    while new:
        new = [row.id for row in rows_in(connection, [PERSON.c.id], PERSON.c.merged_into, new)]
        found += new
    return found


def _remove(connection: Connection, people: Sequence[UUID], links: Sequence[Any]) -> None:
    if not people:
        return
    theirs = [row.id for row in rows_in(connection, [ACTIVITY.c.id], ACTIVITY.c.person_id, people)]
    for table, column, ids in (
        (PARTICIPANT, PARTICIPANT.c.activity_id, theirs),
        (PARTICIPANT, PARTICIPANT.c.person_id, people),
        (ACTIVITY, ACTIVITY.c.person_id, people),
        (PAST, PAST.c.person_id, people),
        (MEMBERSHIP, MEMBERSHIP.c.person_id, people),
        (TAGGING, TAGGING.c.entity_id, people),
        (IDENTITY, IDENTITY.c.entity_id, people),
        (MERGE, MERGE.c.survivor_id, people),
        (MERGE, MERGE.c.absorbed_id, people),
        (LINK, LINK.c.entity_id, people),
        (PERSON, PERSON.c.id, people),
    ):
        if ids:
            connection.execute(table.delete().where(column.in_(ids)))
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
