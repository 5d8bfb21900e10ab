"""The customer database: people, organizations, what they did, and what can be read by them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import documents
from core.db.base import Model
from core.db.types import Plain

# The hot tables have no foreign keys: a page refers to people that a later page brings, every reference is made by
# the pipeline in the transaction that makes the row, and checking each would cost a look-up a row.

_ARCHIVED = text("archived_at IS NOT NULL")


class Person(Model):
    """A human being, once, whatever the number of data sources that know her.

    ``fields`` holds the values that have no column: system fields by their key, a data source's own by
    ``plugin.key``. ``lineage`` tells who wrote what (see :mod:`core.pipeline.values`). A ``stub`` is only referred to
    so far and shown nowhere. ``merged_into`` is set on what a merge absorbed.

    What is asked of every row stands first: PostgreSQL walks over a row's columns of any length one by one, and a
    filter of a million people takes 1.6 times as long where the documents come before.
    """

    __tablename__ = "person"
    __table_args__ = (
        Index("ix_person_created_at_id", "created_at", "id"),
        # Few are archived: without it, all others are looked at to find them.
        Index("ix_person_archived", "created_at", "id", postgresql_where=_ARCHIVED, sqlite_where=_ARCHIVED),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    stub: Mapped[bool]
    email_subscribed: Mapped[bool]
    sms_subscribed: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    merged_into: Mapped[uuid.UUID | None]
    archived_at: Mapped[datetime | None]
    initial_source_id: Mapped[int | None] = mapped_column(index=True)
    fields: Mapped[dict[str, Any]]
    email: Mapped[str | None] = mapped_column(Plain, index=True)
    phone: Mapped[str | None]
    external_id: Mapped[str | None]
    first_name: Mapped[str | None] = mapped_column(index=True)
    last_name: Mapped[str | None]
    lineage: Mapped[dict[str, Any]]


class Organization(Model):
    """A company or other group of people. Columns as in :class:`Person`."""

    __tablename__ = "organization"
    __table_args__ = (
        Index("ix_organization_created_at_id", "created_at", "id"),
        # Few are archived: without it, all others are looked at to find them.
        Index("ix_organization_archived", "created_at", "id", postgresql_where=_ARCHIVED, sqlite_where=_ARCHIVED),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    stub: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    merged_into: Mapped[uuid.UUID | None]
    archived_at: Mapped[datetime | None]
    initial_source_id: Mapped[int | None] = mapped_column(index=True)
    fields: Mapped[dict[str, Any]]
    name: Mapped[str | None] = mapped_column(index=True)
    domain: Mapped[str | None]
    lineage: Mapped[dict[str, Any]]


# By these a search finds the beginning of a value, and a filter a value, in upper or lower case and whatever the
# database's locale. Names are found by any of their parts too, with PostgreSQL's pg_trgm; SQLite orders by them.
Index(
    "ix_person_names",
    func.lower(Person.first_name).label("first"),
    func.lower(Person.last_name).label("last"),
    postgresql_using="gin",
    postgresql_ops={"first": "gin_trgm_ops", "last": "gin_trgm_ops"},
)
Index(
    "ix_organization_lower_name",
    func.lower(Organization.name).label("text"),
    postgresql_using="gin",
    postgresql_ops={"text": "gin_trgm_ops"},
)
for _name, _column in (
    ("ix_person_lower_phone", Person.phone),
    ("ix_person_lower_external_id", Person.external_id),
    ("ix_organization_lower_domain", Organization.domain),
):
    Index(_name, func.lower(_column).label("text"), postgresql_ops={"text": "text_pattern_ops"})


class Identity(Model):
    """A value that belongs to one person or organization only, such as an email; ``id`` is derived from it."""

    __tablename__ = "identity"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    type: Mapped[str]
    value: Mapped[str]
    entity_id: Mapped[uuid.UUID] = mapped_column(index=True)


class Merge(Model):
    """A merge that happened: what both were before, so that it can be undone."""

    __tablename__ = "merge"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    survivor_id: Mapped[uuid.UUID] = mapped_column(index=True)
    absorbed_id: Mapped[uuid.UUID] = mapped_column(index=True)
    source_id: Mapped[int | None]
    reason: Mapped[str]
    before: Mapped[dict[str, Any]]
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class Membership(Model):
    """A person belongs to an organization, as one object of a vendor says of another."""

    __tablename__ = "membership"

    person_link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    organization_link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column(index=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(index=True)
    position: Mapped[int]


class Tagging(Model):
    """A tag that an object of a vendor carries; ``kind`` and ``entity_id`` say whose it is here.

    A tag that was added here hangs on no link: see :func:`core.pipeline.ids.own_tag_id`.
    """

    __tablename__ = "tagging"
    __table_args__ = (Index("ix_tagging_kind_name_entity_id", "kind", "name", "entity_id"),)

    link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    entity_id: Mapped[uuid.UUID] = mapped_column(index=True)


class Activity(Model):
    """Something that happened; ``id`` is derived from data source and remote id.

    ``record_link_id`` is the object it happened on (a conversation), ``person_link_id`` the vendor's person.
    """

    __tablename__ = "activity"
    __table_args__ = (
        Index("ix_activity_person_id_occurred_at", "person_id", "occurred_at"),
        Index("ix_activity_source_id_occurred_at", "source_id", "occurred_at"),
        # Most belong to no organization.
        Index(
            "ix_activity_organization",
            "organization_id",
            "type",
            "occurred_at",
            postgresql_include=["source_id"],
            postgresql_where=text("organization_id IS NOT NULL"),
            sqlite_where=text("organization_id IS NOT NULL"),
        ),
        # Who did it, how often and when, is answered by the index alone, and each in the same order as by participants.
        Index("ix_activity_type", "type", "person_id", "occurred_at", "id", postgresql_include=["source_id"]),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source_id: Mapped[int]
    type: Mapped[str]
    remote_id: Mapped[str]
    record_link_id: Mapped[uuid.UUID] = mapped_column(index=True)
    person_id: Mapped[uuid.UUID | None]
    person_link_id: Mapped[uuid.UUID | None]
    organization_id: Mapped[uuid.UUID | None]
    organization_link_id: Mapped[uuid.UUID | None]
    occurred_at: Mapped[datetime]
    historical: Mapped[bool]
    attributes: Mapped[dict[str, Any]]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(16))


# Activities of a type by what their attributes hold: a filter by one would read every activity of the type.
Index(
    "ix_activity_held",
    Activity.type,
    documents.held(Activity.attributes).label("held"),
    postgresql_using="gin",
    postgresql_ops={"held": "jsonb_path_ops"},
).ddl_if(dialect="postgresql")


class ActivityPast(Model):
    """What remains of activities that are older than their retention: when the first and the last were, how many.

    It hangs on the vendor's person, or on the id 0 where activities belong to nobody.
    """

    __tablename__ = "activity_past"

    source_id: Mapped[int] = mapped_column(primary_key=True)
    person_link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int]


class Participant(Model):
    """A further person of an activity, beside the one it belongs to.

    Data source, type and time are the activity's: who took part in what, and when, is answered by the index alone.
    """

    __tablename__ = "participant"
    __table_args__ = (
        Index(
            "ix_participant_type", "type", "person_id", "occurred_at", "activity_id", postgresql_include=["source_id"]
        ),
    )

    activity_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    person_link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column(index=True)
    source_id: Mapped[int]
    type: Mapped[str]
    occurred_at: Mapped[datetime]


class Erased(Model):
    """The salted hash of a link or identity of whom or what was erased, so that no sync brings it back.

    ``id`` comes from :mod:`core.pipeline.erasure`; nothing that was erased can be read from it.
    """

    __tablename__ = "erased"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class Salt(Model):
    """The installation's own random bytes for hashes of ``name``."""

    __tablename__ = "salt"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(16))


class Collection(Model):
    """A group of articles; groups may lie in groups."""

    __tablename__ = "collection"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(index=True)
    remote_id: Mapped[str | None]
    parent_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    name: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    icon: Mapped[str | None]
    position: Mapped[int]
    locale: Mapped[str | None]
    translations: Mapped[dict[str, Any]]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Article(Model):
    """An article of the knowledge base. ``body`` is HTML, sanitised when it came in."""

    __tablename__ = "article"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(index=True)
    remote_id: Mapped[str | None]
    collection_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    title: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    locale: Mapped[str | None]
    url: Mapped[str | None] = mapped_column(Text)
    author: Mapped[str | None]
    translations: Mapped[dict[str, Any]]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
