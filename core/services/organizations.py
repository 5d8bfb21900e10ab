"""Reading organizations: the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.models import Activity, Identity, Membership, Organization, Person
from core.host import Host
from core.services import entities, paging, people
from core.services.errors import NotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """All that the page of one organization shows; ``people`` are those added last."""

    organization: Organization
    groups: list[entities.Group]
    people_count: int
    people: list[Person]
    tags: list[str]
    identities: list[Identity]
    remote_ids: list[entities.RemoteId]
    events: paging.Page[entities.Event]


def display_name(organization: Organization) -> str:
    """Return what to call an organization."""
    return organization.name or organization.domain or "Unnamed organization"


def get(session: Session, id: UUID) -> Organization:
    """Return an organization.

    Raises:
        NotFound: There is no such organization.
    """
    shown = (~Organization.stub, Organization.merged_into.is_(None))
    organization = session.scalar(select(Organization).where(Organization.id == id, *shown))
    if organization is None:
        raise NotFound("There is no such organization: it may have been merged into another one")
    return organization


def profile(session: Session, host: Host, id: UUID, cursor: str | None = None) -> Profile:
    """Return an organization with all that is known of it; arguments as in :func:`core.services.people.profile`.

    Raises:
        NotFound: There is no such organization, or the cursor is malformed.
    """
    organization = get(session, id)
    sources = entities.sources_by_id(session)
    members = people.members_of(id)
    newest = members.order_by(Person.created_at.desc(), Person.id.desc())
    return Profile(
        organization=organization,
        groups=entities.groups(session, "organization", organization, sources),
        people_count=paging.count_up_to_limit(session, members),
        people=list(session.scalars(newest.limit(10))),
        tags=entities.tags(session, "organization", [id]).get(id, []),
        identities=list(entities.identities(session, "organization", id)),
        remote_ids=entities.remote_ids(session, id, sources, host),
        events=entities.events(session, select(Activity).where(Activity.organization_id == id), sources, host, cursor),
    )


def people_counts(session: Session, ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many people, who are not archived, several organizations have."""
    rows = session.execute(
        select(Membership.organization_id, func.count(Membership.person_id.distinct()))
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organization_id.in_(list(ids)), ~Person.stub, Person.merged_into.is_(None))
        .where(Person.archived_at.is_(None))
        .group_by(Membership.organization_id)
    )
    return dict(rows.all())
