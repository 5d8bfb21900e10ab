"""Which objects of the vendor a page speaks of, and what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from core.contract.types import Ref
from core.db.bulk import insert_missing, rows_in, table_of, upsert
from core.db.models import Link
from core.pipeline.ids import in_order, link_id
from core.pipeline.keys import Keys
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped

LINK = table_of(Link)
_WRITTEN = ("entity_id", "identity_ids", "content_hash", "remote_updated_at", "deleted_at", "left_at")


@dataclass(slots=True)
class LinkState:
    """A link as it is in the database; ``is_new`` when this page made it, so that nothing hangs on it yet."""

    id: UUID
    source_id: int
    object: str
    remote_id: str
    entity_id: UUID
    identity_ids: list[str]
    apart_from: list[str]
    content_hash: bytes | None = None
    remote_updated_at: datetime | None = None
    deleted_at: datetime | None = None
    left_at: datetime | None = None
    is_new: bool = False

    def is_apart_from(self, other: LinkState) -> bool:
        """Tell whether an undone merge showed that the two are not one."""
        return other.id.hex in self.apart_from or self.id.hex in other.apart_from


class Links:
    """The links a page needs, by id. Those that were missing are made, each pointing to an entity of its own id."""

    def __init__(self, connection: Connection, policy: Policy) -> None:
        self._connection = connection
        self._policy = policy
        self._states: dict[UUID, LinkState] = {}
        self._ids: dict[Ref, UUID] = {}

    def __getitem__(self, id: UUID) -> LinkState:
        return self._states[id]

    def get(self, id: UUID) -> LinkState | None:
        """Return the link, or None when it is neither stored nor made."""
        return self._states.get(id)

    def id_of(self, ref: Ref) -> UUID:
        """Return the id of an object's link."""
        id = self._ids.get(ref)
        if id is None:
            id = self._ids[ref] = link_id(self._policy.source_id, ref.object, ref.remote_id)
        return id

    def of(self, ref: Ref) -> LinkState:
        """Return the link of an object that :meth:`ensure` was told of."""
        return self._states[self._ids[ref]]

    def read(self, ids: Collection[UUID]) -> None:
        """Take in what is stored of these."""
        self._take(rows_in(self._connection, [LINK], LINK.c.id, ids))

    def ensure(self, records: Collection[Shaped], refs: Collection[Ref], keys: Mapping[UUID, Keys]) -> None:
        """Make the links that are missing, and hold them all until the transaction ends.

        Two pages that bring the same object wait for each other here, so that the later one sees what the earlier
        one wrote and none of its decisions rests on an old state. What is only referred to is shared with other
        pages that refer to it; a merge, which moves the link, must wait, or it would miss what this page adds.

        A link of a record is stored as it will be in the end, since few turn out to be of somebody known; to this
        page it is one whose object was never read.
        """
        ours = {record.link_id for record in records}
        others = {self.id_of(ref) for ref in refs} - ours
        missing = {r.link_id: self._final(r, keys[r.link_id]) for r in records if r.link_id not in self._states}
        for ref in refs:
            id = self._ids[ref]
            if id in others and id not in self._states:
                missing[id] = self._fresh(id, ref.object, ref.remote_id)
        inserted = insert_missing(self._connection, LINK, [missing[id] for id in in_order(missing)])
        made = missing.keys() if inserted is None else inserted
        for id in made:
            row = missing[id]
            self._states[id] = LinkState(id, row["source_id"], row["object"], row["remote_id"], id, [], [], is_new=True)
        self._take(rows_in(self._connection, [LINK], LINK.c.id, ours - made, lock="update"))
        self._take(rows_in(self._connection, [LINK], LINK.c.id, others - made, lock="share"))

    def _final(self, record: Shaped, keys: Keys) -> dict[str, Any]:
        row = self._fresh(record.link_id, record.object, record.remote_id)
        row.update(
            identity_ids=[id.hex for id in keys],
            content_hash=record.content_hash,
            remote_updated_at=record.updated_at,
        )
        return row

    def _fresh(self, id: UUID, object: str, remote_id: str) -> dict[str, Any]:
        return {
            "id": id,
            "source_id": self._policy.source_id,
            "object": object,
            "remote_id": remote_id,
            "entity_id": id,
            "identity_ids": [],
            "apart_from": [],
            "content_hash": None,
            "remote_updated_at": None,
            "deleted_at": None,
            "left_at": None,
        }

    def _take(self, rows: Iterable[Row[Any]]) -> None:
        for row in rows:
            self._states[row.id] = LinkState(
                row.id,
                row.source_id,
                row.object,
                row.remote_id,
                row.entity_id,
                row.identity_ids,
                row.apart_from,
                row.content_hash,
                row.remote_updated_at,
                row.deleted_at,
                row.left_at,
            )

    def redirect(self, entities: Mapping[UUID, UUID]) -> None:
        """Let the links to merged entities point to what is left of them."""
        for link in self._states.values() if entities else ():
            link.entity_id = entities.get(link.entity_id, link.entity_id)

    def is_current(self, record: Shaped) -> bool:
        """Tell whether what is stored is the same as ``record``, or newer."""
        link = self._states.get(record.link_id)
        if link is None or link.content_hash is None:
            return False
        if link.content_hash == record.content_hash and link.left_at is None:
            return link.deleted_at is None
        return _is_older(record, link)

    def write(self, records: Iterable[Shaped], keys: Mapping[UUID, Keys]) -> None:
        """Remember what was written of ``records``, and the identities that each claims, by link."""
        rows = [
            self._final(record, keys.get(record.link_id, {})) | {"entity_id": link.entity_id}
            for record in records
            if not ((link := self._states[record.link_id]).is_new and link.entity_id == link.id)
        ]
        rows.sort(key=lambda row: row["id"].int)
        upsert(self._connection, LINK, rows, update=_WRITTEN)

    def leave(self, records: Iterable[Shaped]) -> list[Shaped]:
        """Remember that records do not meet the admin's conditions any more; what was written of them stays.

        Returns:
            Those of them that came in before.
        """
        stored = [record for record in records if self._is_here(record.link_id)]
        self._take(rows_in(self._connection, [LINK], LINK.c.id, [record.link_id for record in stored], lock="update"))
        rows = [row for record in stored if (row := self._left(record))]
        rows.sort(key=lambda row: row["id"].int)
        upsert(self._connection, LINK, rows, update=("remote_updated_at", "left_at"))
        return stored

    def _left(self, record: Shaped) -> dict[str, Any] | None:
        """Return the link of a record that left; None if that is known, or no longer so."""
        link = self._states[record.link_id]
        seen = record.updated_at or link.remote_updated_at
        if _is_older(record, link) or (link.left_at is not None and seen == link.remote_updated_at):
            return None
        row = {name: getattr(link, name) for name in LINK.c.keys()}  # noqa: SIM118 (of a table's columns)
        return row | {"remote_updated_at": seen, "left_at": link.left_at or self._policy.now}

    def _is_here(self, id: UUID) -> bool:
        link = self._states.get(id)
        return link is not None and link.content_hash is not None and link.deleted_at is None


def _is_older(record: Shaped, link: LinkState) -> bool:
    """Tell whether the record is an older version than the one that was seen last."""
    if record.updated_at is None or link.remote_updated_at is None:
        return False
    return record.updated_at < link.remote_updated_at
