from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from core.contract.fields import Entity
from core.services import paging, people, tables
from core.services.columns import Column
from core.services.errors import NotFound
from core.services.mainstem import Mainstem
from core.services.tables import Query, Sort
from tests.web.factories import NOW, Desk, Factory

EVERYBODY = Query()
NEWEST = Sort(Column("created_at", "Added", "datetime", stored=True), descending=True)


@pytest.fixture
def vendor() -> Desk:
    return Desk()


@pytest.fixture
def session(mainstem: Mainstem) -> Iterator[Session]:
    with Session(mainstem.engine) as opened:
        yield opened


def listed(session: Session, query: Query = EVERYBODY, kind: Entity = "person") -> list[Any]:
    """What a table shows, the last added first."""
    return [row.entity for row in tables.page(session, kind, query, [], NEWEST, tables.Found(0)).items]


def paged(session: Session, cursor: str | None = None, size: int = 50) -> paging.Page[tables.Row]:
    return tables.page(session, "person", EVERYBODY, [], NEWEST, tables.Found(0), cursor, size)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {"Ann Lee", "Ann Marie Ray", "Élodie Ng", "50%_off@example.com"}),
        ("ann", {"Ann Lee", "Ann Marie Ray"}),
        ("ANN lee", {"Ann Lee"}),
        ("lee ann", {"Ann Lee"}),
        ("marie", {"Ann Marie Ray"}),
        ("nn", set()),
        ("élodie", {"Élodie Ng"}),
        ("ÉLODIE", {"Élodie Ng"}),
        ("Ann.Lee@", {"Ann Lee"}),
        ("+4930", {"Ann Marie Ray"}),
        ("crm-7", {"Élodie Ng"}),
        ("50%_", {"50%_off@example.com"}),
        ("%", set()),
        ("_", set()),
        ("ann zoe", set()),
    ],
)
def test_each_word_must_begin_a_name_or_an_identifier(factory: Factory, session: Session, text: str, names: set[str]):
    factory.person(None, first_name="Ann", last_name="Lee", email="ann.lee@example.com")
    factory.person(None, first_name="Ann Marie", last_name="Ray", phone="+493012345")
    factory.person(None, first_name="Élodie", last_name="Ng", external_id="crm-7")
    factory.person(None, first_name=None, last_name=None, email="50%_off@example.com")
    assert {people.display_name(person) for person in listed(session, Query(text))} == names


def test_organizations_are_found_by_words_of_their_name_and_by_domain(factory: Factory, session: Session):
    factory.organization(None, name="Blue River Ltd", domain="river.example")
    factory.organization(None, name="Red", domain="blue.example")
    factory.organization(None, name="Stub blue", stub=True)

    def named(text: str) -> list[str | None]:
        return [organization.name for organization in listed(session, Query(text), "organization")]

    assert named("blue") == ["Red", "Blue River Ltd"]
    assert named("river blue") == ["Blue River Ltd"]
    assert named("ver") == []
    assert tables.find(session, "organization", Query("blue")).count == 2


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"first_name": "Ann", "last_name": "Lee"}, "Ann Lee"),
        ({"first_name": None, "last_name": "Lee"}, "Lee"),
        ({"first_name": None, "last_name": None, "email": "a@example.com"}, "a@example.com"),
        ({"first_name": None, "last_name": None, "email": None, "phone": "+49"}, "+49"),
        ({"first_name": None, "last_name": None, "email": None, "external_id": "x1"}, "x1"),
        ({"first_name": "", "last_name": "", "email": None}, "Unnamed person"),
    ],
)
def test_a_person_without_a_name_is_called_by_what_is_known(factory: Factory, values: dict[str, str | None], name: str):
    assert people.display_name(factory.person(None, **values)) == name


def test_paging_meets_everyone_once_though_many_came_at_one_moment(factory: Factory, session: Session):
    ids = {factory.person(None, created_at=NOW).id for _ in range(7)}
    seen: list[UUID] = []
    cursor, pages = None, []
    while True:
        page = paged(session, cursor, 3)
        pages.append([row.entity.id for row in page.items])
        seen += pages[-1]
        if page.next is None:
            break
        cursor = page.next
    assert len(seen) == 7
    assert set(seen) == ids
    back = paged(session, page.previous, 3)
    assert [row.entity.id for row in back.items] == pages[1]
    first = paged(session, back.previous, 3)
    assert [row.entity.id for row in first.items] == pages[0]
    assert first.previous is None
    assert first.next is not None


def test_who_is_added_meanwhile_moves_no_page(factory: Factory, session: Session):
    for number in range(4):
        factory.person(None, created_at=NOW + timedelta(seconds=number))
    first = paged(session, size=2)
    factory.person(None, created_at=NOW + timedelta(days=1))
    second = paged(session, first.next, 2)
    assert not {row.entity.id for row in first.items} & {row.entity.id for row in second.items}
    assert len(second.items) == 2


def test_counting_stops_at_the_limit(factory: Factory, session: Session, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paging, "COUNT_LIMIT", 3)
    for expected in (1, 2, 3, 4, 4):
        factory.person(None)
        session.rollback()  # what is read shall be of now
        assert tables.find(session, "person", EVERYBODY).count == expected


def test_only_the_members_of_an_organization_or_the_people_of_a_source(factory: Factory, session: Session):
    source, acme = factory.source(), factory.organization(None)
    member, known = factory.person(None), factory.person(source)
    factory.membership(member, acme)
    factory.link(source, factory.person(None).id, "contact", "gone", deleted_at=NOW)

    assert [person.id for person in listed(session, Query(organization=acme.id))] == [member.id]
    assert [person.id for person in listed(session, Query(source=source.id))] == [known.id]


def test_a_profile_has_own_and_shared_activities_each_once(mainstem: Mainstem, factory: Factory, session: Session):
    source, person = factory.source(), factory.person(None)
    own = factory.activity(source, person)
    shared = factory.activity(source, factory.person(None))
    factory.activity(source, factory.person(None))
    for activity in (own, shared):
        factory.participant(activity, person)
    profile = people.profile(session, mainstem.host, person.id)
    assert [event.activity.id for event in profile.events.items] == [shared.id, own.id]


def test_a_merged_person_has_no_profile(mainstem: Mainstem, factory: Factory, session: Session):
    survivor = factory.person(None)
    merged = factory.person(None, merged_into=survivor.id)
    with pytest.raises(NotFound, match="merged"):
        people.profile(session, mainstem.host, merged.id)
    assert people.profile(session, mainstem.host, survivor.id).person.id == survivor.id
