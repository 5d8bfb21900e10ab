"""Which contacts an admin wants, in Intercom's search language (API 2.16, POST /contacts/search).

At most two nested levels and 15 filters a group: an AND of filters and of ORs of filters has room for most conditions,
and what finds none is left to the host. Dates are matched by whole days of the workspace's zone, and take ``=``, ``<``
and ``>`` alone. Text is found whatever its case. ``null`` stands for no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core.contract.types import JSON, Account, Condition, Conditions
from plugins.base.selecting import Narrowed, Words, narrowed
from plugins.intercom import lookups
from plugins.intercom.ranges import HALF_A_DAY, day_start

MOST = 15
BOUNDS = 2
"""Filters that keep a search to some days of creation, in one group with the conditions."""
A_DAY_AND_A_HALF = 3 * HALF_A_DAY

LOCATION = {key: f"location.{key}" for key in ("country", "region", "city")}
TEXTS = frozenset({
    "role", "owner_id", "email", "email_domain", "phone", "formatted_phone", "external_id", "browser",
    "browser_language", "os", "android_app_name", "android_app_version", "android_device", "ios_app_name",
    "ios_app_version", "ios_device", "ios_os_version",
})  # fmt: skip
DATES = frozenset({
    "signed_up_at", "last_seen_at", "last_replied_at", "last_contacted_at", "last_email_opened_at",
    "last_email_clicked_at", "android_last_seen_at", "ios_last_seen_at",
})  # fmt: skip
BOOLEANS = frozenset({"has_hard_bounced", "marked_email_as_spam", "unsubscribed_from_emails"})
OPERATORS = {"is": "=", "starts_with": "^", "ends_with": "$", "contains": "~", "above": ">", "below": "<"}
OPPOSITES = {"is": "!=", "contains": "!~", "at_least": "<", "at_most": ">"}


class Filter(NamedTuple):
    """A field, an operator and a value of the search language."""

    field: str
    operator: str
    value: str | int | float | bool | None

    @property
    def json(self) -> JSON:
        """As it is sent."""
        return self._asdict()


Clauses = tuple[tuple[Filter, ...], ...]
Zone = Callable[[], ZoneInfo | None]
"""Tells the workspace's time zone; None if it is none that is known here."""


def words_of(account: Account, conditions: Conditions, zone: Zone) -> Narrowed[Filter]:
    """Put conditions into as much as one search has room for.

    Args:
        account: Whose contacts.
        conditions: Which of them are wanted.
        zone: Asked only where dates are compared.
    """
    return narrowed(conditions, partial(_words, account, zone)).within(MOST - BOUNDS, MOST)


def without_null(clauses: Clauses) -> Clauses:
    """Return the clauses that do not ask for what has a value or none, which Intercom does not promise to answer."""
    return tuple(clause for clause in clauses if all(part.value is not None for part in clause))


def where(clauses: Clauses) -> list[JSON]:
    """Return the clauses as they are sent: all of them must hold."""
    return [_group("OR", [part.json for part in clause]) for clause in clauses]


def query_of(bounds: Sequence[JSON], where: Sequence[JSON]) -> JSON:
    """Return the query for what is within bounds and meets conditions; there is one of them at least."""
    return _group("AND", [*bounds, *where])


def _group(operator: str, filters: Sequence[JSON]) -> JSON:
    return filters[0] if len(filters) == 1 else {"operator": operator, "value": list(filters)}


def _words(account: Account, zone: Zone, condition: Condition) -> Words[Filter] | None:
    key = condition.key
    if condition.type == "tags":
        return _tagged(account, condition)
    if key.startswith("custom_"):
        field = f"custom_attributes.{key.removeprefix('custom_')}"
        match condition.type:
            case "text" | "integer" | "decimal" | "boolean":
                # A text may be there and empty.
                return _plain(field, condition, exact=condition.type != "text" or condition.op != "has_value")
            case "datetime" if condition.op != "has_value":
                return _dated(field, condition, zone)
        return None
    if key in DATES:
        return _dated(key, condition, zone)
    if key in TEXTS or key in BOOLEANS or key in LOCATION:
        return _plain(LOCATION.get(key, key), condition)
    if key in ("first_name", "last_name"):
        return _named(condition)
    if key == "language":
        return _spoken(condition)
    return None


def _plain(field: str, condition: Condition, exact: bool = True) -> Words[Filter] | None:
    value: Any = condition.value
    if condition.op == "has_value":
        empty = [Filter(field, "=", None), *([Filter(field, "=", "")] if condition.type == "text" else [])]
        return Words(tuple(empty), exact) if condition.negated else Words((Filter(field, "!=", None),), exact)
    if condition.negated:
        operator = OPPOSITES.get(condition.op)
        # Whether "is not" finds what has no value is not documented: ask for that as well, where it can be.
        absent = [Filter(field, "=", None)] if field != "role" else []
        return Words((Filter(field, operator, value), *absent)) if operator else None
    if condition.op in ("at_least", "at_most"):
        # Of contacts only whole numbers take >= and <=.
        return Words((Filter(field, ">" if condition.op == "at_least" else "<", value), Filter(field, "=", value)))
    operator = OPERATORS.get(condition.op)
    return Words((Filter(field, operator, value),)) if operator else None


def _dated(field: str, condition: Condition, zone: Zone) -> Words[Filter] | None:
    if condition.negated:
        return None
    if condition.op == "has_value":
        return Words((Filter(field, ">", 0),))
    known = zone() if isinstance(condition.value, datetime) else None
    if known is None or not isinstance(condition.value, datetime) or condition.op not in ("from", "before"):
        return None
    moment = int(condition.value.timestamp())
    day = day_start(moment, known)
    if condition.op == "from":
        return Words((Filter(field, ">", day - 1),), day == moment)
    # Of what is not the beginning of a day, the whole day is taken.
    end = day if day == moment else day_start(day + A_DAY_AND_A_HALF, known)
    return Words((Filter(field, "<", end),), day == moment)


def _named(condition: Condition) -> Words[Filter] | None:
    """Look for a first or last name in the whole one, which may have more spaces between its words."""
    if condition.op == "has_value" and not condition.negated:
        return Words((Filter("name", "!=", None),), exact=False)
    word = next(iter(str(condition.value or "").split()), None)
    if word is None or condition.negated or condition.op not in OPERATORS:
        return None
    return Words((Filter("name", "~", word),), exact=False)


def _spoken(condition: Condition) -> Words[Filter] | None:
    """The language that was set, or else the browser's."""
    if condition.negated:
        return None
    each = [_plain(field, condition) for field in ("language_override", "browser_language")]
    parts = [part for words in each if words for part in words.parts]
    return Words(tuple(parts), exact=False) if parts else None


def _tagged(account: Account, condition: Condition) -> Words[Filter] | None:
    if condition.op != "contains":
        return None
    ids = _tag_ids(lookups.tags(account), condition) or _tag_ids(lookups.tags.refresh(account), condition)
    if not ids or (condition.negated and len(ids) > 1):
        return None
    return Words(tuple(Filter("tag_id", "!=" if condition.negated else "=", id) for id in ids))


def _tag_ids(names: Any, condition: Condition) -> list[str]:
    return [id for id, name in (names or {}).items() if name == condition.value]
