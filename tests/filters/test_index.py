"""PostgreSQL finds activities by what they hold in an index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from core.db.engine import make_engine
from core.db.models import Person
from core.filters import parse, select_ids
from tests.filters.world import PEOPLE

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

MANY = """
    INSERT INTO activity
        (id, source_id, type, remote_id, record_link_id, occurred_at, historical, content_hash, attributes)
    SELECT md5(i::text)::uuid, 1, 'closed', i, md5(i::text)::uuid, now(), false, '',
        jsonb_build_object('team', 'team ' || i, 'rating', i, 'labels', jsonb_build_array('label ' || i))
    FROM generate_series(1, 5000) i
"""


@pytest.mark.parametrize(
    ("where", "used"),
    [
        ({"field": "team", "op": "is", "value": "Sales"}, True),
        ({"field": "rating", "op": "is", "value": 5}, True),
        ({"field": "labels", "op": "contains_any", "value": ["vip", "beta"]}, True),
        (
            {
                "all": [
                    {"field": "rating", "op": "at_least", "value": 4},
                    {"field": "team", "op": "is", "value": "Sales"},
                ]
            },
            True,
        ),
        ({"field": "team", "op": "is_not", "value": "Sales"}, False),
        ({"field": "team", "op": "is", "value": '["a list as it is written"]'}, False),
    ],
)
def test_an_attribute_is_looked_up(postgres_url: str, where: dict[str, Any], used: bool):
    filter = parse({"activity": "shop.closed", "op": "has_occurred", "where": where}, PEOPLE)
    engine = make_engine(postgres_url)
    asked = select_ids(select(Person.id), filter, "person", NOON, UTC, 10).compile(
        engine, compile_kwargs={"literal_binds": True}
    )
    with engine.connect() as connection:
        connection.execute(text(MANY))
        # Entries that are not in their place yet are read one by one, which PostgreSQL avoids.
        connection.execute(text("SELECT gin_clean_pending_list('ix_activity_held')"))
        connection.execute(text("ANALYZE activity; SET LOCAL enable_seqscan = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN {asked}".replace("%%", "%")).scalars().all()
    engine.dispose()
    assert any("Index Cond" in line and "@>" in line for line in plan) == used
