"""People and organizations: how they are stored, and what they are while a page is applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, Table

from core.db.bulk import insert_missing, table_of
from core.db.models import Organization, Person
from core.pipeline.ids import in_order
from core.pipeline.policy import Policy
from core.pipeline.values import Values, Version, absorb


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

    @property
    def age(self) -> tuple[bool, bool, datetime, UUID]:
        """What sorts the elder before the younger, and before both those that are not known yet."""
        return self.row is None, self.is_stub, self.created_at, self.id

    def absorb(self, other: Entity) -> None:
        """Take over what ``other`` has, with which this one turned out to be one."""
        absorb(self.values, other.values)
        # An unsubscribe wins over everything, whichever of the two it was made on.
        for channel, subscribed in other.subscribed.items():
            self.subscribed[channel] = self.subscribed[channel] and subscribed


def entity_of(entities: EntityTable, id: UUID, row: Row[Any] | None, written: Version | None, policy: Policy) -> Entity:
    """Return an entity as it is before a page is applied.

    Args:
        entities: Its table.
        id: Its id.
        row: Its row, if it is stored.
        written: What the data source last wrote to it.
        policy: The data source's.
    """
    if row is None or row.stub:
        subscribed: dict[str, bool] = {
            channel: policy.permissions.get(channel, False) for channel in entities.permissions
        }
        created_at = policy.now if row is None else row.created_at
        return Entity(id, Values({}, {}, None, is_new=True), subscribed, None, created_at, row)
    given = {key: value for key in entities.columns if (value := row._mapping[key]) is not None}
    values = Values({**given, **row.fields}, dict(row.lineage), row.initial_source_id, is_new=False, written=written)
    held: dict[str, bool] = {channel: row._mapping[f"{channel}_subscribed"] for channel in entities.permissions}
    return Entity(id, values, held, row.archived_at, row.created_at, row)


def row_of(entities: EntityTable, entity: Entity, policy: Policy) -> dict[str, Any]:
    """Return an entity as it is stored."""
    fields = dict(entity.values.values)
    row: dict[str, Any] = {column: fields.pop(column, None) for column in entities.columns}
    for channel in entities.permissions:
        row[f"{channel}_subscribed"] = entity.subscribed[channel]
    row.update(
        id=entity.id,
        fields=fields,
        lineage=entity.values.lineage,
        stub=False,
        initial_source_id=entity.values.initial_source_id,
        merged_into=None,
        archived_at=entity.archived_at,
        created_at=entity.created_at,
        updated_at=policy.now,
    )
    return row


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
    insert_missing(connection, entities.table, [row | {"id": id} for id in in_order(ids)])
