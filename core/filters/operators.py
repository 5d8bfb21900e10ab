"""The operators, by type of field: the one place that says which there are, what they need and how they read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.filters.catalogue import FilterType

Operand = Literal["none", "text", "texts", "number", "numbers", "boolean", "day", "days", "day_count", "item_count"]
"""What an operator takes as its value. ``numbers`` and ``days`` are a lower and an upper bound, both included."""


@dataclass(frozen=True, slots=True)
class Operator:
    """How a value is compared.

    Attributes:
        phrase: How it reads in a sentence, behind the name of the field.
        operand: What it takes as its value.
        negates: The operator that it is the opposite of: it matches whatever that one does not, so also where there
            is no value.
    """

    phrase: str
    operand: Operand
    negates: str | None = None


_ANY = {
    "has_value": Operator("has a value", "none"),
    "has_no_value": Operator("has no value", "none", negates="has_value"),
}
_TEXT = {
    "is": Operator("is {}", "text"),
    "is_not": Operator("is not {}", "text", negates="is"),
    "starts_with": Operator("starts with {}", "text"),
    "ends_with": Operator("ends with {}", "text"),
    "contains": Operator("contains {}", "text"),
    "does_not_contain": Operator("does not contain {}", "text", negates="contains"),
}
_NUMBER = {
    "is": Operator("is {}", "number"),
    "is_not": Operator("is not {}", "number", negates="is"),
    "greater_than": Operator("is greater than {}", "number"),
    "less_than": Operator("is less than {}", "number"),
    "at_least": Operator("is at least {}", "number"),
    "at_most": Operator("is at most {}", "number"),
    "between": Operator("is between {}", "numbers"),
    "not_between": Operator("is not between {}", "numbers", negates="between"),
}
DAYS: Mapping[str, Operator] = {
    "on": Operator("on {}", "day"),
    "before": Operator("before {}", "day"),
    "after": Operator("after {}", "day"),
    "between": Operator("between {}", "days"),
    "in_the_last": Operator("in the last {}", "day_count"),
    "exactly_days_ago": Operator("exactly {} ago", "day_count"),
    "more_than_days_ago": Operator("more than {} ago", "day_count"),
    "in_the_next": Operator("in the next {}", "day_count"),
    "exactly_days_from_now": Operator("exactly {} from now", "day_count"),
    "more_than_days_from_now": Operator("more than {} from now", "day_count"),
}
"""When something is or was, in whole days; of dates, of moments, and of when an activity occurred."""

ANNIVERSARIES: Mapping[str, Operator] = {
    "anniversary_today": Operator("has its anniversary today", "none"),
    "anniversary_in_the_next": Operator("has its anniversary in the next {}", "day_count"),
}
_DAY = {name: Operator(f"is {each.phrase}", each.operand) for name, each in DAYS.items()} | dict(ANNIVERSARIES)
_LIST = {
    "contains": Operator("contains {}", "text"),
    "contains_any": Operator("contains any of {}", "texts"),
    "does_not_contain": Operator("does not contain {}", "text", negates="contains"),
    "has_exactly": Operator("has exactly {}", "item_count"),
    "has_more_than": Operator("has more than {}", "item_count"),
    "has_fewer_than": Operator("has fewer than {}", "item_count"),
}
_TAGS = {
    "has": Operator("include {}", "text"),
    "has_any": Operator("include any of {}", "texts"),
    "has_none": Operator("include none of {}", "texts", negates="has_any"),
    "has_value": Operator("are present", "none"),
    "has_no_value": Operator("are absent", "none", negates="has_value"),
}

OPERATORS: Mapping[FilterType, Mapping[str, Operator]] = {
    "text": _TEXT | _ANY,
    "integer": _NUMBER | _ANY,
    "decimal": _NUMBER | _ANY,
    "boolean": {"is": Operator("is {}", "boolean")} | _ANY,
    "date": _DAY | _ANY,
    "datetime": _DAY | _ANY,
    "list": _LIST | _ANY,
    "tags": _TAGS,
}
ACTIVITY_OPERATORS: Mapping[str, str] = {
    "has_occurred": "has occurred",
    "has_not_occurred": "has not occurred",
    "first_occurred": "first occurred",
    "last_occurred": "last occurred",
}
"""How each reads in a sentence."""

TIMES: Mapping[str, str] = {"at_least": "at least", "at_most": "at most", "exactly": "exactly"}
"""How the count of an activity may be bounded, and how it reads."""

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "is": operator.eq,
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "at_least": operator.ge,
    "at_most": operator.le,
    "exactly": operator.eq,
    "has_exactly": operator.eq,
    "has_more_than": operator.gt,
    "has_fewer_than": operator.lt,
}
"""What operators on numbers and counts mean, of Python's values and of SQL's."""
