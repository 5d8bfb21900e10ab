"""What a builder is made of: rows and groups."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

from core.filters import Catalogue

WHERE = "where"


@dataclass
class Condition:
    """A row of the builder: what was chosen and typed, right or wrong."""

    field: str = ""
    op: str = ""
    values: list[str] = dataclasses.field(default_factory=list)


@dataclass
class Activity:
    """What somebody did, or did not: how often, when, and where its attributes are such.

    ``times`` is empty for once or more, ``when`` for ever; ``values`` belong to ``when``.
    """

    activity: str = ""
    op: str = "has_occurred"
    times: str = ""
    count: str = ""
    when: str = ""
    values: list[str] = dataclasses.field(default_factory=list)
    where: Group = dataclasses.field(default_factory=lambda: Group(of=[]))


@dataclass
class Group:
    """Rows that must hold together, or one of which must hold; of one organization of the person if so said."""

    join: str = "all"
    of: list[Part] = dataclasses.field(default_factory=lambda: [Condition()])
    organization: bool = False


Part: TypeAlias = Condition | Activity | Group


def inside(part: Part, catalogue: Catalogue) -> Catalogue:
    """Return what the rows within ``part`` may name."""
    match part:
        case Activity():
            known = catalogue.activities.get(part.activity)
            return Catalogue(known.attributes if known else {})
        case Group(organization=True):
            return catalogue.organization or Catalogue({})
    return catalogue


def at(part: Part | None, step: str) -> Part | None:
    """Return what a step of a place leads to: a row of a group, or what is asked of an activity's attributes."""
    if isinstance(part, Activity):
        return part.where if step == WHERE else None
    if isinstance(part, Group) and step.isdecimal() and int(step) < len(part.of):
        return part.of[int(step)]
    return None
