"""People and organizations: who is who, and what is written of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, Table

from core.db.bulk import insert_missing, rows_in, table_of, upsert
from core.db.models import Identity, Organization, Person
from core.pipeline.groups import Groups
from core.pipeline.ids import identity_id
from core.pipeline.links import LINK, Links
from core.pipeline.merges import merge_entities
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped
from core.pipeline.values import Values, Version, absorb, take_in

IDENTITY = table_of(Identity)

Keys = dict[UUID, tuple[str, str]]
"""Shared identities by id: type and normalised value, the stronger first."""


class Stale(Exception):
    """Another transaction changed who is who meanwhile: roll back and apply the page again."""


@dataclass(frozen=True)
class EntityTable:
    """A table of entities: which of their values have a column, and whether they have permissions."""

    kind: Literal["person", "organization"]
    table: Table
    columns: tuple[str, ...]
    permissions: tuple[Literal["email", "sms"], ...]

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that an update changes."""
        fixed = ("fields", "lineage", "stub", "initial_source_id", "merged_into", "archived_at", "updated_at")
        return (*self.columns, *(f"{channel}_subscribed" for channel in self.permissions), *fixed)


PERSON = EntityTable(
    "person", table_of(Person), ("email", "phone", "external_id", "first_name", "last_name"), ("email", "sms")
)
ORGANIZATION = EntityTable("organization", table_of(Organization), ("name", "domain"), ())


@dataclass(slots=True)
class Entity:
    """One person or organization of the page; ``row`` is None while it is not stored."""

    id: UUID
    values: Values
    subscribed: dict[str, bool]
    archived_at: datetime | None
    created_at: datetime
    row: Row[Any] | None

    @property
    def is_stub(self) -> bool:
        """Only referred to so far."""
        return self.row is None or bool(self.row.stub)


def shared_keys(kind: str, record: Shaped, policy: Policy) -> Keys:
    """Return the identities that ``record`` claims."""
    matching = policy.matching.get(record.object)
    if matching is None:
        return {}
    given = [(key, normal(key, record.values[key])) for key in matching.keys if record.values.get(key)]
    given = [(key, value) for key, value in given if value]
    if matching.mode == "next_if_empty":
        given = given[:1]
    if matching.mode == "all" and len(given) > 1:
        given = [("+".join(key for key, _ in given), "\x1f".join(value for _, value in given))]
    return {identity_id(kind, key, value): (key, value) for key, value in given}


def normal(key: str, value: str) -> str:
    """Return what of a key's value is compared."""
    if key == "phone":
        return "".join(char for char in value if char.isdigit())
    return value if key == "external_id" else value.casefold()


def without_match(
    connection: Connection, entities: EntityTable, records: Sequence[Shaped], links: Links, policy: Policy
) -> set[UUID]:
    """Return the links of the records that belong to nobody who is already here."""
    unread = [r for r in records if (link := links.get(r.link_id)) is None or link.content_hash is None]
    keys = {record.link_id: shared_keys(entities.kind, record, policy) for record in unread}
    wanted = {id for claimed in keys.values() for id in claimed}
    known = {row.id for row in rows_in(connection, [IDENTITY.c.id], IDENTITY.c.id, wanted)}
    return {link for link, claimed in keys.items() if not known.intersection(claimed)}


class Matcher:
    """Finds out which entity each record of one kind is, and writes the entities.

    Args:
        connection: A write transaction.
        entities: Which kind.
        links: Holds the links of all records.
        keys: The identities that each record claims, by its link; see :func:`shared_keys`.
        policy: The data source's.
    """

    def __init__(
        self, connection: Connection, entities: EntityTable, links: Links, keys: Mapping[UUID, Keys], policy: Policy
    ) -> None:
        self._connection = connection
        self._entities = entities
        self._links = links
        self._given = keys
        self._policy = policy
        self._keys: dict[UUID, Keys] = {}
        self.outcome: dict[UUID, str] = {}
        self.merged: set[UUID] = set()

    def run(self, records: Sequence[Shaped], merged: Sequence[tuple[UUID, UUID]] = ()) -> None:
        """Match and write ``records``; ``merged`` are pairs of links that the vendor says are one.

        Raises:
            Stale: Who is who changed meanwhile.
        """
        groups = self._groups(records, merged)
        present = self._read(groups)
        survivors = self._survivors(groups, present)
        self._take_in(records, survivors)
        self._write(survivors.values())
        self._repoint(records, survivors)

    def identities(self) -> dict[UUID, list[str]]:
        """Return for each link the identities it claims, as text."""
        return {link: [id.hex for id in keys] for link, keys in self._keys.items()}

    def _groups(self, records: Sequence[Shaped], merged: Sequence[tuple[UUID, UUID]]) -> Groups:
        """Put together the entities that the page proves to be one.

        A shared identity belongs to whoever claims it first; the claims of one page are made in one order, so that
        two pages that claim the same wait for each other and the later one finds the earlier one's owner.
        """
        groups = Groups()
        claims: dict[UUID, dict[str, Any]] = {}
        for record in records:
            link = self._links[record.link_id]
            groups.add(link.entity_id)
            keys = self._given[link.id]
            self._keys[link.id] = {id: key for id, key in keys.items() if id.hex not in link.apart_from}
            for id, (type_, value) in self._keys[link.id].items():
                row = {"id": id, "kind": self._entities.kind, "type": type_, "value": value}
                claims.setdefault(id, row | {"entity_id": link.entity_id})
        inserted = insert_missing(self._connection, IDENTITY, [claims[id] for id in sorted(claims)]) or set()
        owners: dict[UUID, UUID] = {id: claims[id]["entity_id"] for id in inserted}
        columns = [IDENTITY.c.id, IDENTITY.c.entity_id]
        others = rows_in(self._connection, columns, IDENTITY.c.id, claims.keys() - inserted)
        owners.update((row.id, row.entity_id) for row in others)
        for record in records:
            for id in self._keys[record.link_id]:
                groups.join(self._links[record.link_id].entity_id, owners[id])
        for gone, survivor in merged:
            groups.join(self._links[gone].entity_id, self._links[survivor].entity_id)
        self._owners = owners
        return groups

    def _read(self, groups: Groups) -> dict[UUID, Row[Any]]:
        table = self._entities.table
        # What has its id from a link that this page made cannot be stored yet.
        stored = [id for id in groups.members() if (link := self._links.get(id)) is None or not link.is_new]
        rows = rows_in(self._connection, [table], table.c.id, stored, lock="update")
        if any(row.merged_into is not None for row in rows):
            raise Stale
        return {row.id: row for row in rows}

    def _survivors(self, groups: Groups, present: Mapping[UUID, Row[Any]]) -> dict[UUID, Entity]:
        """Return the entity that each id stands for from now on; the elder one survives."""
        survivors: dict[UUID, Entity] = {}
        written = self._written(present)
        pairs: list[tuple[Entity, Entity]] = []
        for members in groups.sets():
            candidates = [self._entity(id, present.get(id), written.get(id)) for id in members]
            candidates.sort(key=lambda entity: (entity.row is None, entity.is_stub, entity.created_at, entity.id))
            survivor, *others = candidates
            for entity in others:
                if entity.row is not None:
                    pairs.append((survivor, entity))
                if not entity.is_stub:
                    absorb(survivor.values, entity.values)
                    self._absorb_rest(survivor, entity)
            survivors.update(dict.fromkeys(members, survivor))
        merge_entities(
            self._connection,
            self._entities.kind,
            self._entities.table,
            [(survivor.row, absorbed.row) for survivor, absorbed in pairs if survivor.row and absorbed.row],
            self._policy,
        )
        return survivors

    @staticmethod
    def _absorb_rest(survivor: Entity, absorbed: Entity) -> None:
        # An unsubscribe wins over everything, whichever of the two it was made on.
        for channel, subscribed in absorbed.subscribed.items():
            survivor.subscribed[channel] = survivor.subscribed[channel] and subscribed

    def _written(self, present: Mapping[UUID, Row[Any]]) -> dict[UUID, Version]:
        """Return what this data source last wrote to each entity."""
        known = [id for id, row in present.items() if not row.stub]
        columns = [LINK.c.entity_id, LINK.c.remote_updated_at, LINK.c.id]
        theirs = (LINK.c.source_id == self._policy.source_id, LINK.c.remote_updated_at.is_not(None))
        rows = rows_in(self._connection, columns, LINK.c.entity_id, known, *theirs)
        versions = sorted((row.remote_updated_at, row.id, row.entity_id) for row in rows)
        return {entity_id: (at, link) for at, link, entity_id in versions}

    def _entity(self, id: UUID, row: Row[Any] | None, written: Version | None) -> Entity:
        if row is None or row.stub:
            subscribed: dict[str, bool] = {
                channel: self._policy.permissions.get(channel, False) for channel in self._entities.permissions
            }
            created_at = self._policy.now if row is None else row.created_at
            values = Values({}, {}, None, is_new=True)
            return Entity(id, values, subscribed, None, created_at, row)
        given = {key: value for key in self._entities.columns if (value := row._mapping[key]) is not None}
        values = Values(
            {**given, **row.fields}, dict(row.lineage), row.initial_source_id, is_new=False, written=written
        )
        held: dict[str, bool] = {
            channel: row._mapping[f"{channel}_subscribed"] for channel in self._entities.permissions
        }
        return Entity(id, values, held, row.archived_at, row.created_at, row)

    def _take_in(self, records: Sequence[Shaped], survivors: Mapping[UUID, Entity]) -> None:
        """Apply the records, the older first: the vendor's order of changes, not the order of arrival, decides."""
        for record in sorted(records, key=lambda r: (r.updated_at is not None, r.updated_at or 0, r.link_id)):
            link = self._links[record.link_id]
            entity = survivors[link.entity_id]
            is_new = entity.values.is_new
            if is_new:
                for channel, allowed in record.permissions.items():
                    entity.subscribed[channel] = allowed
            elif link.content_hash is None:
                self.merged.add(record.link_id)
            if link.deleted_at is not None and link.deleted_at == entity.archived_at:
                # It was archived because this record was deleted, and here the record is again.
                entity.archived_at = None
                entity.values.changed = True
            take_in(entity.values, record, self._policy)
            self.outcome[record.link_id] = "created" if is_new else self._kept_or_updated(entity)

    def _kept_or_updated(self, entity: Entity) -> str:
        ours = entity.values.initial_source_id == self._policy.source_id
        return "updated" if ours or self._policy.strategy != "ignore" else "skipped"

    def _write(self, entities: Iterable[Entity]) -> None:
        changed = {entity.id: entity for entity in entities if entity.values.changed}
        rows = [self._row(changed[id]) for id in sorted(changed)]
        upsert(self._connection, self._entities.table, rows, update=self._entities.written)

    def _row(self, entity: Entity) -> dict[str, Any]:
        values = dict(entity.values.values)
        row: dict[str, Any] = {column: values.pop(column, None) for column in self._entities.columns}
        row.update({f"{channel}_subscribed": entity.subscribed[channel] for channel in self._entities.permissions})
        return row | {
            "id": entity.id,
            "fields": values,
            "lineage": entity.values.lineage,
            "stub": False,
            "initial_source_id": entity.values.initial_source_id,
            "merged_into": None,
            "archived_at": entity.archived_at,
            "created_at": entity.created_at,
            "updated_at": self._policy.now,
        }

    def _repoint(self, records: Sequence[Shaped], survivors: Mapping[UUID, Entity]) -> None:
        """Let links and identities point to who is left, and give up the identities a record no longer has."""
        moved = [
            {"id": id, "kind": "", "type": "", "value": "", "entity_id": survivors[owner].id}
            for id, owner in sorted(self._owners.items())
            if survivors[owner].id != owner
        ]
        upsert(self._connection, IDENTITY, moved, update=("entity_id",))
        self._links.redirect({id: entity.id for id, entity in survivors.items()})
        released: list[UUID] = []
        for record in records:
            link = self._links[record.link_id]
            released += [UUID(key) for key in link.identity_ids if UUID(key) not in self._keys[record.link_id]]
        if released:
            self._release(released, {r.link_id for r in records})

    def _release(self, ids: Sequence[UUID], ours: set[UUID]) -> None:
        """Free identities that no link of their owner claims any more, so that another person may have them."""
        owners = rows_in(self._connection, [IDENTITY.c.id, IDENTITY.c.entity_id], IDENTITY.c.id, ids)
        others = rows_in(
            self._connection, [LINK.c.id, LINK.c.identity_ids], LINK.c.entity_id, {row.entity_id for row in owners}
        )
        still = {key for row in others if row.id not in ours for key in row.identity_ids}
        still |= {id.hex for keys in self._keys.values() for id in keys}
        gone = [id for id in ids if id.hex not in still]
        if gone:
            self._connection.execute(IDENTITY.delete().where(IDENTITY.c.id.in_(gone)))


def make_stubs(connection: Connection, entities: EntityTable, ids: Iterable[UUID], policy: Policy) -> None:
    """Store an empty row for each entity that is referred to before it has been read."""
    row: dict[str, Any] = {
        **dict.fromkeys(entities.written),
        **{f"{channel}_subscribed": policy.permissions.get(channel, False) for channel in entities.permissions},
        "fields": {},
        "lineage": {},
        "stub": True,
        "created_at": policy.now,
        "updated_at": policy.now,
    }
    insert_missing(connection, entities.table, [row | {"id": id} for id in sorted(ids)])
