"""How long filters take on PostgreSQL: the first page of a table, and the count beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Select, func, select, text

from benchmarks.support import databases, figure
from core.db.engine import make_engine, writing
from core.db.models import Person
from core.filters import Catalogue, FilterActivity, FilterField, parse, sentence, where

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
PAGE, COUNT_LIMIT = 50, 10_000
_JSON_FIELDS = {
    "country": FilterField("Country"),
    "shop.plan": FilterField("Plan"),
    "shop.seats": FilterField("Seats", "integer"),
    "shop.renewal": FilterField("Renewal", "date"),
    "shop.seen_at": FilterField("Seen", "datetime"),
    "shop.labels": FilterField("Labels", "list"),
    "tags": FilterField("Tags", "tags"),
    "created_at": FilterField("Created", "datetime", column="created_at"),
}
CATALOGUE = Catalogue(
    {
        "email": FilterField("Email", column="email", lowercase=True),
        "first_name": FilterField("First name", column="first_name"),
        **_JSON_FIELDS,
    },
    {
        "closed": FilterActivity("Closed", "type_1", (1,), {"team": FilterField("Team")}),
        "rare": FilterActivity("Rare", "rare", (1,), {}),
    },
    Catalogue({"name": FilterField("Name", column="name"), **_JSON_FIELDS}),
)


def _field(key: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": key, "op": op, **({} if value is None else {"value": value})}


def _activity(key: str, op: str, **parts: Any) -> dict[str, Any]:
    return {"activity": key, "op": op, **parts}


LAST_MONTH = {"op": "in_the_last", "value": 30}
FILTERS: tuple[dict[str, Any], ...] = (
    _field("email", "is", "person777@example.org"),
    _field("email", "starts_with", "person777"),
    _field("email", "contains", "777@"),
    _field("first_name", "is", "name 77"),
    _field("created_at", "in_the_last", 7),
    _field("country", "is", "country 1"),
    _field("shop.plan", "is", "rare"),
    _field("shop.plan", "is_not", "rare"),
    _field("shop.seats", "greater_than", 998),
    _field("shop.seen_at", "in_the_last", 1),
    _field("shop.renewal", "anniversary_in_the_next", 7),
    _field("shop.seen_at", "anniversary_today"),
    _field("shop.labels", "contains", "rare"),
    _field("tags", "has", "vip"),
    _field("tags", "has", "rare"),
    _field("tags", "has_none", ["vip", "rare"]),
    {"organization": _field("name", "is", "organization 77")},
    {"organization": _field("shop.plan", "is", "rare")},
    _activity("closed", "has_occurred"),
    _activity("rare", "has_occurred"),
    _activity("closed", "has_occurred", when=LAST_MONTH),
    _activity("closed", "has_occurred", when=LAST_MONTH, times={"at_least": 2}),
    _activity("closed", "has_occurred", times={"exactly": 3}),
    _activity("closed", "has_occurred", where=_field("team", "is", "team 3")),
    _activity("closed", "has_not_occurred", when=LAST_MONTH),
    _activity("closed", "last_occurred", when={"op": "more_than_days_ago", "value": 360}),
    _activity("rare", "first_occurred", when=LAST_MONTH),
    {
        "all": [
            {"any": [_field("country", "is", "country 1"), _field("tags", "has", "vip")]},
            _activity("closed", "has_occurred", when=LAST_MONTH),
            {"organization": _field("shop.seats", "at_least", 500)},
        ]
    },
    {"any": [_activity("rare", "has_occurred"), _field("tags", "has", "rare")]},
)
# An id that looks random, as real ones do; the same number gives the same id.
_ID = "md5({0} || ' ' || {1})::uuid"
_DOCUMENT = """jsonb_build_object(
    'country', 'country ' || (hashint8(i) & 127), 'city', 'city ' || (hashint8(i + 1) & 1023), 'language', 'en',
    'shop.plan', CASE WHEN i % 10007 = 7 THEN 'rare' ELSE 'plan ' || (i % 5) END, 'shop.seats', i % 1000,
    'shop.spent', (i % 7919) / 10.0, 'shop.active', i % 2 = 0,
    'shop.renewal', to_char(date '2026-01-01' + (i % 365)::int, 'YYYY-MM-DD'),
    'shop.seen_at', to_char(timestamp '2026-11-24 12:00' - make_interval(mins => (i % 500000)::int),
                            'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'shop.labels', jsonb_build_array('label ' || i % 9, CASE WHEN i % 10007 = 7 THEN 'rare' ELSE 'common' END))"""
_CREATED = "timestamptz '2026-11-24 12:00Z' - make_interval(mins => (hashint8(i) & 1048575))"
_STATEMENTS = (
    f"""INSERT INTO person SELECT {_ID.format("'p'", "i")}, 'person' || i || '@example.org', NULL, 'ext' || i,
        'Name ' || i % 1000, 'Last ' || i % 5000, true, false, {_DOCUMENT}, '{{"*": [1, "2026-11-03T10:00:00Z"]}}',
        false, 1, NULL, NULL, {_CREATED}, {_CREATED} FROM generate_series(1, :people) i""",
    f"""INSERT INTO organization SELECT {_ID.format("'o'", "i")}, 'Organization ' || i, NULL, {_DOCUMENT}, '{{}}',
        false, 1, NULL, NULL, {_CREATED}, {_CREATED} FROM generate_series(1, :people / 10) i""",
    f"""INSERT INTO membership SELECT {_ID.format("'p'", "i")}, {_ID.format("'o'", "1 + i % (:people / 10)")},
        {_ID.format("'p'", "i")}, {_ID.format("'o'", "1 + i % (:people / 10)")}, 0
        FROM generate_series(1, :people) i WHERE i % 4 > 0""",
    f"""INSERT INTO tagging SELECT {_ID.format("'p'", "i")}, CASE WHEN i % 5003 = 0 THEN 'rare'
        WHEN i % 5 = 0 THEN 'vip' ELSE 'tag ' || i % 20 END, 'person', {_ID.format("'p'", "i")}
        FROM generate_series(1, :people) i WHERE i % 3 = 0""",
    f"""INSERT INTO activity SELECT {_ID.format("'a'", "i")}, 1, CASE WHEN i % 20011 = 0 THEN 'rare'
        ELSE 'type_' || (hashint8(i) & 7) END, 'part:' || i, {_ID.format("'c'", "i / 5")},
        {_ID.format("'p'", "1 + (hashint8(i + 5) & 2147483647) % :people")},
        NULL, NULL, NULL, timestamptz '2026-11-24 12:00Z' - make_interval(mins => hashint8(i + 9) & 1048575), false,
        jsonb_build_object('team', 'team ' || i % 20, 'rating', i % 5, 'subject', 'About ' || i), '\\x00'
        FROM generate_series(1, :people * 5) i""",
)


def fill(engine: Engine, people: int) -> None:
    """Fill an empty database: ``people``, a tenth as many organizations, five times as many activities."""
    with writing(engine) as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement.replace(":people", str(people))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def measure(engine: Engine, repeat: int) -> Iterator[tuple[str, int, float, float]]:
    """Yield for each filter its sentence, how many people it finds (up to a limit), and milliseconds of page and count.

    Milliseconds are the median of ``repeat`` runs. A page is asked for as suits the count: where many match, by
    walking from the newest person on; where few match, by finding them all and sorting them. Left to itself PostgreSQL
    often takes few for many, and walks past a million people.
    """
    shown = (~Person.stub, Person.merged_into.is_(None), Person.archived_at.is_(None))
    with engine.connect() as connection:
        for tree in FILTERS:
            filter = parse(tree, CATALOGUE)
            rows: Any = select(Person.id, Person.created_at).where(*shown, where(filter, "person", NOW, ZONE))
            count = select(func.count()).select_from(rows.limit(COUNT_LIMIT + 1).subquery())
            found = connection.execute(count).scalar_one()
            page = _newest(rows if found > COUNT_LIMIT else select(rows.offset(0).subquery()))
            yield (
                sentence(filter),
                found,
                _milliseconds(connection, page, repeat),
                _milliseconds(connection, count, repeat),
            )


def _newest(rows: Select[Any]) -> Select[Any]:
    columns = rows.selected_columns
    return rows.order_by(columns.created_at.desc(), columns.id.desc()).limit(PAGE + 1)


def _milliseconds(connection: Connection, statement: Select[Any], repeat: int) -> float:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        connection.execute(statement).all()
        taken.append((time.perf_counter() - start) * 1000)
    return median(taken)


def run(people: int = 100_000, repeat: int = 5) -> None:
    """Fill a PostgreSQL with so many people and print two figures for each filter."""
    with databases() as fresh:
        engine = make_engine(fresh.fresh("postgresql"))
        fill(engine, people)
        for words, found, page, count in measure(engine, repeat):
            figure("filtered page", page, "ms", filter=words, found=found, people=people)
            figure("filtered count", count, "ms", filter=words, found=found, people=people)
        engine.dispose()
