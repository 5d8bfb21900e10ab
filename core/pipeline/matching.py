"""Who is who: which person or organization each record of a page is, and what is written of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core.db.bulk import insert_missing, rows_in, table_of, upsert
from core.db.models import Identity
from core.pipeline.entities import Entity, EntityTable, entity_of, row_of
from core.pipeline.groups import Groups
from core.pipeline.ids import in_order
from core.pipeline.keys import Keys
from core.pipeline.links import LINK, Links
from core.pipeline.merges import merge_entities
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped
from core.pipeline.values import Version, take_in

IDENTITY = table_of(Identity)


class Stale(Exception):
    """Another transaction changed who is who meanwhile: roll back and apply the page again."""


def without_match(
    connection: Connection, records: Sequence[Shaped], links: Links, keys: Mapping[UUID, Keys]
) -> set[UUID]:
    """Return the links of the records that belong to nobody who is already here."""
    unread = [r.link_id for r in records if (link := links.get(r.link_id)) is None or link.content_hash is None]
    wanted = {id for link in unread for id in keys[link]}
    known = {row.id for row in rows_in(connection, [IDENTITY.c.id], IDENTITY.c.id, wanted)}
    return {link for link in unread if not known.intersection(keys[link])}


class Matcher:
    """Finds out which entity each record of one kind is, and writes the entities.

    Args:
        connection: A write transaction.
        entities: Which kind.
        links: Holds the links of all records.
        keys: The identities that each record claims, by its link; see :func:`core.pipeline.keys.claimed_by`.
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
        self._owners: dict[UUID, UUID] = {}
        self.keys: dict[UUID, Keys] = {}
        self.outcome: dict[UUID, str] = {}
        self.merged: set[UUID] = set()

    def run(self, records: Sequence[Shaped], merged: Sequence[tuple[UUID, UUID]] = ()) -> None:
        """Match and write ``records``; ``merged`` are pairs of links that the vendor says are one.

        Raises:
            Stale: Who is who changed meanwhile.
        """
        if not records and not merged:
            return
        self._claim(records)
        groups = self._groups(records, merged)
        survivors = self._survivors(groups, self._read(groups))
        self._take_in(records, survivors)
        self._write(survivors.values())
        self._repoint(records, survivors)

    def _claim(self, records: Sequence[Shaped]) -> None:
        """Find out to whom the identities belong that the records claim.

        A shared identity belongs to whoever claims it first; the claims of one page are made in one order, so that
        two pages that claim the same wait for each other and the later one finds the earlier one's owner.
        """
        claims: dict[UUID, dict[str, Any]] = {}
        for record in records:
            link = self._links[record.link_id]
            keys = self._given[link.id]
            if link.apart_from:
                keys = {id: key for id, key in keys.items() if id.hex not in link.apart_from}
            self.keys[link.id] = keys
            for id, (type_, value) in keys.items():
                if id not in claims:
                    row = {"id": id, "kind": self._entities.kind, "type": type_, "value": value}
                    claims[id] = row | {"entity_id": link.entity_id}
        inserted = insert_missing(self._connection, IDENTITY, [claims[id] for id in in_order(claims)]) or set()
        self._owners = {id: row["entity_id"] for id, row in claims.items() if id in inserted}
        columns = [IDENTITY.c.id, IDENTITY.c.entity_id]
        others = rows_in(self._connection, columns, IDENTITY.c.id, claims.keys() - inserted)
        self._owners.update((row.id, row.entity_id) for row in others)

    def _groups(self, records: Sequence[Shaped], merged: Sequence[tuple[UUID, UUID]]) -> Groups:
        """Put together the entities that the page proves to be one."""
        groups = Groups()
        for record in records:
            entity = groups.add(self._links[record.link_id].entity_id)
            for id in self.keys[record.link_id]:
                if (owner := self._owners[id]) is not entity:
                    groups.join(entity, owner)
        for gone, survivor in merged:
            groups.join(self._links[gone].entity_id, self._links[survivor].entity_id)
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
        pairs: list[tuple[Row[Any], Row[Any]]] = []
        for members in groups.sets():
            candidates = [
                entity_of(self._entities, id, present.get(id), written.get(id), self._policy) for id in members
            ]
            survivor, *others = sorted(candidates, key=lambda entity: entity.age) if members[1:] else candidates
            for entity in others:
                if survivor.row is not None and entity.row is not None:
                    pairs.append((survivor.row, entity.row))
                if not entity.is_stub:
                    survivor.absorb(entity)
            for id in members:
                survivors[id] = survivor
        merge_entities(self._connection, self._entities.kind, self._entities.table, pairs, self._policy)
        return survivors

    def _written(self, present: Mapping[UUID, Row[Any]]) -> dict[UUID, Version]:
        """Return what this data source last wrote to each entity."""
        known = [id for id, row in present.items() if not row.stub]
        columns = [LINK.c.entity_id, LINK.c.remote_updated_at, LINK.c.id]
        theirs = (LINK.c.source_id == self._policy.source_id, LINK.c.remote_updated_at.is_not(None))
        rows = rows_in(self._connection, columns, LINK.c.entity_id, known, *theirs)
        versions = sorted((row.remote_updated_at, row.id, row.entity_id) for row in rows)
        return {entity_id: (at, link) for at, link, entity_id in versions}

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
        rows = [row_of(self._entities, changed[id], self._policy) for id in in_order(changed)]
        upsert(self._connection, self._entities.table, rows, update=self._entities.written)

    def _repoint(self, records: Sequence[Shaped], survivors: Mapping[UUID, Entity]) -> None:
        """Let links and identities point to who is left, and give up the identities a record no longer has."""
        left = {id: entity.id for id, entity in survivors.items() if entity.id != id}
        moved = [
            {"id": id, "kind": "", "type": "", "value": "", "entity_id": left[owner]}
            for id in in_order(self._owners if left else ())
            if (owner := self._owners[id]) in left
        ]
        upsert(self._connection, IDENTITY, moved, update=("entity_id",))
        self._links.redirect(left)
        released: list[UUID] = []
        for record in records:
            if held := self._links[record.link_id].identity_ids:
                released += {UUID(key) for key in held}.difference(self.keys[record.link_id])
        if released:
            self._release(released, {r.link_id for r in records})

    def _release(self, ids: Sequence[UUID], ours: set[UUID]) -> None:
        """Free identities that no link of their owner claims any more, so that another person may have them."""
        owners = rows_in(self._connection, [IDENTITY.c.id, IDENTITY.c.entity_id], IDENTITY.c.id, ids)
        others = rows_in(
            self._connection, [LINK.c.id, LINK.c.identity_ids], LINK.c.entity_id, {row.entity_id for row in owners}
        )
        still = {key for row in others if row.id not in ours for key in row.identity_ids}
        still |= {id.hex for keys in self.keys.values() for id in keys}
        gone = [id for id in ids if id.hex not in still]
        if gone:
            self._connection.execute(IDENTITY.delete().where(IDENTITY.c.id.in_(gone)))
