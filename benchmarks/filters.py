"""How long filters take on PostgreSQL: what a table does to find rows, and to read the first page of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.support import databases, figure
from core.contract.fields import Entity
from core.db.engine import make_engine, writing
from core.filters import Catalogue, FilterActivity, FilterField, parse, sentence
from core.services import tables
from core.services.columns import Column

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
ZONE = ZoneInfo("Europe/Berlin")
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
_ACTIVITIES = {
    "closed": FilterActivity("Closed", "type_1", (1,), {"team": FilterField("Team")}),
    "rare": FilterActivity("Rare", "rare", (1,), {}),
}
CATALOGUE = Catalogue(
    {
        "email": FilterField("Email", column="email", lowercase=True),
        "first_name": FilterField("First name", column="first_name"),
        **_JSON_FIELDS,
    },
    _ACTIVITIES,
    Catalogue({"name": FilterField("Name", column="name"), **_JSON_FIELDS}, _ACTIVITIES),
)
_CATALOGUES: dict[Entity, Catalogue] = {"person": CATALOGUE, "organization": CATALOGUE.organization or CATALOGUE}


def _field(key: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": key, "op": op, **({} if value is None else {"value": value})}


def _activity(key: str, op: str, **parts: Any) -> dict[str, Any]:
    return {"activity": key, "op": op, **parts}


LAST_MONTH = {"op": "in_the_last", "value": 30}
LONG_AGO = {"op": "more_than_days_ago", "value": 360}
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
    _activity("closed", "last_occurred", when=LONG_AGO),
    _activity("rare", "first_occurred", when=LAST_MONTH),
    {
        "all": [
            {"any": [_field("country", "is", "country 1"), _field("tags", "has", "vip")]},
            _activity("closed", "has_occurred", when=LAST_MONTH),
            {"organization": _field("shop.seats", "at_least", 500)},
        ]
    },
    {"any": [_activity("rare", "has_occurred"), _field("tags", "has", "rare")]},
    # As an admin asks: of several kinds, with none, few and many results.
    {"all": [_field("email", "contains", "777@"), _field("tags", "has", "vip")]},
    {"all": [_field("country", "is", "country 1"), _field("tags", "has_none", ["vip"])]},
    {"all": [_field("shop.seats", "greater_than", 500), _field("shop.plan", "is", "plan 3")]},
    {"all": [_field("tags", "has", "vip"), _activity("closed", "has_not_occurred", when=LAST_MONTH)]},
    {"all": [_activity("closed", "has_occurred", when=LAST_MONTH), _field("shop.seats", "at_least", 990)]},
    {"all": [_activity("closed", "has_occurred"), _field("shop.seats", "at_least", 990)]},
    {"all": [_activity("closed", "has_occurred", where=_field("team", "is", "team 3")), _field("tags", "has", "rare")]},
    {
        "all": [
            {"organization": _field("name", "starts_with", "organization 77")},
            _activity("closed", "has_occurred", when=LAST_MONTH),
            _field("tags", "has_none", ["vip"]),
        ]
    },
    {
        "any": [
            {"all": [_field("shop.plan", "is", "rare"), _activity("closed", "has_occurred")]},
            {"all": [_field("tags", "has", "rare"), _activity("closed", "has_not_occurred", when=LAST_MONTH)]},
        ]
    },
    {
        "all": [
            {"any": [_activity("rare", "has_occurred"), _activity("closed", "has_occurred", when=LAST_MONTH)]},
            _field("created_at", "in_the_last", 90),
        ]
    },
    {"all": [_field("country", "is", "nowhere"), _activity("closed", "has_occurred")]},
    {"all": [_field("country", "is", "country 1"), _activity("closed", "has_occurred", times={"exactly": 3})]},
    {"all": [_field("shop.plan", "is", "plan 3"), _activity("closed", "has_occurred", times={"at_most": 2})]},
    {"all": [_field("shop.seats", "at_least", 500), _activity("closed", "last_occurred", when=LONG_AGO)]},
    {"any": [_field("email", "contains", "777@"), _activity("closed", "has_occurred", times={"at_least": 4})]},
    {"all": [_field("created_at", "in_the_last", 7), _activity("rare", "has_not_occurred")]},
)
SEARCHED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("name", _activity("closed", "has_occurred", when=LAST_MONTH)),
    ("77", {"all": [_field("tags", "has", "vip"), _activity("closed", "has_occurred")]}),
    ("person777", _activity("rare", "has_not_occurred")),
)
"""A search word, and a filter beside it."""

OF_ORGANIZATIONS: tuple[dict[str, Any], ...] = (
    _field("shop.seats", "greater_than", 500),
    _activity("closed", "has_occurred"),
    _activity("closed", "has_occurred", when=LAST_MONTH),
    _activity("closed", "has_not_occurred", when=LAST_MONTH),
    _activity("closed", "has_occurred", times={"exactly": 3}),
    _activity("rare", "has_occurred"),
    {"all": [_activity("closed", "has_occurred", when=LAST_MONTH), _field("shop.plan", "is", "plan 3")]},
)
# An id that looks random, as real ones do; the same number gives the same id.
_ID = "md5({0} || ' ' || {1})::uuid"
_DOCUMENT = f"""jsonb_build_object(
    'country', 'country ' || (hashint8(i) & 127), 'city', 'city ' || (hashint8(i + 1) & 1023), 'language', 'en',
    'shop.plan', CASE WHEN i % 10007 = 7 THEN 'rare' ELSE 'plan ' || (i % 5) END, 'shop.seats', i % 1000,
    'shop.spent', (i % 7919) / 10.0, 'shop.active', i % 2 = 0,
    'shop.renewal', to_char(date '2026-01-01' + (i % 365)::int, 'YYYY-MM-DD'),
    'shop.seen_at', to_char(timestamp '{NOW:%Y-%m-%d %H:%M}' - make_interval(mins => (i % 500000)::int),
                            'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'shop.labels', jsonb_build_array('label ' || i % 9, CASE WHEN i % 10007 = 7 THEN 'rare' ELSE 'common' END))"""
_CREATED = f"timestamptz '{NOW:%Y-%m-%d %H:%M}Z' - make_interval(mins => (hashint8(i) & 1048575))"
_STATEMENTS = (
    f"""INSERT INTO person (id, stub, email_subscribed, sms_subscribed, created_at, updated_at, initial_source_id,
        fields, email, external_id, first_name, last_name, lineage)
        SELECT {_ID.format("'p'", "i")}, false, true, false, {_CREATED}, {_CREATED}, 1, {_DOCUMENT},
        'person' || i || '@example.org', 'ext' || i, 'Name ' || i % 1000, 'Last ' || i % 5000,
        '{{"*": [1, "2026-11-03T10:00:00Z"]}}' FROM generate_series(1, :people) i""",
    f"""INSERT INTO organization (id, stub, created_at, updated_at, initial_source_id, fields, name, lineage)
        SELECT {_ID.format("'o'", "i")}, false, {_CREATED}, {_CREATED}, 1, {_DOCUMENT}, 'Organization ' || i, '{{}}'
        FROM generate_series(1, :people / 10) i""",
    f"""INSERT INTO membership SELECT {_ID.format("'p'", "i")}, {_ID.format("'o'", "1 + i % (:people / 10)")},
        {_ID.format("'p'", "i")}, {_ID.format("'o'", "1 + i % (:people / 10)")}, 0
        FROM generate_series(1, :people) i WHERE i % 4 > 0""",
    f"""INSERT INTO tagging SELECT {_ID.format("'p'", "i")}, CASE WHEN i % 5003 = 0 THEN 'rare'
        WHEN i % 5 = 0 THEN 'vip' ELSE 'tag ' || i % 20 END, 'person', {_ID.format("'p'", "i")}
        FROM generate_series(1, :people) i WHERE i % 3 = 0""",
    f"""INSERT INTO activity SELECT {_ID.format("'a'", "i")}, 1, CASE WHEN i % 20011 = 0 THEN 'rare'
        ELSE 'type_' || (hashint8(i) & 7) END, 'part:' || i, {_ID.format("'c'", "i / 5")},
        {_ID.format("'p'", "1 + (hashint8(i + 5) & 2147483647) % :people")},
        NULL, CASE WHEN i % 4 = 0 THEN {_ID.format("'o'", "1 + i % (:people / 10)")} END, NULL,
        timestamptz '{NOW:%Y-%m-%d %H:%M}Z' - make_interval(mins => hashint8(i + 9) & 1048575), false,
        jsonb_build_object('team', 'team ' || i % 20, 'rating', i % 5, 'subject', 'About ' || i), '\\x00'
        FROM generate_series(1, :people * 5) i""",
    f"""INSERT INTO participant SELECT a.id, {_ID.format("'l'", "i")},
        {_ID.format("'p'", "1 + (hashint8(i + 7) & 2147483647) % :people")}, a.source_id, a.type, a.occurred_at
        FROM generate_series(1, :people * 5, 100) i JOIN activity a ON a.id = {_ID.format("'a'", "i")}""",
)


def fill(engine: Engine, people: int) -> None:
    """Fill an empty database: ``people``, a tenth as many organizations, five times as many activities.

    Every fourth activity belongs to an organization too, and every hundredth has a further person.
    """
    with writing(engine) as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement.replace(":people", str(people))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What is not flushed yet is not marked as visible to all, and most pages are by the second pass only.
        for statement in ("CHECKPOINT", "VACUUM ANALYZE", "VACUUM"):
            connection.execute(text(statement))


_ADDED = Column("created_at", "Added", "datetime", stored=True)
_COLUMNS: dict[Entity, tuple[Column, ...]] = {
    "person": (
        Column("name", "Name", "name"),
        Column("organizations", "", "organizations"),
        Column("tags", "", "tags"),
    ),
    "organization": (Column("name", "Name", "name"), Column("people", "", "people"), Column("tags", "", "tags")),
}


def asked() -> Iterator[tuple[str, Entity, tables.Query]]:
    """Yield what is asked of which table, in words and as the table takes it."""
    every: list[tuple[Entity, str, dict[str, Any]]] = [
        *(("person", "", tree) for tree in FILTERS),
        *(("person", word, tree) for word, tree in SEARCHED),
        *(("organization", "", tree) for tree in OF_ORGANIZATIONS),
    ]
    for kind, word, tree in every:
        filter = parse(tree, _CATALOGUES[kind])
        yield (
            f"{word}: {sentence(filter)}" if word else sentence(filter),
            kind,
            tables.Query(text=word, filter=filter, zone=ZONE),
        )


def measure(engine: Engine, repeat: int) -> Iterator[tuple[str, Entity, int, float, float]]:
    """Yield for each filter its words, of what, how many it finds (up to a limit), and ms to find and to read.

    They are medians of ``repeat`` runs of what the page of a table does: :func:`core.services.tables.find`, and
    :func:`core.services.tables.page` with the newest first.
    """
    for words, kind, query in asked():
        taken: list[tuple[float, float]] = []
        for _ in range(repeat):
            with Session(engine) as session:
                start = time.perf_counter()
                found = tables.find(session, kind, query)
                between = time.perf_counter()
                tables.page(session, kind, query, _COLUMNS[kind], tables.Sort(_ADDED, descending=True), found)
                taken.append((between - start, time.perf_counter() - between))
        finding, reading = (median(each) * 1000 for each in zip(*taken, strict=True))
        yield words, kind, found.count, finding, reading


def run(people: int = 100_000, repeat: int = 5) -> None:
    """Fill a PostgreSQL with so many people and print a figure for each filter."""
    with databases(roomy=True) as fresh:
        engine = make_engine(fresh.fresh("postgresql"))
        fill(engine, people)
        for words, kind, found, finding, reading in measure(engine, repeat):
            total = finding + reading
            figure("filtered table", total, "ms", of=kind, filter=words, found=found, reading=reading, people=people)
        engine.dispose()
