from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Select, select

from core.contract.fields import Entity
from core.db.engine import make_engine, writing
from core.db.models import Organization, Person
from core.filters import Filter, matches, parse, select_ids, sentence, where
from core.filters.compiling import FEW, MANY
from core.filters.finding import LOOKED_UP, SAMPLE
from tests.filters.trees import trees
from tests.filters.world import NOWS, ORGANIZATIONS, PEOPLE, ZONES, population, store

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PEOPLE_STORED, ORGANIZATIONS_STORED = population()
PEOPLE_SEEN = {each.id: each.subject() for each in PEOPLE_STORED}
ORGANIZATIONS_SEEN = {each.id: each.subject() for each in ORGANIZATIONS_STORED}
moments = st.sampled_from(NOWS)
zones = st.sampled_from(ZONES).map(ZoneInfo)
LIMIT = len(PEOPLE_STORED) + 1
Way: TypeAlias = Literal["row by row", "sets"] | int
limits = st.sampled_from((1, 3, LIMIT))
ways: st.SearchStrategy[Way] = st.one_of(st.sampled_from(("row by row", "sets")), st.integers(0, 1000))
"""How a filter is put to a database; a number is the seed of what it expects. None may change what a filter means."""


@dataclass
class Guess:
    """Statistics that are wrong as often as not."""

    chance: random.Random

    def expected(self, rows: Select[Any]) -> int:
        return self.chance.choice((1, LOOKED_UP, FEW, MANY + 1))

    def found(self, rows: Select[Any]) -> int:
        return self.chance.choice((0, SAMPLE))


def statement(
    dialect: str, filter: Filter, kind: Entity, now: datetime, zone: ZoneInfo, way: Way, limit: int
) -> Select[Any]:
    model: type[Person] | type[Organization] = Person if kind == "person" else Organization
    rows = select(model.id)
    if way == "row by row":
        return rows.where(where(filter, kind, now, zone)).limit(limit)
    if way == "sets" or dialect == "sqlite":
        return select_ids(rows, filter, kind, now, zone, limit)
    return select_ids(rows, filter, kind, now, zone, limit, Guess(random.Random(way)))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = make_engine(database_url)
    with writing(engine) as writer:
        store(writer, PEOPLE_STORED, ORGANIZATIONS_STORED)
    with engine.connect() as reader:
        yield reader
    engine.dispose()


OF_NOBODY = {"field": "due_at", "op": "after", "value": "1980-02-29"}


@many
@given(tree=trees(PEOPLE), now=moments, zone=zones, way=ways, limit=limits)
@example(
    tree={"activity": "any.closed", "op": "has_not_occurred", "where": OF_NOBODY},
    now=NOWS[0],
    zone=ZoneInfo("UTC"),
    way="sets",
    limit=LIMIT,
)
def test_people_found_in_a_database_are_those_that_match_in_memory(connection, tree, now, zone, way, limit):
    filter = parse(tree, PEOPLE)
    found = connection.scalars(statement(connection.dialect.name, filter, "person", now, zone, way, limit)).all()
    meant = {id for id, seen in PEOPLE_SEEN.items() if matches(filter, seen, now, zone)}
    assert set(found) <= meant
    assert len(found) == len(set(found)) == min(limit, len(meant))


ONE_OF_TWO = {"field": "labels", "op": "contains_any", "value": ["Acme", "vip"]}


@many
@given(tree=trees(ORGANIZATIONS), now=moments, zone=zones, way=ways, limit=limits)
@example(
    tree={"activity": "any.closed", "op": "has_occurred", "where": ONE_OF_TWO},
    now=NOWS[0],
    zone=ZoneInfo("UTC"),
    way="sets",
    limit=LIMIT,
)
def test_organizations_found_in_a_database_are_those_that_match_in_memory(connection, tree, now, zone, way, limit):
    filter = parse(tree, ORGANIZATIONS)
    found = connection.scalars(statement(connection.dialect.name, filter, "organization", now, zone, way, limit)).all()
    meant = {id for id, seen in ORGANIZATIONS_SEEN.items() if matches(filter, seen, now, zone)}
    assert set(found) <= meant
    assert len(found) == len(set(found)) == min(limit, len(meant))


@given(tree=trees(PEOPLE))
def test_every_filter_has_a_sentence(tree):
    words = sentence(parse(tree, PEOPLE))
    assert words
    assert "None" not in words
    assert words.count("(") == words.count(")")
