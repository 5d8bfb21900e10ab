"""The tables of people and organizations: every order, on both databases, whatever has no value or the same one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from core.contract.fields import Entity
from core.filters import parse
from core.services import columns, entities, paging, tables
from core.services.columns import Column
from core.services.errors import NotFound
from core.services.mainstem import Mainstem
from core.services.paging import COUNT_LIMIT
from core.services.tables import Found, Query, Sort, find
from tests.web.factories import NOW, Desk, Factory

MANY = COUNT_LIMIT + 1
FIELDS = (("plan", "text"), ("seats", "integer"), ("score", "decimal"), ("vip", "boolean"), ("since", "date"))


@pytest.fixture
def vendor() -> Desk:
    return Desk()


def known(mainstem: Mainstem, session: Session) -> dict[Entity, dict[str, Column]]:
    return columns.read(session, mainstem.host, entities.sources_by_id(session))


def walk(session: Session, kind: Entity, sort: Sort, count: int, start: str = "") -> list[list[Any]]:
    """The pages of a table from the first to the last; from the last to the first with ``start``, a cursor."""
    pages, cursor = [], start or None
    while True:
        page = tables.page(session, kind, Query(), [sort.column], sort, Found(count), cursor, size=2)
        pages.append([row.entity.id for row in page.items])
        cursor = page.previous if start else page.next
        if cursor is None:
            return pages


def test_every_order_meets_all_once_there_and_back(mainstem: Mainstem, factory: Factory):
    source = factory.source()
    for key, type in FIELDS:
        factory.field(source, key, key, type=type)
    values: list[dict[str, Any]] = [
        {"first_name": "bo", "last_name": None, "fields": {"desk.plan": "Pro", "desk.seats": 3, "desk.vip": True}},
        {"first_name": "Ann", "last_name": "Lee", "fields": {"desk.plan": "pro", "desk.seats": 10, "desk.score": 0.5}},
        {"first_name": "Ann", "last_name": "Lee", "phone": "+49", "fields": {"desk.seats": 3, "desk.score": -2}},
        {"first_name": "Ann", "last_name": "Abel", "email": None, "fields": {"desk.plan": "", "desk.vip": False}},
        {"first_name": None, "last_name": "Zed", "email": None, "fields": {"desk.since": "2026-01-31"}},
        {"first_name": None, "last_name": None, "email": None, "fields": {"desk.seats": "ten", "desk.vip": None}},
        {"first_name": "É", "created_at": NOW, "fields": {"desk.since": "2025-12-01", "desk.plan": "x" * 300}},
        {"first_name": "é", "created_at": NOW, "fields": {"desk.since": "2026-01-31", "desk.plan": "x" * 301}},
    ]
    everyone = {factory.person(None, **each).id for each in values}
    with Session(mainstem.engine) as session:
        of_people = known(mainstem, session)["person"]
        sortable = [column for column in of_people.values() if tables.is_sortable("person", column, 8)]
        assert {f"desk.{key}" for key, _ in FIELDS} <= {column.key for column in sortable}
        for column in sortable:
            # Few rows are sorted without regard to case, many as an index has them.
            for count in (8, MANY) if tables.is_sortable("person", column, MANY) else (8,):
                for descending in (False, True):
                    sort = Sort(column, descending)
                    pages = walk(session, "person", sort, count)
                    assert {id for page in pages for id in page} == everyone, sort
                    assert sum(map(len, pages)) == len(everyone), sort
                    last = tables.page(session, "person", Query(), [], sort, Found(count), size=7)
                    assert last.next
                    end = tables.page(session, "person", Query(), [], sort, Found(count), last.next, size=7)
                    assert end.previous
                    back = walk(session, "person", sort, count, end.previous)
                    assert [id for page in reversed(back) for id in page] == [row.entity.id for row in last.items], sort


def test_rows_without_a_value_come_last_and_case_does_not_matter(mainstem: Mainstem, factory: Factory):
    source = factory.source()
    factory.field(source, "seats", "Seats", type="integer")
    factory.field(source, "plan", "Plan")
    factory.person(None, first_name="", last_name=None, fields={})
    factory.person(None, first_name="Cy", fields={"desk.seats": 9, "desk.plan": "Zero"})
    factory.person(None, first_name="ann", fields={"desk.seats": 200, "desk.plan": "Pro"})
    factory.person(None, first_name="Bo", fields={"desk.seats": 10, "desk.plan": "free"})
    factory.person(None, first_name=None, last_name=None)
    with Session(mainstem.engine) as session:
        of_people = known(mainstem, session)["person"]

        def sorted_by(key: str, descending: bool) -> list[str | None]:
            sort = Sort(of_people[key], descending)
            return [
                row.entity.first_name
                for row in tables.page(session, "person", Query(), [], sort, find(session, "person", Query())).items
            ]

        for key, names in (("desk.seats", ["Cy", "Bo", "ann"]), ("desk.plan", ["Bo", "ann", "Cy"])):
            assert sorted_by(key, False)[:3] == names
            assert sorted_by(key, True)[:3] == names[::-1]
        assert sorted_by("name", False) == ["", "ann", "Bo", "Cy", None]
        assert sorted_by("name", True) == ["Cy", "Bo", "ann", "", None]


def test_what_has_no_index_sorts_few_rows_only():
    plan, tags = Column("desk.plan", "Plan", plugin="desk"), Column("tags", "Tags", "tags")
    assert tables.is_sortable("person", plan, COUNT_LIMIT)
    assert not tables.is_sortable("person", plan, MANY)
    assert tables.is_sortable("person", Column("email", "Email", stored=True), MANY)
    assert not tables.is_sortable("person", tags, 1)


def test_a_cursor_of_another_order_is_no_page(mainstem: Mainstem):
    added = Sort(Column("created_at", "Added", "datetime", stored=True))
    email = Sort(Column("email", "Email", stored=True))
    with Session(mainstem.engine) as session:
        for sort, key in (
            *((added, key) for key in ((), (None,), ("x",), (True,), (1,), (NOW, NOW), ("2026-11-03T10:00:00",))),
            *((email, key) for key in ((), (1,), (["a"],), ("\0",), ("a", "b"))),
        ):
            cursor = paging.mark("after", (*key, UUID(int=1)))
            with pytest.raises(NotFound):
                tables.page(session, "person", Query(), [], sort, Found(0), cursor)


def test_an_export_reads_in_batches_what_a_filter_finds(
    mainstem: Mainstem, factory: Factory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tables, "BATCH", 2)
    source = factory.source()
    factory.field(source, "plan", "Plan")
    for number in range(7):
        person = factory.person(source, first_name=f"P{number}", last_name="", fields={"desk.plan": "Pro"})
        factory.tagging(person, "vip")
    factory.person(None, fields={"desk.plan": "Free"})
    with Session(mainstem.engine) as session:
        sources = entities.sources_by_id(session)
        of_all = columns.read(session, mainstem.host, sources)
        catalogue = columns.catalogue(of_all, "person", mainstem.host, sources)
    shown = columns.chosen(of_all["person"], ["tags", "sources", "desk.plan"])
    query = Query(filter=parse({"field": "desk.plan", "op": "is", "value": "pro"}, catalogue))
    rows = tables.every(mainstem.engine, "person", query, shown, Sort(of_all["person"]["name"]), Found(7))
    assert list(rows) == [[f"P{number}", ["vip"], ["Support desk"], "Pro"] for number in range(7)]


def test_fields_of_data_sources_are_columns_once_each_under_the_vendors_name(mainstem: Mainstem, factory: Factory):
    first, second = factory.source(), factory.source("Shop")
    factory.field(first, "plan", "Plan", position=2)
    factory.field(first, "mail", "Mail", feeds="email", position=1)
    factory.field(first, "left_out", "Left out", selected=False)
    factory.field(first, "email", "Email", position=3)
    factory.field(second, "plan", "Plan of the shop")
    factory.field(first, "size", "Size", object="company", type="integer")
    with Session(mainstem.engine) as session:
        sources = entities.sources_by_id(session)
        found = columns.read(session, mainstem.host, sources)
        catalogue = columns.catalogue(found, "person", mainstem.host, sources)
    theirs = [(column.key, column.label) for column in found["person"].values() if column.plugin]
    assert theirs == [("desk.plan", "Plan"), ("desk.email", "Email")]
    assert [column.key for column in found["organization"].values() if column.plugin] == ["desk.size"]
    assert catalogue.fields["email"].label == "Email"
    assert catalogue.fields["desk.email"].label == "Email (Front Desk)"
    assert catalogue.organization
    assert catalogue.organization.fields["desk.size"].type == "integer"
    assert catalogue.activities["desk.closed"].source_ids == (first.id, second.id)
