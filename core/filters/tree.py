"""A filter that has been read: its parts are known to exist and to fit together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from core.filters.catalogue import FilterActivity, FilterField

Scalar = str | int | float | bool | date
Value: TypeAlias = Scalar | tuple[Scalar, ...] | None
"""What a condition compares with: a tuple for bounds and alternatives, None for operators that take nothing."""


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that must hold together (``all``), or one of which must hold (``any``)."""

    join: Literal["all", "any"]
    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """A field, or an attribute of an activity, compared with a value."""

    key: str
    field: FilterField
    op: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Times:
    """How often an activity must have occurred."""

    op: str
    count: int


@dataclass(frozen=True, slots=True)
class When:
    """Within which days an activity must have occurred; operators of :data:`core.filters.operators.DAYS`."""

    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class ActivityCondition:
    """What a person has done, or an organization; only activities that meet ``where`` are looked at."""

    key: str
    activity: FilterActivity
    op: str
    times: Times | None = None
    when: When | None = None
    where: Node | None = None

    @property
    def is_at_most(self) -> bool:
        """Whether it must have occurred so often at most, and so may never have."""
        return self.times is not None and self.times.op == "at_most"


@dataclass(frozen=True, slots=True)
class OrganizationCondition:
    """The person belongs to an organization for which this holds."""

    of: Node


Node: TypeAlias = Group | FieldCondition | ActivityCondition | OrganizationCondition


@dataclass(frozen=True, slots=True)
class Filter:
    """A whole filter, as :func:`core.filters.parse` returns it."""

    root: Node
