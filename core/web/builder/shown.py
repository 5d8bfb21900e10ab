"""A builder as a template shows it: what its rows offer, how its filter reads, and what is wrong in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.filters import ACTIVITY_OPERATORS, DAYS, OPERATORS, TIMES, Catalogue, FilterError, Operator, parse, sentence
from core.web.builder.parts import WHERE, Activity, Condition, Group, Part, at, inside
from core.web.builder.trees import tree

MAX_DEPTH = 3
"""How deep groups are offered in each other; deeper ones, which a filter may have, are shown and kept."""


@dataclass(frozen=True)
class Builder:
    """A builder to be shown.

    Attributes:
        name: Of its parts in the form.
        catalogue: What can be filtered by.
        root: What is in it.
        errors: What is wrong, by the name of the part.
    """

    name: str
    catalogue: Catalogue
    root: Group
    errors: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def operators(self, key: str) -> Mapping[str, Operator]:
        """Return the operators of a field."""
        known = self.catalogue.fields.get(key)
        return OPERATORS[known.type] if known else {}

    def operator(self, condition: Condition) -> Operator | None:
        """Return the operator of a row: the first one of its field while none that fits is chosen."""
        offered = self.operators(condition.field)
        return offered.get(condition.op) or next(iter(offered.values()), None)

    def phrase(self, operator: Operator) -> str:
        """Return how an operator reads in the list: ``is between … and …``."""
        place = {"numbers": "… and …", "days": "… and …", "day_count": "… days", "none": ""}
        return operator.phrase.format(place.get(operator.operand, "…")).strip()

    def is_deep(self, name: str) -> bool:
        """Tell whether no group may be put into the group called ``name``."""
        return name.count(".") + 1 >= MAX_DEPTH

    def within(self, part: Part) -> Builder:
        """Return the builder that the rows of a group, or those about an activity, are shown with."""
        return dataclasses.replace(self, catalogue=inside(part, self.catalogue))

    @property
    def activity_operators(self) -> Mapping[str, str]:
        """How it may have occurred, with what each is called."""
        return ACTIVITY_OPERATORS

    @property
    def times(self) -> Mapping[str, str]:
        """How its count may be bounded, with what each is called."""
        return TIMES

    @property
    def days(self) -> Mapping[str, Operator]:
        """When it may have occurred."""
        return DAYS

    @property
    def sentence(self) -> str:
        """The filter in English; empty while it is not complete."""
        try:
            return sentence(parse(tree(self.root, self.catalogue), self.catalogue)) if self.root.of else ""
        except FilterError:
            return ""


def told(name: str, root: Group, catalogue: Catalogue, errors: Mapping[str, str], section: str) -> dict[str, str]:
    """Return what is wrong by the name of the part, in words for people.

    Args:
        name: Of the builder.
        root: What is in it.
        catalogue: What can be filtered by.
        errors: By place: ``selection.people.all[0].any[1].value``.
        section: What comes before the place in the tree.
    """
    found: dict[str, str] = {}
    for where, text in errors.items():
        if where != section and not where.startswith(f"{section}."):
            continue
        part: Part = root
        place, here = [name], catalogue
        for step in _STEP.findall(where.removeprefix(section)):
            if (inner := at(part, step)) is not None:
                place.append(step)
                here, part = inside(part, here), inner
        found.setdefault(".".join(place), _in_words(part, here, where.rpartition("]")[2], text))
    return found


_STEP = re.compile(rf"(?<=\[)\d+(?=\])|(?<=\.){WHERE}\b")


def _in_words(part: Part, catalogue: Catalogue, aspect: str, text: str) -> str:
    match part:
        case Condition() if part.field not in catalogue.fields:
            return "Choose a field, or remove this condition"
        case Activity() if part.activity not in catalogue.activities:
            return "Choose an activity, or remove this condition"
        case Group(of=[]):
            return "Add a condition"
    if aspect == ".when":
        return "Choose when"
    for beginning, question in ((".times", "How often: "), (".when.", "When: ")):
        if aspect.startswith(beginning):
            return question + text
    return text[:1].upper() + text[1:]
