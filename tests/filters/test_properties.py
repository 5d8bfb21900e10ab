from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from core.db.engine import make_engine, writing
from core.db.models import Organization, Person
from core.filters import matches, parse, sentence, where
from core.filters.compiling import MANY
from tests.filters.trees import trees
from tests.filters.world import NOWS, ORGANIZATIONS, PEOPLE, ZONES, population, store

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PEOPLE_STORED, ORGANIZATIONS_STORED = population()
PEOPLE_SEEN = {each.id: each.subject() for each in PEOPLE_STORED}
ORGANIZATIONS_SEEN = {each.id: each.subject() for each in ORGANIZATIONS_STORED}
moments = st.sampled_from(NOWS)
zones = st.sampled_from(ZONES).map(ZoneInfo)
WAYS: dict[str, dict[str, Any]] = {
    "sets": {},
    "row by row": {"walking": True},
    "as few did it": {"expected": lambda rows: 1},
    "as many did it": {"expected": lambda rows: MANY + 1},
}
"""How a filter is put to a database: none may change what it means."""
ways = st.sampled_from(list(WAYS))


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
@given(tree=trees(PEOPLE), now=moments, zone=zones, way=ways)
@example(
    tree={"activity": "any.closed", "op": "has_not_occurred", "where": OF_NOBODY},
    now=NOWS[0],
    zone=ZoneInfo("UTC"),
    way="sets",
)
def test_people_found_in_a_database_are_those_that_match_in_memory(connection, tree, now, zone, way):
    filter = parse(tree, PEOPLE)
    found = connection.scalars(select(Person.id).where(where(filter, "person", now, zone, **WAYS[way]))).all()
    assert set(found) == {id for id, seen in PEOPLE_SEEN.items() if matches(filter, seen, now, zone)}
    assert len(found) == len(set(found))


ONE_OF_TWO = {"field": "labels", "op": "contains_any", "value": ["Acme", "vip"]}


@many
@given(tree=trees(ORGANIZATIONS), now=moments, zone=zones, way=ways)
@example(
    tree={"activity": "any.closed", "op": "has_occurred", "where": ONE_OF_TWO},
    now=NOWS[0],
    zone=ZoneInfo("UTC"),
    way="sets",
)
def test_organizations_found_in_a_database_are_those_that_match_in_memory(connection, tree, now, zone, way):
    filter = parse(tree, ORGANIZATIONS)
    found = connection.scalars(
        select(Organization.id).where(where(filter, "organization", now, zone, **WAYS[way]))
    ).all()
    assert set(found) == {id for id, seen in ORGANIZATIONS_SEEN.items() if matches(filter, seen, now, zone)}


@given(tree=trees(PEOPLE))
def test_every_filter_has_a_sentence(tree):
    words = sentence(parse(tree, PEOPLE))
    assert words
    assert "None" not in words
    assert words.count("(") == words.count(")")
