from __future__ import annotations

import pytest

from core.filters import parse, sentence
from tests.filters.world import PEOPLE


def field(key, op, *value):
    return {"field": key, "op": op, **({"value": value[0]} if value else {})}


CITY = field("shop.city", "is", "Kyiv")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"all": []}, "No conditions: everything matches"),
        (CITY, "City is “Kyiv”"),
        (field("shop.city", "does_not_contain", "{0} %s"), "City does not contain “{0} %s”"),
        (field("shop.city", "has_no_value"), "City has no value"),
        (field("shop.seats", "between", [5, 1500]), "Seats is between 5 and 1,500"),
        (field("shop.spent", "at_least", 2.5), "Spent is at least 2.5"),
        (field("shop.active", "is", False), "Active is no"),
        (field("shop.renewal", "after", "2026-11-03"), "Renewal is after 3 Nov 2026"),
        (
            field("shop.renewal", "between", ["2026-11-03", "2026-11-04"]),
            "Renewal is between 3 Nov 2026 and 4 Nov 2026",
        ),
        (field("shop.seen_at", "in_the_last", 1), "Seen is in the last 1 day"),
        (field("shop.seen_at", "more_than_days_ago", 30), "Seen is more than 30 days ago"),
        (field("shop.renewal", "anniversary_today"), "Renewal has its anniversary today"),
        (field("shop.renewal", "anniversary_in_the_next", 7), "Renewal has its anniversary in the next 7 days"),
        (field("shop.labels", "contains_any", ["a", "b", "c"]), "Labels contains any of “a”, “b” or “c”"),
        (field("shop.labels", "has_fewer_than", 1), "Labels has fewer than 1 item"),
        (field("tags", "has_none", ["vip"]), "Tags include none of “vip”"),
        ({"all": [CITY]}, "City is “Kyiv”"),
        ({"all": [CITY, {"any": [CITY]}]}, "City is “Kyiv” and City is “Kyiv”"),
        (
            {"all": [CITY, {"any": [CITY, field("email", "has_value")]}]},
            "City is “Kyiv” and (City is “Kyiv” or Email has a value)",
        ),
        ({"organization": CITY}, "belongs to an organization where City is “Kyiv”"),
        (
            {"any": [{"organization": {"all": [CITY, CITY]}}, CITY]},
            "(belongs to an organization where City is “Kyiv” and City is “Kyiv”) or City is “Kyiv”",
        ),
        ({"activity": "shop.closed", "op": "has_not_occurred"}, "“Closed” has not occurred"),
        (
            {
                "activity": "shop.closed",
                "op": "has_occurred",
                "times": {"at_most": 2},
                "when": {"op": "in_the_last", "value": 30},
                "where": {"any": [field("team", "is", "Sales"), field("rating", "is", 5)]},
            },
            "“Closed” has occurred at most 2 times in the last 30 days where Team is “Sales” or Rating is 5",
        ),
        (
            {
                "all": [
                    {"activity": "any", "op": "last_occurred", "when": {"op": "before", "value": "2026-11-03"}},
                    {"activity": "shop.closed", "op": "has_occurred", "where": field("rating", "is", 5)},
                ]
            },
            "“Any activity” last occurred before 3 Nov 2026 and (“Closed” has occurred where Rating is 5)",
        ),
    ],
)
def test_sentences(tree, words):
    assert sentence(parse(tree, PEOPLE)) == words
