"""All rows that meet a filter, found in the way that the statistics of the database say is the cheapest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Select, SelectBase, select, true, union

from core.contract.fields import Entity
from core.filters.compiling import MANY, Rows, Statistics
from core.filters.tree import Filter, Group, Node

VERY_FEW = 5_000
"""Where at most so many are left, each of them is asked what else it has done."""

ASKED = 15_000
"""At most so many are asked one by one how often, or when last, they have done something."""

SAMPLE = 1_000
"""So many rows are looked at to tell how many a condition leaves."""

LOOKED_UP = 30_000
"""At most so many are looked up one by one; to read all others too is cheaper for more."""


def select_ids(
    rows: Select[Any],
    filter: Filter,
    entity: Entity,
    now: datetime,
    zone: tzinfo,
    limit: int,
    statistics: Statistics | None = None,
) -> Select[Any]:
    """Return a statement for the ids of those of ``rows`` that meet the filter.

    Args:
        rows: A statement on the table ``person``, or ``organization``, alone, with conditions that it has already.
        filter: Read with the catalogue of ``entity``.
        entity: What the rows are.
        now: The present moment, with a time zone.
        zone: Whose days count, such as ``ZoneInfo("Europe/Berlin")``.
        limit: No more are looked for.
        statistics: By them PostgreSQL is asked in the cheapest way; None on SQLite, which has none.
    """
    return _Search(Rows.of(entity, now, zone, statistics), limit).ids(rows, filter.root)


@dataclass(frozen=True, slots=True)
class _Indexed:
    """Those who may meet a condition, and are found by an index.

    Attributes:
        count: How many they are by the statistics.
        ids: The statement for their ids (``entity_id``); they may come more than once.
        meet: The condition that they meet for sure.
    """

    count: int
    ids: SelectBase
    meet: Node | None = None


@dataclass(frozen=True, slots=True)
class _Search:
    rows: Rows
    limit: int

    def ids(self, among: Select[Any], node: Node) -> Select[Any]:
        """Return the statement for the ids of those ``among`` rows that meet ``node``."""
        match node:
            case Group("any", of):
                found = self._any_of(among, of)
            case Group(_, of):
                found = self._all_of(among, of)
            case _:
                found = self._all_of(among, (node,))
        return found.limit(self.limit)

    def _any_of(self, among: Select[Any], nodes: Sequence[Node]) -> Select[Any]:
        """Look up few by themselves, so that nobody else is asked for what they have."""
        apart = [each for each in nodes if self._few(each) or self.rows.is_costly(each)]
        others = tuple(each for each in nodes if each not in apart)
        if not apart:
            return self._ask(among, [Group("any", others)])
        parts = [*apart, Group("any", others)] if len(others) > 1 else nodes
        return select(union(*(select(self.ids(among, each).subquery().c.id) for each in parts)).subquery().c.id)

    def _all_of(self, among: Select[Any], nodes: Sequence[Node]) -> Select[Any]:
        """Begin with the condition that leaves the fewest, where these are few; else with what the rows tell."""
        few = self._fewest(nodes) or self._only_one(among, nodes)
        if few:
            return self._look_up(among, few, [each for each in nodes if each is not few.meet])
        late = [each for each in nodes if self.rows.is_costly(each)]
        return self._ask(among, [each for each in nodes if each not in late], late)

    def _only_one(self, among: Select[Any], nodes: Sequence[Node]) -> _Indexed | None:
        """Return those who meet the only condition: with nothing else to meet, the first of them are enough."""
        statistics = self.rows.statistics
        if len(nodes) != 1 or statistics is None or statistics.expected(among) <= MANY:
            return None
        ids = self.rows.in_order(nodes[0])
        return None if ids is None else _Indexed(MANY, ids, nodes[0])

    def _look_up(self, among: Select[Any], few: _Indexed, nodes: Sequence[Node]) -> Select[Any]:
        rows = replace(self.rows, joining=True, walking=few.count <= VERY_FEW)
        ids = select(few.ids.subquery().c.entity_id).distinct().subquery()
        met = among.where(rows.table.c.id == ids.c.entity_id, *(rows.meet(each) for each in nodes))
        # With an offset it stays one after the other, whatever PostgreSQL expects of the conditions.
        row = met.with_only_columns(rows.table.c.id).offset(0).lateral()
        return select(row.c.id).select_from(ids.join(row, true()))

    def _ask(self, among: Select[Any], nodes: Sequence[Node], late: Sequence[Node] = ()) -> Select[Any]:
        """Ask everybody, and those who are left for what is costly: several processes would each make the same set."""
        id = self.rows.table.c.id
        met = among.where(*(self.rows.meet(each) for each in nodes)).with_only_columns(id)
        if not late:
            return met
        left = met.offset(0).subquery()
        asked = replace(self.rows, table=left, walking=self._are_asked(among, nodes))
        return select(left.c.id).where(*(asked.meet(each) for each in late))

    def _are_asked(self, among: Select[Any], nodes: Sequence[Node]) -> bool:
        """Tell whether conditions leave so few that each of these may be asked by itself, by looking at some.

        Ids are random, so the first rows are as good as any. Of values in documents there are no statistics.
        """
        if self.rows.statistics is None:
            return False
        rows = replace(self.rows, walking=True, joining=True)
        everybody = select(rows.table.c.id)
        some = everybody.order_by(rows.table.c.id).limit(SAMPLE).subquery()
        left = among.where(rows.table.c.id.in_(select(some.c.id)), *(rows.meet(each) for each in nodes))
        share = self.rows.statistics.found(left.with_only_columns(rows.table.c.id)) / SAMPLE
        return share * self.rows.statistics.expected(everybody) <= ASKED

    def _few(self, node: Node) -> _Indexed | None:
        match node:
            case Group("all", of):
                fewest = self._fewest(of)
                return fewest and replace(fewest, meet=None)
            case Group(_, of):
                parts = [few for each in of if (few := self._few(each))]
                if not of or len(parts) < len(of):
                    return None
                few = _Indexed(sum(each.count for each in parts), union(*(each.ids for each in parts)))
            case _:
                ids = self.rows.in_index(node)
                if ids is None or self.rows.statistics is None:
                    return None
                few = _Indexed(self.rows.statistics.expected(ids), ids, node)
        return few if few.count <= LOOKED_UP else None

    def _fewest(self, nodes: Sequence[Node]) -> _Indexed | None:
        return min((few for each in nodes if (few := self._few(each))), key=lambda few: few.count, default=None)
