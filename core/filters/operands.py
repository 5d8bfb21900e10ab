"""The values that operators take, checked and made canonical."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from core.contract.types import JSON
from core.filters.operators import Operand
from core.filters.tree import Value

TEXT_LENGTH = 1_000
LIST_LENGTH = 100
DAY_COUNT = 36_500
ITEM_COUNT = 1_000_000
ANNIVERSARY_DAYS = 366
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)


def text(value: JSON) -> str:
    """Return a text; it may not be empty, nor hold what a database cannot."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    if len(value) > TEXT_LENGTH:
        raise ValueError(f"must have at most {TEXT_LENGTH:,} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not hold NUL characters or halves of surrogate pairs")
    return value


def texts(value: JSON) -> tuple[str, ...]:
    """Return several texts, each once."""
    if not isinstance(value, list) or not 1 <= len(value) <= LIST_LENGTH:
        raise ValueError(f"must be a list of 1 to {LIST_LENGTH} texts")
    return tuple(dict.fromkeys(map(text, value)))


def number(value: JSON) -> int | float:
    """Return a number that databases can compare with."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not -(2**63) <= value < 2**63:
        raise ValueError("must be a number of at most 64 bits")
    return value  # type: ignore[no-any-return]


def whole(value: JSON) -> int:
    """Return a whole number."""
    if not isinstance(value, int):
        raise ValueError("must be a whole number")
    return int(number(value))


def boolean(value: JSON) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def day(value: JSON) -> date:
    """Return a day, from ``YYYY-MM-DD``."""
    try:
        found = date.fromisoformat(value)
    except (TypeError, ValueError):
        found = None
    if found is None or found.isoformat() != value or not FIRST_DAY <= found <= LAST_DAY:
        raise ValueError(f"must be a day as YYYY-MM-DD, from {FIRST_DAY} to {LAST_DAY}")
    return found


def count(lowest: int, highest: int) -> Callable[[JSON], int]:
    """Return a reader of whole numbers from ``lowest`` to ``highest``."""

    def read(value: JSON) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest:,}")
        return value

    return read


def _pair(read: Callable[[JSON], Any]) -> Callable[[JSON], tuple[Any, Any]]:
    def read_pair(value: JSON) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError("must be a list of two: the lower and the upper bound")
        lower, upper = map(read, value)
        if lower > upper:
            raise ValueError("the lower bound must come first")
        return lower, upper

    return read_pair


_READERS: Mapping[Operand, Callable[[JSON], Value]] = {
    "text": text,
    "texts": texts,
    "number": number,
    "numbers": _pair(number),
    "boolean": boolean,
    "day": day,
    "days": _pair(day),
    "item_count": count(0, ITEM_COUNT),
}
_WHOLE: Mapping[Operand, Callable[[JSON], Value]] = {"number": whole, "numbers": _pair(whole)}


def reader(op: str, operand: Operand, type: str) -> Callable[[JSON], Value]:
    """Return what reads the value of an operator for fields of ``type``; it raises ValueError on another one."""
    if operand == "day_count":
        # «In the last» and «in the next» count today as the first day; the others may point to today with a 0.
        lowest = 1 if op in ("in_the_last", "in_the_next", "anniversary_in_the_next") else 0
        return count(lowest, ANNIVERSARY_DAYS if op.startswith("anniversary") else DAY_COUNT)
    if type == "integer" and operand in _WHOLE:
        return _WHOLE[operand]
    return _READERS[operand]
