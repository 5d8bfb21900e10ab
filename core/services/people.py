"""Reading people: the table and the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.db.models import Activity, DataSource, Identity, Link, Membership, Organization, Participant, Person
from core.host import Host
from core.services import entities, paging
from core.services.errors import NotFound

State = Literal["active", "archived", "all"]
Text: TypeAlias = InstrumentedAttribute[str | None]

WORDS = 8
"""Further words of a search are not looked at."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the people table."""

    person: Person
    organizations: list[Organization]
    sources: list[DataSource]
    tags: list[str]


@dataclass(frozen=True, slots=True)
class Profile:
    """All that the page of one person shows."""

    person: Person
    groups: list[entities.Group]
    organizations: list[Organization]
    tags: list[str]
    identities: list[Identity]
    remote_ids: list[entities.RemoteId]
    events: paging.Page[entities.Event]


@dataclass(frozen=True, slots=True)
class Query:
    """Which people are asked for.

    Attributes:
        text: Each of its words begins a name, the email, the phone number or the external id; "" for all people.
        state: ``"active"``, ``"archived"`` or ``"all"``.
        organization: Only its members.
        source: Only people that this data source knows.
    """

    text: str = ""
    state: State = "active"
    organization: UUID | None = None
    source: int | None = None


def display_name(person: Person) -> str:
    """Return what to call a person."""
    name = " ".join(filter(None, (person.first_name, person.last_name)))
    return name or person.email or person.phone or person.external_id or "Unnamed person"


def table(session: Session, query: Query, cursor: str | None = None, size: int = 50) -> paging.Page[Row]:
    """Return one page of people, those added last first.

    Raises:
        NotFound: The cursor is malformed.
    """
    page = paging.page(session, _select(query), Person.created_at, Person.id, cursor, size)
    ids = [person.id for person in page.items]
    sources = entities.brought_by(session, ids, entities.sources_by_id(session))
    members = organizations_of(session, ids)
    tags = entities.tags(session, "person", ids)
    return page.map(
        lambda people: [
            Row(person, members.get(person.id, []), sources.get(person.id, []), tags.get(person.id, []))
            for person in people
        ]
    )


def count(session: Session, query: Query) -> int:
    """Return how many people meet ``query``, counted up to :data:`core.services.paging.COUNT_LIMIT`."""
    return paging.count_up_to_limit(session, _select(query))


def get(session: Session, id: UUID) -> Person:
    """Return a person.

    Raises:
        NotFound: There is no such person.
    """
    person = session.scalar(select(Person).where(Person.id == id, _shown()))
    if person is None:
        raise NotFound("There is no such person: it may have been merged into another one")
    return person


def profile(session: Session, host: Host, id: UUID, cursor: str | None = None) -> Profile:
    """Return a person with all that is known of her.

    Args:
        session: Where to read.
        host: For the names of objects and activities.
        id: Her id.
        cursor: Which page of her activities.

    Raises:
        NotFound: There is no such person, or the cursor is malformed.
    """
    person = get(session, id)
    sources = entities.sources_by_id(session)
    return Profile(
        person=person,
        groups=entities.groups(session, "person", person, sources),
        organizations=organizations_of(session, [id]).get(id, []),
        tags=entities.tags(session, "person", [id]).get(id, []),
        identities=list(entities.identities(session, "person", id)),
        remote_ids=entities.remote_ids(session, id, sources, host),
        events=entities.events(session, _activities(id), sources, host, cursor),
    )


def organizations_of(session: Session, ids: Iterable[UUID]) -> dict[UUID, list[Organization]]:
    """Return the organizations of several people, each once, in the order their vendors gave."""
    rows = session.execute(
        select(Membership.person_id, Organization)
        .join(Organization, Organization.id == Membership.organization_id)
        .where(Membership.person_id.in_(list(ids)), Organization.merged_into.is_(None), ~Organization.stub)
        .order_by(Membership.position, Organization.id)
    )
    found: dict[UUID, dict[UUID, Organization]] = {}
    for id, organization in rows:
        found.setdefault(id, {})[organization.id] = organization
    return {id: list(organizations.values()) for id, organizations in found.items()}


def words(text: str) -> list[str]:
    """Return what a search asks for, word by word."""
    return text.split()[:WORDS]


def begins(word: str, columns: Iterable[Text], names: Iterable[Text]) -> ColumnElement[bool]:
    """Return the condition that ``word`` begins one of ``columns``, or a word within one of ``names``."""
    forms, names = _forms(word), list(names)
    return or_(
        *(column.istartswith(form, autoescape=True) for form in forms for column in (*columns, *names)),
        *(name.icontains(f" {form}", autoescape=True) for form in forms for name in names),
    )


def _forms(word: str) -> set[str]:
    # SQLite changes the case of ASCII letters only.
    return {word} if word.isascii() else {word, word.lower(), word.capitalize()}


def _shown() -> ColumnElement[bool]:
    return and_(~Person.stub, Person.merged_into.is_(None))


def _select(query: Query) -> Select[Person]:
    rows = select(Person).where(_shown())
    if query.state != "all":
        rows = rows.where(Person.archived_at.is_(None) if query.state == "active" else Person.archived_at.is_not(None))
    if query.organization is not None:
        members = select(Membership.person_id).where(Membership.organization_id == query.organization)
        rows = rows.where(Person.id.in_(members))
    if query.source is not None:
        theirs = select(Link.id).where(
            Link.entity_id == Person.id,
            Link.source_id == query.source,
            Link.content_hash.is_not(None),
            Link.deleted_at.is_(None),
        )
        rows = rows.where(theirs.exists())
    return rows.where(*map(_found_by, words(query.text)))


def _found_by(word: str) -> ColumnElement[bool]:
    if "@" in word:
        # Emails are kept in lower case: without a function around the column an index can be used.
        return Person.email.startswith(word.lower(), autoescape=True)
    return begins(word, (Person.email, Person.phone, Person.external_id), (Person.first_name, Person.last_name))


def _activities(person: UUID) -> Select[Activity]:
    own = select(Activity.id).where(Activity.person_id == person)
    shared = select(Participant.activity_id).where(Participant.person_id == person)
    return select(Activity).where(Activity.id.in_(own.union(shared)))
