"""Which records an admin wants, put into a vendor's words: never fewer than that, and no more than need be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.contract.types import AllOf, AnyOf, Condition, Conditions

T = TypeVar("T")

MOST = 64
"""Clauses that are thought of at once; more are not worth a vendor's while."""


@dataclass(frozen=True, slots=True)
class Narrowed(Generic[T]):
    """Conditions in a vendor's words.

    Attributes:
        clauses: In each of them one part must hold at least; with none, nothing is narrowed.
        exact: What meets the clauses are the very records that meet the conditions; otherwise there may be more.
    """

    clauses: tuple[tuple[T, ...], ...]
    exact: bool

    def within(self, clauses: int, parts: int) -> Narrowed[T]:
        """Return so many clauses at most, of so many parts at most, the shortest first: these narrow the most."""
        fitting = sorted((clause for clause in self.clauses if len(clause) <= parts), key=len)[:clauses]
        return Narrowed(tuple(fitting), self.exact and len(fitting) == len(self.clauses))


@dataclass(frozen=True, slots=True)
class Words(Generic[T]):
    """One condition in a vendor's words.

    Attributes:
        parts: Of which one must hold at least.
        exact: They hold for the very records for which the condition holds; otherwise for more.
    """

    parts: tuple[T, ...]
    exact: bool = True


def narrowed(conditions: Conditions, translate: Callable[[Condition], Words[T] | None]) -> Narrowed[T]:
    """Put conditions into a vendor's words as clauses that must all hold, each of parts of which one must hold.

    What a vendor has no words for is left out: of conditions that hold together the rest narrows all the same, of
    conditions of which one must hold none does.

    Args:
        conditions: From :attr:`core.contract.types.Scope.selection`.
        translate: Returns what holds wherever a condition holds; None where the vendor has no words for that.
    """
    match conditions:
        case AllOf(of):
            return _all([narrowed(each, translate) for each in of])
        case AnyOf(of):
            return _any([narrowed(each, translate) for each in of])
    words = translate(conditions)
    return Narrowed((), False) if words is None else Narrowed((words.parts,), words.exact)


def _all(members: Sequence[Narrowed[T]]) -> Narrowed[T]:
    return _bounded((clause for each in members for clause in each.clauses), all(each.exact for each in members))


def _any(members: Sequence[Narrowed[T]]) -> Narrowed[T]:
    """Where one of several holds, one part of any clause of the one or of any clause of the other holds as well."""
    first, *others = members
    for other in others:
        joined = (one + two for one in first.clauses for two in other.clauses)
        first = _bounded(joined, first.exact and other.exact)
    return first


def _bounded(clauses: Iterable[tuple[T, ...]], exact: bool) -> Narrowed[T]:
    found: dict[tuple[T, ...], None] = {}
    for clause in clauses:
        if len(found) == MOST:
            return Narrowed(tuple(found), False)
        found.setdefault(_once(clause))
    return Narrowed(tuple(found), exact)


def _once(clause: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(clause))
