"""Paging through tables of any length: by the key of the last row seen, so that page 1,000 costs what page 1 does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.db.types import UtcDateTime
from core.services.errors import NotFound

T = TypeVar("T")
U = TypeVar("U")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(after|before)_(-?\d{1,17})_([0-9a-f]{32})")
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, newest first.

    Attributes:
        items: The rows.
        next: Cursor of the page with older rows; None when there is none.
        previous: Cursor of the page with newer rows.
    """

    items: list[T]
    next: str | None
    previous: str | None

    def map(self, change: Callable[[list[T]], list[U]]) -> Page[U]:
        """Return the page with other items in the same order."""
        return Page(change(self.items), self.next, self.previous)


def page(
    session: Session,
    rows: Select[T],
    moment: InstrumentedAttribute[datetime],
    id: InstrumentedAttribute[UUID],
    cursor: str | None,
    size: int = 50,
) -> Page[T]:
    """Read one page of ``rows``, which are entities, by (``moment``, ``id``), the newest first.

    Args:
        session: Where to read.
        rows: Without order and limit.
        moment: Attribute to order by.
        id: Attribute that tells rows of one moment apart.
        cursor: What :attr:`Page.next` or :attr:`Page.previous` said; None for the first page.
        size: Rows on a page.

    Raises:
        NotFound: The cursor is malformed.
    """
    backwards, place = _parse(cursor) if cursor else (False, None)
    if place is not None:
        key = tuple_(moment, id)
        rows = rows.where(key > place if backwards else key < place)
    order = (moment.asc(), id.asc()) if backwards else (moment.desc(), id.desc())
    found = list(session.scalars(rows.order_by(*order).limit(size + 1)))
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()

    def mark(direction: str, row: T) -> str:
        micros = (getattr(row, moment.key) - _EPOCH) // timedelta(microseconds=1)
        return f"{direction}_{micros}_{getattr(row, id.key).hex}"

    older, newer = (True, more) if backwards else (more, cursor is not None)
    return Page(
        items=found,
        next=mark("after", found[-1]) if found and older else None,
        previous=mark("before", found[0]) if found and newer else None,
    )


def count_up_to_limit(session: Session, rows: Select[Any]) -> int:
    """Return how many ``rows`` there are, at most :data:`COUNT_LIMIT` + 1, which means «more»."""
    limited = rows.with_only_columns(literal(1)).order_by(None).limit(COUNT_LIMIT + 1).subquery()
    return session.scalar(select(func.count()).select_from(limited)) or 0


def _parse(cursor: str) -> tuple[bool, ColumnElement[Any]]:
    match = _CURSOR.fullmatch(cursor)
    try:
        if match is None:
            raise OverflowError
        moment = _EPOCH + timedelta(microseconds=int(match[2]))
    except OverflowError:
        raise NotFound("There is no such page") from None
    return match[1] == "before", tuple_(literal(moment, UtcDateTime()), literal(UUID(match[3]), Uuid()))
