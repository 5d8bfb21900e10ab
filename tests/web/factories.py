"""A plugin that is nobody's, and rows for pages to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from cryptography.fernet import Fernet
from marshmallow import Schema
from marshmallow import fields as form
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from core.contract.hookspecs import hookimpl
from core.contract.types import (
    Account,
    ActivitySpec,
    Connected,
    Cursor,
    FieldSpec,
    Manifest,
    ObjectSpec,
    Page,
    Rejected,
    Scope,
)
from core.contract.types import Partition as PartitionOfPlugin
from core.db.base import Model
from core.db.models import (
    Activity,
    Article,
    DataSource,
    Field,
    Identity,
    Link,
    Membership,
    Organization,
    Participant,
    Partition,
    Person,
    RefusedRecord,
    Run,
    Tagging,
    User,
)
from core.host import Host
from core.services.mainstem import Mainstem

NOW = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#5b4bd5"/>'
    '<path d="M6 14v-2a6 6 0 0 1 12 0v2M6 14h2v4H6zM16 14h2v4h-2z" fill="none" stroke="#fff" stroke-width="1.6"/></svg>'
)
HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")


class DeskKey(Schema):
    """What an admin types in."""

    token = form.String(required=True, metadata={"label": "Token", "secret": True})


class Desk:
    """A help desk: its only working credential is ``open``."""

    manifest = Manifest(
        name="desk",
        title="Front Desk",
        category="Customer support",
        description="Imports the people who write to a help desk, their companies and what was said.",
        icon=ICON,
        credentials=DeskKey,
        deletes=True,
        objects=(
            ObjectSpec("contact", "Contacts", "person"),
            ObjectSpec("company", "Companies", "organization"),
            ObjectSpec("conversation", "Conversations", "activity"),
            ObjectSpec("article", "Articles", "article"),
        ),
        activities=(
            ActivitySpec("started", "Conversation started", "conversation", "message-plus"),
            ActivitySpec("replied", "Replied", "conversation", "message"),
            ActivitySpec("closed", "Conversation closed", "conversation", "message-check"),
        ),
    )

    @hookimpl
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Rejected:
        if answers.get("token") != "open":
            return Rejected({"token": "Front Desk refused this token: make a new one"})
        return Connected(remote_id="desk-1", name="Desk of Acme", secrets={"token": "open"})

    @hookimpl
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return [FieldSpec("contact", "plan", "Plan", custom=True)]

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[PartitionOfPlugin]:
        return [PartitionOfPlugin("contact")]

    @hookimpl
    def sync(self, account: Account, partition: PartitionOfPlugin, cursor: Cursor) -> Page:
        return Page()


class Broken:
    """Has a manifest that no host accepts."""

    manifest = "none"


def installation(url: str, instance: str, **environ: str) -> Mainstem:
    """Return an installation with the help desk and a broken plugin, on a migrated database."""
    given = {
        "DATABASE_URL": url,
        "MAINSTEM_INSTANCE": instance,
        "SECRET_KEY": "of the tests",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    return Mainstem.open({**given, **environ}, host=Host([Desk(), Broken()]))


@dataclass
class Factory:
    """Makes rows, each after the one before."""

    engine: Engine

    def __post_init__(self) -> None:
        self._numbers: Iterator[int] = count(1)

    def _add(self, row: Model) -> Any:
        with Session(self.engine, expire_on_commit=False) as session:
            session.add(row)
            session.commit()
        return row

    def add_all(self, rows: Sequence[Model]) -> None:
        """Insert rows in one transaction."""
        with Session(self.engine) as session:
            session.add_all(rows)
            session.commit()

    def user(self, email: str = "olga@example.com", role: str = "owner", **values: Any) -> User:
        """Add a user whose password is :data:`PASSWORD`."""
        defaults = {"name": "Olga Ivanova", "state": "active", "password_hash": HASH, "created_at": NOW}
        return self._add(User(email=email, role=role, **{**defaults, **values}))  # type: ignore[no-any-return]

    def source(self, name: str = "Support desk", state: str = "connected", **values: Any) -> DataSource:
        """Add a data source of the help desk."""
        number = next(self._numbers)
        defaults = {
            "plugin": "desk",
            "remote_id": f"desk-{number}",
            "account_name": "Desk of Acme",
            "created_at": NOW,
            "connected_at": NOW,
        }
        return self._add(DataSource(name=name, state=state, **{**defaults, **values}))  # type: ignore[no-any-return]

    def field(self, source: DataSource, key: str, label: str, **values: Any) -> Field:
        """Add a field of people that a data source offers."""
        defaults = {"object": "contact", "type": "text", "custom": True, "first_seen_at": NOW}
        row = Field(source_id=source.id, key=key, label=label, **{**defaults, **values})
        return self._add(row)  # type: ignore[no-any-return]

    def person(self, source: DataSource | None = None, **values: Any) -> Person:
        """Add a person, linked to ``source`` if one is given."""
        number = next(self._numbers)
        moment = NOW + timedelta(minutes=number)
        defaults = {
            "id": uuid4(),
            "email": f"person{number}@example.com",
            "first_name": "Person",
            "last_name": str(number),
            "email_subscribed": True,
            "sms_subscribed": False,
            "fields": {},
            "lineage": {"*": [source.id, NOW.isoformat()]} if source else {},
            "stub": False,
            "initial_source_id": source.id if source else None,
            "created_at": moment,
            "updated_at": moment,
        }
        person: Person = self._add(Person(**{**defaults, **values}))
        if source:
            self.link(source, person.id, "contact", f"c{number}")
        return person

    def organization(self, source: DataSource | None = None, **values: Any) -> Organization:
        """Add an organization, linked to ``source`` if one is given."""
        number = next(self._numbers)
        defaults = {
            "id": uuid4(),
            "name": f"Company {number}",
            "domain": f"company{number}.example",
            "fields": {},
            "lineage": {},
            "stub": False,
            "created_at": NOW + timedelta(minutes=number),
            "updated_at": NOW,
        }
        organization: Organization = self._add(Organization(**{**defaults, **values}))
        if source:
            self.link(source, organization.id, "company", f"o{number}")
        return organization

    def link(self, source: DataSource, entity: UUID, object: str, remote_id: str, **values: Any) -> Link:
        """Say which object of ``source`` an entity is."""
        defaults = {"id": uuid4(), "content_hash": b"0" * 16}
        row = Link(source_id=source.id, object=object, remote_id=remote_id, entity_id=entity, **{**defaults, **values})
        return self._add(row)  # type: ignore[no-any-return]

    def membership(self, person: Person, organization: Organization, position: int = 0) -> None:
        """Put a person into an organization."""
        self._add(
            Membership(
                person_link_id=uuid4(),
                organization_link_id=uuid4(),
                person_id=person.id,
                organization_id=organization.id,
                position=position,
            )
        )

    def tagging(self, entity: Person | Organization, name: str) -> None:
        """Tag a person or organization."""
        kind = "person" if isinstance(entity, Person) else "organization"
        self._add(Tagging(link_id=uuid4(), name=name, kind=kind, entity_id=entity.id))

    def identity(self, person: Person, type: str, value: str) -> None:
        """Say that a value belongs to a person alone."""
        self._add(Identity(id=uuid4(), kind="person", type=type, value=value, entity_id=person.id))

    def activity(self, source: DataSource, person: Person | None, type: str = "started", **values: Any) -> Activity:
        """Add something that happened."""
        number = next(self._numbers)
        defaults = {
            "id": uuid4(),
            "remote_id": f"part:{number}",
            "record_link_id": uuid4(),
            "occurred_at": NOW + timedelta(minutes=number),
            "historical": False,
            "attributes": {},
            "content_hash": b"0" * 16,
        }
        row = Activity(
            source_id=source.id, person_id=person.id if person else None, type=type, **{**defaults, **values}
        )
        return self._add(row)  # type: ignore[no-any-return]

    def participant(self, activity: Activity, person: Person) -> None:
        """Let a further person have taken part in an activity."""
        told = {"source_id": activity.source_id, "type": activity.type, "occurred_at": activity.occurred_at}
        self._add(Participant(activity_id=activity.id, person_link_id=uuid4(), person_id=person.id, **told))

    def article(self, source: DataSource, title: str = "How to start") -> None:
        """Add an article."""
        self._add(
            Article(
                id=uuid4(),
                source_id=source.id,
                title=title,
                body="<p>Begin.</p>",
                state="published",
                translations={},
                created_at=NOW,
                updated_at=NOW,
            )
        )

    def run(self, source: DataSource, state: str = "succeeded", **values: Any) -> Run:
        """Add a run."""
        ended = state not in ("queued", "running", "paused")
        defaults = {
            "kind": "initial",
            "created_at": NOW,
            "started_at": NOW,
            "finished_at": NOW + timedelta(seconds=65) if ended else None,
        }
        return self._add(Run(source_id=source.id, state=state, **{**defaults, **values}))  # type: ignore[no-any-return]

    def partition(self, run: Run, object: str = "contact", state: str = "done", **values: Any) -> Partition:
        """Add a part of a run; ``counts`` are by object."""
        row = Partition(run_id=run.id, source_id=run.source_id, object=object, key="all", state=state, **values)
        return self._add(row)  # type: ignore[no-any-return]

    def refused(self, source: DataSource, reason: str, **values: Any) -> RefusedRecord:
        """Add a record that could not be taken."""
        number = next(self._numbers)
        defaults = {
            "id": uuid4(),
            "object": "contact",
            "remote_id": f"bad{number}",
            "payload": {"id": f"bad{number}"},
            "refused_at": NOW + timedelta(minutes=number),
        }
        row = RefusedRecord(source_id=source.id, reason=reason, **{**defaults, **values})
        return self._add(row)  # type: ignore[no-any-return]
