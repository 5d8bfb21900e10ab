"""Reading people: the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.db.models import Activity, Identity, Membership, Organization, Participant, Person
from core.host import Host
from core.services import entities, paging
from core.services.errors import NotFound


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


def display_name(person: Person) -> str:
    """Return what to call a person."""
    name = " ".join(filter(None, (person.first_name, person.last_name)))
    return name or person.email or person.phone or person.external_id or "Unnamed person"


def get(session: Session, id: UUID) -> Person:
    """Return a person.

    Raises:
        NotFound: There is no such person.
    """
    person = session.scalar(select(Person).where(Person.id == id, ~Person.stub, Person.merged_into.is_(None)))
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


def members_of(organization: UUID) -> Select[Person]:
    """Return the people of an organization who are not archived."""
    theirs = select(Membership.person_id).where(Membership.organization_id == organization)
    return select(Person).where(
        Person.id.in_(theirs), ~Person.stub, Person.merged_into.is_(None), Person.archived_at.is_(None)
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


def _activities(person: UUID) -> Select[Activity]:
    own = select(Activity.id).where(Activity.person_id == person)
    shared = select(Participant.activity_id).where(Participant.person_id == person)
    return select(Activity).where(Activity.id.in_(own.union(shared)))
