"""The tables of people and of organizations: searched, filtered, sorted and read page by page (R34)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, Float, Select, String, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from core.contract.fields import Entity
from core.db import bulk, estimates, texts
from core.db.models import DataSource, Link, Membership, Organization, Person
from core.filters import Filter, select_ids, where
from core.filters.documents import value_in
from core.services import entities, organizations, paging, people, searching
from core.services.columns import Column
from core.services.sources import now_utc

State = Literal["active", "archived", "all"]
Text: TypeAlias = InstrumentedAttribute[str | None]

BATCH = 500

SORTED_TEXT = 100
"""So many characters of a text decide where it stands."""

MODELS: Mapping[Entity, type[Person] | type[Organization]] = {"person": Person, "organization": Organization}
_SEARCHED: Mapping[Entity, tuple[tuple[Text, ...], tuple[Text, ...]]] = {
    "person": ((Person.phone, Person.external_id), (Person.first_name, Person.last_name)),
    "organization": ((Organization.domain,), (Organization.name,)),
}
"""Columns that a word may begin, and columns within which it may begin a word. Each has an index on its ``lower``: one
that had none would have all rows read."""

_INDEXED: Mapping[Entity, frozenset[str]] = {
    "person": frozenset({"name", "email", "created_at"}),
    "organization": frozenset({"name", "created_at"}),
}
"""Columns whose index gives any number of rows in order. Another index would slow down every sync."""

_NEVER_SORTED = frozenset({"organizations", "people", "sources", "tags", "list"})


@dataclass(frozen=True, slots=True)
class Query:
    """Which people or organizations are asked for.

    Attributes:
        text: Each of its words begins a name, the email, the phone number, the external id or the domain; "" for all.
        state: ``"active"``, ``"archived"`` or ``"all"``.
        filter: What they must meet; None for nothing.
        zone: Whose days the filter means.
        organization: Only its members.
        source: Only those that this data source knows.
    """

    text: str = ""
    state: State = "active"
    filter: Filter | None = None
    zone: tzinfo = UTC
    organization: UUID | None = None
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """How many rows a query finds, counted up to a limit, and their ids, unless there are more than the limit."""

    count: int
    ids: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """By which column, and in which direction."""

    column: Column
    descending: bool = False

    @property
    def key(self) -> str:
        """How addresses name it: ``email``, or ``-email`` for descending."""
        return f"-{self.column.key}" if self.descending else self.column.key


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table. What hangs on the entity is there if a column shows it."""

    entity: Any
    organizations: list[Organization] = field(default_factory=list)
    people: int = 0
    sources: list[DataSource] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What to call it."""
        return name_of(self.entity)

    def value(self, column: Column) -> Any:
        """Return the value in a column: names of what hangs on it, a moment or JSON."""
        match column.type:
            case "name":
                return self.name
            case "organizations":
                return [organizations.display_name(each) for each in self.organizations]
            case "people":
                return self.people
            case "sources":
                return [source.name for source in self.sources]
            case "tags":
                return self.tags
        return getattr(self.entity, column.key) if column.stored else self.entity.fields.get(column.key)


def name_of(entity: Person | Organization) -> str:
    """Return what to call a person or organization."""
    return people.display_name(entity) if isinstance(entity, Person) else organizations.display_name(entity)


def is_sortable(kind: Entity, column: Column, count: int) -> bool:
    """Tell whether ``count`` rows can be sorted by a column in the time a page may take.

    A column with an index sorts any number; of others, as many as :data:`core.services.paging.COUNT_LIMIT`. Lists, and
    what is put together from other tables, never sort.
    """
    if column.type in _NEVER_SORTED:
        return False
    return column.key in _INDEXED[kind] or count <= paging.COUNT_LIMIT


def page(
    session: Session,
    kind: Entity,
    query: Query,
    columns: Sequence[Column],
    sort: Sort,
    found: Found,
    cursor: str | None = None,
    size: int = 50,
) -> paging.Page[Row]:
    """Return one page of a table, in a number of statements that does not depend on its length.

    Args:
        session: Where to read.
        kind: Of what.
        query: Which.
        columns: Those that are shown.
        sort: By what; see :func:`is_sortable`.
        found: What :func:`find` found.
        cursor: Which page; None for the first.
        size: Rows on a page.

    Raises:
        NotFound: The cursor is malformed.
    """
    # Who wrote what is as much as the values themselves, and no table shows it.
    rows = _walked(kind, query) if found.ids is None else _found(session, kind, found.ids)
    rows = rows.options(defer(MODELS[kind].lineage, raiseload=True))
    read = paging.page(session, rows, _order(kind, sort, found.count), cursor, size)
    return read.map(lambda items: _rows(session, kind, items, columns))


def find(session: Session, kind: Entity, query: Query) -> Found:
    """Return which rows a table has, up to :data:`core.services.paging.COUNT_LIMIT`; of more only that they are more.

    To find few among a million all may have to be looked at: this is done once, for the count and for the ids, and not
    again for the page.
    """
    estimates.expect_long_scans(session)
    ids, limit = _select(kind, query).with_only_columns(MODELS[kind].id), paging.COUNT_LIMIT + 1
    if query.filter is not None:
        ids = select_ids(ids, query.filter, kind, now_utc(), query.zone, limit, estimates.statistics(session))
    each = ids.limit(limit).subquery()
    counted = select(each.c.id, func.count().over().label("count"), func.row_number().over().label("at")).subquery()
    # Of too many none is needed, but the count.
    wanted = or_(counted.c.count < limit, counted.c.at == 1)
    rows = session.execute(select(counted.c.count, counted.c.id).where(wanted)).all()
    count = rows[0][0] if rows else 0
    return Found(count, [id for _, id in rows] if count < limit else None)


def every(
    engine: Engine, kind: Entity, query: Query, columns: Sequence[Column], sort: Sort, found: Found
) -> Iterator[list[Any]]:
    """Yield the values of all rows of a table, in constant memory; arguments as of :func:`page`.

    Each batch is read in a transaction of its own: nothing is held while the reader takes her time.
    """
    cursor: str | None = None
    while True:
        with Session(engine) as session:
            batch = page(session, kind, query, columns, sort, found, cursor, BATCH)
            lines = [[row.value(column) for column in columns] for row in batch.items]
        yield from lines
        if batch.next is None:
            return
        cursor = batch.next


def _rows(session: Session, kind: Entity, items: Sequence[Any], columns: Iterable[Column]) -> list[Row]:
    ids = [item.id for item in items]
    shown = {column.type for column in columns}
    tags = entities.tags(session, kind, ids) if "tags" in shown else {}
    members = people.organizations_of(session, ids) if "organizations" in shown else {}
    sizes = organizations.people_counts(session, ids) if "people" in shown else {}
    sources = entities.brought_by(session, ids, entities.sources_by_id(session)) if "sources" in shown else {}
    return [
        Row(item, members.get(item.id, []), sizes.get(item.id, 0), sources.get(item.id, []), tags.get(item.id, []))
        for item in items
    ]


def _found(session: Session, kind: Entity, ids: Sequence[UUID]) -> Select[Any]:
    model = MODELS[kind]
    return select(model).where(bulk.is_one_of(session.get_bind().dialect.name, model.id, ids))


def _walked(kind: Entity, query: Query) -> Select[Any]:
    """Return rows that are each asked by itself: many were found, so a page is full after few."""
    rows = _select(kind, query)
    return rows if query.filter is None else rows.where(where(query.filter, kind, now_utc(), query.zone))


def _select(kind: Entity, query: Query) -> Select[Any]:
    """Return the rows that a query asks for, but for its filter."""
    model = MODELS[kind]
    rows = select(model).where(~model.stub, model.merged_into.is_(None))
    if query.state != "all":
        rows = rows.where(model.archived_at.is_(None) if query.state == "active" else model.archived_at.is_not(None))
    if query.organization is not None:
        rows = rows.where(
            model.id.in_(select(Membership.person_id).where(Membership.organization_id == query.organization))
        )
    if query.source is not None:
        theirs = select(Link.id).where(
            Link.entity_id == model.id,
            Link.source_id == query.source,
            Link.content_hash.is_not(None),
            Link.deleted_at.is_(None),
        )
        rows = rows.where(theirs.exists())
    return rows.where(*(_found_by(kind, word) for word in searching.words(query.text)))


def _found_by(kind: Entity, word: str) -> ColumnElement[bool]:
    columns, names = _SEARCHED[kind]
    # A database whose locale is C knows the case of ASCII letters only.
    forms = {word} if word.isascii() else {word, word.lower(), word.capitalize()}
    found = [texts.begins(column, form) for form in forms for column in (*columns, *names)]
    found += [texts.contains(name, f" {form}") for form in forms for name in names]
    # Emails are kept in lower case: their index is on the column itself, which is also ordered by.
    email = Person.email.startswith(word.lower(), autoescape=True)
    if kind == "person":
        return email if "@" in word else or_(email, *found)
    return or_(*found)


def _order(kind: Entity, sort: Sort, count: int) -> paging.Order:
    """Return what a table is ordered by: few rows without regard to case, many as an index has them."""
    model = MODELS[kind]
    keys = _sort_keys(model, sort.column)
    if count <= paging.COUNT_LIMIT:
        keys = tuple(func.lower(key, type_=String()) if key.type.python_type is str else key for key in keys)
    nullable = not sort.column.stored or bool(getattr(model, sort.column.key).nullable)
    return paging.Order(keys, model.id, sort.descending, nullable)


def _sort_keys(model: type[Person] | type[Organization], column: Column) -> tuple[paging.Key, ...]:
    if column.type == "name":
        return Person.first_name, func.coalesce(Person.last_name, "")
    if column.stored:
        return (getattr(model, column.key),)
    value = value_in(model.fields, column.key, column.type)  # type: ignore[arg-type]
    if column.type in ("integer", "decimal"):
        return (cast(value, Float),)
    return (value,) if column.type == "boolean" else (func.substr(value, 1, SORTED_TEXT, type_=String()),)
