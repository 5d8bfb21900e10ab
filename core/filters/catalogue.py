"""What can be filtered by: handed in by whoever knows the fields and activities of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.contract.types import FieldType

FilterType = FieldType | Literal["tags"]
"""Type of a field as filters see it: ``"tags"`` stands for the tags of a person or organization."""


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field of a person or organization, or an attribute of an activity.

    Attributes:
        label: Name for people.
        type: Which operators apply; see :data:`core.filters.operators.OPERATORS`.
        column: The column that holds its values: text, numbers, booleans or moments. None when they lie in the JSON
            document of the row, under the key that the field has in its catalogue.
        lowercase: The column holds text in lower case, so that its index can be used.
        options: Values to suggest, where the vendor lists those of a choice.
    """

    label: str
    type: FilterType = "text"
    column: str | None = None
    lowercase: bool = False
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterActivity:
    """A type of activity.

    Attributes:
        label: Name for people.
        type: As stored in the activity; None for activities of any type.
        source_ids: The data sources whose activities are meant; None for any.
        attributes: What conditions on a single activity may ask for, by key.
    """

    label: str
    type: str | None
    source_ids: tuple[int, ...] | None = None
    attributes: Mapping[str, FilterField] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a filter of people, or of organizations, may name.

    Attributes:
        fields: By the key that filters use; for a field without a column also its key in the JSON document.
        activities: By the key that filters use.
        organization: What can be asked of the organizations a person belongs to; None when that cannot be asked.
    """

    fields: Mapping[str, FilterField]
    activities: Mapping[str, FilterActivity] = field(default_factory=dict)
    organization: Catalogue | None = None
