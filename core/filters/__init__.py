"""Filters of people and organizations: one JSON tree, one meaning, in a database, in memory and in words.

It knows no page, no vendor and no plugin: whoever uses it hands in a catalogue of what can be filtered by.
"""

from __future__ import annotations

from core.filters.catalogue import Catalogue, FilterActivity, FilterField, FilterType
from core.filters.compiling import Statistics, where
from core.filters.finding import select_ids
from core.filters.matching import Occurrence, Subject, matches
from core.filters.operators import ACTIVITY_OPERATORS, DAYS, OPERATORS, TIMES, Operand, Operator
from core.filters.outward import conditions_of
from core.filters.parsing import FilterError, parse
from core.filters.tree import Filter
from core.filters.wording import sentence

__all__ = [
    "ACTIVITY_OPERATORS",
    "DAYS",
    "OPERATORS",
    "TIMES",
    "Catalogue",
    "Filter",
    "FilterActivity",
    "FilterError",
    "FilterField",
    "FilterType",
    "Occurrence",
    "Operand",
    "Operator",
    "Statistics",
    "Subject",
    "conditions_of",
    "matches",
    "parse",
    "select_ids",
    "sentence",
    "where",
]
