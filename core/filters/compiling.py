"""A filter as SQL, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from operator import gt
from typing import Any, Protocol, Self

from sqlalchemy import (
    ColumnElement,
    Exists,
    FromClause,
    Select,
    SelectBase,
    and_,
    false,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)

from core.contract.fields import Entity
from core.db.bulk import table_of
from core.db.models import Activity, Membership, Organization, Participant, Person, Tagging
from core.filters import days
from core.filters.catalogue import FilterField
from core.filters.conditions import condition, hint, moments, negation
from core.filters.days import EVER, Days
from core.filters.operators import COMPARISONS, OPERATORS
from core.filters.tree import (
    ActivityCondition,
    FieldCondition,
    Filter,
    Group,
    Node,
    OrganizationCondition,
    Times,
)


class Statistics(Protocol):
    """How many rows statements find."""

    def expected(self, rows: Select[Any]) -> int:
        """Return how many the database expects, without looking at any."""

    def found(self, rows: Select[Any]) -> int:
        """Return how many there are."""


MANY = 250_000
"""Of more activities a set is made once, as PostgreSQL does not expect how many have done something so often."""

FEW = 50_000
"""Where at most so many are left, these few are asked what organizations they belong to."""


def where(filter: Filter, entity: Entity, now: datetime, zone: tzinfo) -> ColumnElement[bool]:
    """Return the condition that rows of ``person``, or of ``organization``, meet the filter, each asked by itself.

    It is for rows that are read in an order until there are enough; :func:`core.filters.select_ids` finds all. It says
    nothing of archived, merged and merely referred-to rows: leave those out beside it. It may be NULL where it is not
    true; to ask for the opposite, use ``IS NOT TRUE``.

    Args:
        filter: Read with the catalogue of ``entity``.
        entity: Whose table is selected from.
        now: The present moment, with a time zone.
        zone: Whose days count, such as ``ZoneInfo("Europe/Berlin")``.
    """
    return Rows.of(entity, now, zone, one_by_one=True).meet(filter.root)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that conditions are put to.

    Attributes:
        kind: What they are.
        table: Where they are; people and organizations are asked what they did by its ``id`` alone.
        document: Where their values without a column are.
        today: The present day in ``zone``.
        zone: Whose days count.
        statistics: By them the cheapest way is chosen; None where there are none.
        walking: Each row by itself is asked what it has done.
        joining: Each row by itself is asked what it belongs to.
    """

    kind: str
    table: FromClause
    document: ColumnElement[Any]
    today: date
    zone: tzinfo
    statistics: Statistics | None
    walking: bool
    joining: bool

    @classmethod
    def of(
        cls,
        entity: Entity,
        now: datetime,
        zone: tzinfo,
        statistics: Statistics | None = None,
        *,
        one_by_one: bool = False,
    ) -> Self:
        """Return the rows of a table, with no condition put to them yet."""
        table = table_of(Person if entity == "person" else Organization)
        today = days.today(now, zone)
        return cls(entity, table, table.c.fields, today, zone, statistics, walking=one_by_one, joining=one_by_one)

    def meet(self, node: Node) -> ColumnElement[bool]:
        """Return the condition that a row meets ``node``."""
        match node:
            case Group("all", of):
                return and_(true(), *(self.meet(each) for each in of))
            case Group(_, of):
                return or_(*(self.meet(each) for each in of))
            case FieldCondition() if node.field.type == "tags":
                return self._tags(node)
            case FieldCondition():
                return condition(node, self.table, self.document, self.today, self.zone)
            case OrganizationCondition():
                return self._organization(node)
            case ActivityCondition():
                return self._activity(node)

    def in_index(self, node: Node) -> Select[Any] | None:
        """Return the statement for the ids (``entity_id``) of all who meet ``node``, if an index has them.

        An id may come more than once.
        """
        match node:
            case ActivityCondition(op="has_occurred", where=None) if node.times in (None, Times("at_least", 1)):
                return select(self._union(self._sources(node, self._when(node))).c.entity_id)
            case FieldCondition() if node.field.type == "tags" and not OPERATORS["tags"][node.op].negates:
                return self._tagged(node)
            case OrganizationCondition(FieldCondition(field=FilterField(column=str()))):
                # Of values in documents there are no statistics.
                return self._members(node)
        return None

    def in_order(self, node: Node) -> Select[Any] | None:
        """Return the statement of :meth:`in_index`, or another one that finds the first of them before the others."""
        found = self.in_index(node)
        if found is None and isinstance(node, ActivityCondition) and not node.is_at_most:
            return self._grouped(node)
        return found

    def is_costly(self, node: Node) -> bool:
        """Tell whether what many have done has to be found first."""
        return isinstance(node, ActivityCondition) and (self._grouped(node) is not None or self._are_many(node))

    def _tags(self, node: FieldCondition) -> ColumnElement[bool]:
        operator = OPERATORS["tags"][node.op]
        if operator.negates:
            return negation(self._tags(replace(node, op=operator.negates)))
        tagged = self._tagged(node)
        return tagged.where(tagged.selected_columns.entity_id == self.table.c.id).correlate(self.table).exists()

    def _tagged(self, node: FieldCondition) -> Select[Any]:
        tagging = table_of(Tagging).alias()
        found = select(tagging.c.entity_id).where(tagging.c.kind == self.kind)
        if node.value is None:
            return found
        return found.where(tagging.c.name.in_(node.value if isinstance(node.value, tuple) else (node.value,)))

    def _organization(self, node: OrganizationCondition) -> ColumnElement[bool]:
        members = self._members(node)
        by_row = self.joining and (self.statistics is None or self.statistics.expected(members) > FEW)
        return self._exists(members.subquery(), offset=0 if by_row else None)

    def _members(self, node: OrganizationCondition) -> Select[Any]:
        membership, organization = table_of(Membership).alias(), table_of(Organization).alias()
        inner = Rows(
            "organization", organization, organization.c.fields, self.today, self.zone, None, self.joining, self.joining
        )
        joined = membership.join(organization, organization.c.id == membership.c.organization_id)
        return (
            select(membership.c.person_id.label("entity_id"))
            .select_from(joined)
            .where(
                ~organization.c.stub,
                organization.c.merged_into.is_(None),
                organization.c.archived_at.is_(None),
                inner.meet(node.of),
            )
        )

    def _activity(self, node: ActivityCondition) -> ColumnElement[bool]:
        when, grouped = self._when(node), self._grouped(node)
        if grouped is not None:
            among = self._exists(grouped.subquery(), offset=0) if self.walking else self._is_in(grouped)
            return ~among if node.is_at_most else among
        some = self._some(node, when)
        match node.op:
            case "first_occurred":
                return and_(some, ~self._some(node, when.before))
            case "last_occurred":
                return and_(some, ~self._some(node, when.after))
        never = node.op == "has_not_occurred" or (node.times is not None and node.times.count == 0)
        return ~some if never else some

    def _when(self, node: ActivityCondition) -> Days:
        return EVER if node.when is None else days.days_of(node.when.op, node.when.value, self.today)

    def _grouped(self, node: ActivityCondition) -> Select[Any] | None:
        """Return whose activities, taken together, meet ``node``; None where one of them tells.

        None at all is one of the answers of «at most», for which those who have more are returned.
        """
        when, times = self._when(node), node.times
        match node.op:
            case "first_occurred" | "last_occurred" if self.walking or self._are_many(node):
                end = func.min if node.op == "first_occurred" else func.max
                return self._together(node, EVER, lambda found: moments(end(found.c.occurred_at), when, self.zone))
            case "has_occurred" if times and times.count and times != Times("at_least", 1):
                compare: Any = gt if node.is_at_most else COMPARISONS[times.op]
                return self._together(node, when, lambda _: compare(func.count(), times.count))
        return None

    def _together(
        self, node: ActivityCondition, when: Days, met: Callable[[FromClause], ColumnElement[bool]]
    ) -> Select[Any]:
        found = self._union(self._sources(node, when, told=True))
        return select(found.c.entity_id).group_by(found.c.entity_id).having(met(found))

    def _is_in(self, found: SelectBase) -> ColumnElement[bool]:
        """Return whether a row is in a set, which is made once.

        PostgreSQL would join it otherwise, and as it expects next to nothing of groups, go through all for each row.
        """
        return func.coalesce(self.table.c.id.in_(found), false())

    def _some(self, node: ActivityCondition, when: Days | None) -> ColumnElement[bool]:
        """Return whether there is any activity that the condition looks at on days of ``when``; None for no day."""
        if when is None:
            return false()
        found = self._sources(node, when)
        if self.walking:
            return or_(*(self._exists(each.subquery(), offset=0) for each in found))
        return self._is_in(union_all(*found)) if self._are_many(node) else self._exists(self._union(found))

    def _are_many(self, node: ActivityCondition) -> bool:
        """Tell whether the condition looks at many activities, unless documents have to tell."""
        if self.statistics is None or node.where is not None:
            return False
        return self.statistics.expected(self._sources(node, self._when(node))[0]) > MANY

    def _union(self, found: list[Select[Any]]) -> FromClause:
        return (found[0] if len(found) == 1 else union(*found)).subquery()

    def _exists(self, found: FromClause, offset: int | None = None) -> Exists:
        """Return whether a row is among those found.

        PostgreSQL takes them to be a set as large as it expects, and either begins with it or looks into it. What has
        an offset is never made a set: each row is looked for in the index, which is cheaper where few are asked.
        """
        rows = select(found.c.entity_id).where(found.c.entity_id == self.table.c.id).offset(offset)
        return rows.correlate(self.table).exists()

    def _sources(self, node: ActivityCondition, when: Days, *, told: bool = False) -> list[Select[Any]]:
        """Return whose the activities are that the condition looks at; which and when they are too, if ``told``.

        Those of a person are the ones that belong to her and the ones that she took part in.
        """
        activity = table_of(Activity).alias()
        owner = activity.c.organization_id if self.kind == "organization" else activity.c.person_id
        own = select(owner.label("entity_id"), *((activity.c.occurred_at, activity.c.id) if told else ()))
        own = own.where(self._occurred(node, activity, when), self._attributes(node, activity))
        if self.kind == "organization":
            # As the condition of the index says.
            return [own.where(owner.is_not(None))]
        participant, joint = table_of(Participant).alias(), table_of(Activity).alias()
        which = (participant.c.occurred_at, participant.c.activity_id) if told else ()
        shared = select(participant.c.person_id.label("entity_id"), *which)
        shared = shared.where(self._occurred(node, participant, when))
        if node.where is not None:
            shared = shared.join(joint, joint.c.id == participant.c.activity_id).where(self._attributes(node, joint))
        return [own, shared]

    def _occurred(self, node: ActivityCondition, activity: FromClause, when: Days) -> ColumnElement[bool]:
        """Return whether an activity, or one that somebody took part in, is of the kind and time that is asked for."""
        asked: list[ColumnElement[bool]] = [true()]
        if node.activity.type is not None:
            asked.append(activity.c.type == node.activity.type)
        if node.activity.source_ids is not None:
            asked.append(activity.c.source_id.in_(node.activity.source_ids))
        if when != EVER:
            asked.append(moments(activity.c.occurred_at, when, self.zone))
        return and_(*asked)

    def _attributes(self, node: ActivityCondition, activity: FromClause) -> ColumnElement[bool]:
        if node.where is None:
            return true()
        met = replace(self, table=activity, document=activity.c.attributes).meet(node.where)
        # One by one, an activity is found by whose it is.
        return met if self.walking else and_(hint(node.where, activity.c.attributes), met)
