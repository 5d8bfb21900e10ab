"""Paging through tables of any length: by the key of the last row seen, so that page 1,000 costs what page 1 does."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.db.types import UtcDateTime
from core.services.errors import NotFound

T = TypeVar("T")
U = TypeVar("U")

Key: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]

COUNT_LIMIT = 10_000
LARGEST = 2**31 - 1
"""The largest integer that a column of either database takes."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows in their order.

    Attributes:
        items: The rows.
        next: Cursor of the page that follows; None when there is none.
        previous: Cursor of the page before.
    """

    items: list[T]
    next: str | None
    previous: str | None

    def map(self, change: Callable[[list[T]], list[U]]) -> Page[U]:
        """Return the page with other items in the same order."""
        return Page(change(self.items), self.next, self.previous)


@dataclass(frozen=True)
class Order:
    """What rows are ordered by. Rows without a value come last, whichever the direction.

    Attributes:
        keys: The first may be NULL if ``nullable``, the others may not.
        id: Tells rows of equal keys apart.
        descending: The greatest first.
        nullable: Whether the first key may be NULL.
    """

    keys: tuple[Key, ...]
    id: Key
    descending: bool = True
    nullable: bool = False


def page(session: Session, rows: Select[T], order: Order, cursor: str | None, size: int = 50) -> Page[T]:
    """Read one page of ``rows``, which are entities.

    Rows with a value and those without are read by a statement each, the second only where the first leaves room: so an
    index of the first key serves on SQLite and PostgreSQL, which put NULL at different ends.

    Args:
        session: Where to read.
        rows: Without order and limit.
        order: Of the rows.
        cursor: What :attr:`Page.next` or :attr:`Page.previous` said for the same order; None for the first page.
        size: Rows on a page.

    Raises:
        NotFound: The cursor is malformed, or of another order.
    """
    backwards, place = _parse(cursor, order) if cursor else (False, None)
    columns = (*order.keys, order.id)
    found: list[Sequence[Any]] = []
    for part in _parts(order, backwards, place):
        keys = columns if part is not False else columns[1:]
        wanted = rows.add_columns(*columns)
        if part is not None:
            wanted = wanted.where(columns[0].is_not(None) if part else columns[0].is_(None))
        if place is not None and part is _part_of(order, place):
            given = place[-len(keys) :]
            here = tuple_(*(literal(value, key.type) for key, value in zip(keys, given, strict=True)))
            wanted = wanted.where(tuple_(*keys) < here if order.descending != backwards else tuple_(*keys) > here)
        ordered = [key.desc() if order.descending != backwards else key.asc() for key in keys]
        found += session.execute(wanted.order_by(*ordered).limit(size + 1 - len(found))).all()
        if len(found) > size:
            break
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    after, before = (True, more) if backwards else (more, cursor is not None)
    return Page(
        items=[row[0] for row in found],
        next=mark("after", found[-1][1:]) if found and after else None,
        previous=mark("before", found[0][1:]) if found and before else None,
    )


def count_up_to_limit(session: Session, rows: Select[Any]) -> int:
    """Return how many ``rows`` there are, at most :data:`COUNT_LIMIT` + 1, which means «more»."""
    return counts_up_to_limit(session, [rows])[0]


def counts_up_to_limit(session: Session, several: Sequence[Select[Any]]) -> list[int]:
    """Return of each of ``several`` how many rows there are, as :func:`count_up_to_limit`, in one statement."""
    if not several:
        return []
    limited = [rows.with_only_columns(literal(1)).order_by(None).limit(COUNT_LIMIT + 1).subquery() for rows in several]
    counts = [select(func.count()).select_from(each).scalar_subquery() for each in limited]
    return list(session.execute(select(*counts)).one())


def _part_of(order: Order, place: Sequence[Any]) -> bool | None:
    """Return whether a place lies among the rows with a value; None where there are no others."""
    return place[0] is not None if order.nullable else None


def _parts(order: Order, backwards: bool, place: Sequence[Any] | None) -> list[bool | None]:
    """Return which rows are read, in turn: with a value (True), without (False), or all (None)."""
    if not order.nullable:
        return [None]
    parts: list[bool | None] = [False, True] if backwards else [True, False]
    return parts if place is None else parts[parts.index(_part_of(order, place)) :]


def mark(direction: str, key: Sequence[Any]) -> str:
    """Return the cursor of the page ``"after"`` or ``"before"`` the row whose keys, and id, these are."""
    packed = json.dumps([_text(value) for value in key], separators=(",", ":"), ensure_ascii=False).encode()
    return f"{direction}_{urlsafe_b64encode(packed).decode().rstrip('=')}"


def _parse(cursor: str, order: Order) -> tuple[bool, list[Any]]:
    direction, _, packed = cursor.partition("_")
    try:
        texts = json.loads(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        if direction not in ("after", "before"):
            raise ValueError(direction)
        values = [_value(text, key) for text, key in zip(texts, (*order.keys, order.id), strict=True)]
        if None in values[1 if order.nullable else 0 :]:
            raise ValueError(values)
        return direction == "before", values
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise NotFound("There is no such page") from None


def _text(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, UUID):
        return value.hex
    return value.isoformat() if isinstance(value, datetime) else value


def _value(given: Any, key: Key) -> Any:
    """Return a value of a cursor as one of ``key``."""
    if given is None:
        return None
    if isinstance(key.type, UtcDateTime):
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is None:
            raise ValueError(given)
        return moment
    wanted = key.type.python_type
    if isinstance(given, bool) != (wanted is bool):
        raise TypeError(given)
    if wanted in (float, UUID):
        return wanted(given)
    if wanted is int and not -LARGEST <= given <= LARGEST:
        raise OverflowError(given)
    if not isinstance(given, wanted) or (isinstance(given, str) and "\0" in given.encode().decode()):
        # Halves of surrogate pairs cannot be encoded: neither they nor NUL can be put to a database.
        raise ValueError(given)
    return given
