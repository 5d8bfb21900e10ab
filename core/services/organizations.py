"""Reading organizations: the table and the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from core.db.models import Activity, DataSource, Identity, Membership, Organization, Person
from core.host import Host
from core.services import entities, paging, people
from core.services.errors import NotFound


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the organizations table."""

    organization: Organization
    people: int
    sources: list[DataSource]
    tags: list[str]


@dataclass(frozen=True, slots=True)
class Profile:
    """All that the page of one organization shows; ``people`` are those added last."""

    organization: Organization
    groups: list[entities.Group]
    people_count: int
    people: list[people.Row]
    tags: list[str]
    identities: list[Identity]
    remote_ids: list[entities.RemoteId]
    events: paging.Page[entities.Event]


@dataclass(frozen=True, slots=True)
class Query:
    """Which organizations are asked for; ``text`` and ``state`` as in :class:`core.services.people.Query`."""

    text: str = ""
    state: people.State = "active"


def display_name(organization: Organization) -> str:
    """Return what to call an organization."""
    return organization.name or organization.domain or "Unnamed organization"


def table(session: Session, query: Query, cursor: str | None = None, size: int = 50) -> paging.Page[Row]:
    """Return one page of organizations, those added last first.

    Raises:
        NotFound: The cursor is malformed.
    """
    page = paging.page(session, _select(query), Organization.created_at, Organization.id, cursor, size)
    ids = [organization.id for organization in page.items]
    sources = entities.brought_by(session, ids, entities.sources_by_id(session))
    sizes = _people_counts(session, ids)
    tags = entities.tags(session, "organization", ids)
    return page.map(
        lambda found: [
            Row(each, sizes.get(each.id, 0), sources.get(each.id, []), tags.get(each.id, [])) for each in found
        ]
    )


def count(session: Session, query: Query) -> int:
    """Return how many organizations meet ``query``, counted up to :data:`core.services.paging.COUNT_LIMIT`."""
    return paging.count_up_to_limit(session, _select(query))


def get(session: Session, id: UUID) -> Organization:
    """Return an organization.

    Raises:
        NotFound: There is no such organization.
    """
    organization = session.scalar(select(Organization).where(Organization.id == id, _shown()))
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
    members = people.Query(organization=id)
    return Profile(
        organization=organization,
        groups=entities.groups(session, "organization", organization, sources),
        people_count=people.count(session, members),
        people=people.table(session, members, size=10).items,
        tags=entities.tags(session, "organization", [id]).get(id, []),
        identities=list(entities.identities(session, "organization", id)),
        remote_ids=entities.remote_ids(session, id, sources, host),
        events=entities.events(session, select(Activity).where(Activity.organization_id == id), sources, host, cursor),
    )


def _people_counts(session: Session, ids: Iterable[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(Membership.organization_id, func.count(Membership.person_id.distinct()))
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organization_id.in_(list(ids)), ~Person.stub, Person.merged_into.is_(None))
        .where(Person.archived_at.is_(None))
        .group_by(Membership.organization_id)
    )
    return dict(rows.all())


def _shown() -> ColumnElement[bool]:
    return and_(~Organization.stub, Organization.merged_into.is_(None))


def _select(query: Query) -> Select[Organization]:
    rows = select(Organization).where(_shown())
    if query.state != "all":
        archived = Organization.archived_at
        rows = rows.where(archived.is_(None) if query.state == "active" else archived.is_not(None))
    columns, names = (Organization.domain,), (Organization.name,)
    return rows.where(*(people.begins(word, columns, names) for word in people.words(query.text)))
