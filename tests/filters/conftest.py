"""Fixtures of the filter tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest
from sqlalchemy import select

from core.contract.fields import Entity as Kind
from core.db.engine import make_engine, writing
from core.db.models import Organization, Person
from core.filters import matches, parse, select_ids, where
from tests.filters.world import ORGANIZATIONS, PEOPLE, Entity, store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
Find = Callable[..., str]


@pytest.fixture
def find(database_url: str) -> Iterator[Find]:
    """Return what tells which of some named people meet a filter, as one text: ``"ann bob"``.

    Every filter is put to a real database and to the same people in memory, which must agree.
    """
    engine = make_engine(database_url)
    stored: dict[str, Entity] = {}

    def look(
        tree: Any, named: Mapping[str, Entity], now: datetime = NOON, zone: tzinfo = UTC, kind: Kind = "person"
    ) -> str:
        if not stored:
            organizations = {id(each): each for person in named.values() for each in person.organizations}
            people, others = (named.values(), organizations.values()) if kind == "person" else ((), named.values())
            with writing(engine) as connection:
                store(connection, list(people), list(others))
            stored.update(named)
        assert stored == named, "one population for each test"
        filter = parse(tree, PEOPLE if kind == "person" else ORGANIZATIONS)
        model: Any = Person if kind == "person" else Organization
        with engine.connect() as connection:
            found = set(connection.scalars(select(model.id).where(where(filter, kind, now, zone))))
            ids = select_ids(select(model.id), filter, kind, now, zone, len(named) + 1)
            assert set(connection.scalars(ids)) == found
        in_database = [name for name, each in named.items() if each.id in found]
        in_memory = [name for name, each in named.items() if matches(filter, each.subject(), now, zone)]
        assert in_database == in_memory
        return " ".join(in_database)

    yield look
    engine.dispose()
