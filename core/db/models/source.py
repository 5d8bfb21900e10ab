"""Data sources, their fields, and what their syncs do."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Model
from core.db.types import JsonColumn

_LEFT = text("left_at IS NOT NULL")


class DataSource(Model):
    """One connected account of a vendor.

    ``state`` is ``connected``, ``needs_attention`` (credentials are dead), ``disconnected``, ``archived`` or
    ``deleted``: such a row is shown nowhere, and is what it was again when the same account is connected once more,
    so that what its objects became here is found by their ids. ``numbers`` holds what it brought, counted at
    ``counted_at`` (see :mod:`core.services.counting`).
    ``config`` holds the admin's choices in the shape of ``sources connect --config``, less the credentials.
    ``since`` holds for each object the start of its last complete read, RFC 3339; ``renew`` for each object of which
    more is wanted since then (fields, records, a longer past) when that was asked for, until all of it was read again.
    ``read_from`` holds for each type of activity the moment from which on all of it has been read, None when ever;
    ``swept`` for each type the spans (from, until) of those that went and are counted in :class:`ActivityPast`.
    ``next_sync_at``, ``next_sweep_at`` and ``next_check_at`` are when the next sync, sweep and reconciliation are due.
    ``lease_token`` is held by whoever works off its webhooks, until ``lease_until``. ``renewing_until`` is set while a
    worker asks the vendor for new secrets.
    """

    __tablename__ = "data_source"
    __table_args__ = (UniqueConstraint("plugin", "remote_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin: Mapped[str]
    name: Mapped[str]
    state: Mapped[str]
    remote_id: Mapped[str]
    account_name: Mapped[str] = mapped_column(default="")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secrets: Mapped[str] = mapped_column(Text, default="")
    renewing_until: Mapped[datetime | None]
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    since: Mapped[dict[str, Any]] = mapped_column(default=dict)
    renew: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    connected_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    read_from: Mapped[dict[str, Any]] = mapped_column(default=dict)
    swept: Mapped[dict[str, Any]] = mapped_column(default=dict)
    next_sync_at: Mapped[datetime | None] = mapped_column(index=True)
    next_sweep_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    numbers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    counted_at: Mapped[datetime | None]


class Draft(Model):
    """A data source that is being set up: an opened account and the choices made so far.

    ``remote_id`` is None until the account is opened. ``config`` is in the shape of ``sources connect --config``, less
    the credentials; a section is there once its step was answered. ``fields`` and ``roster`` are what the account
    offered when it was looked at last, ``problem`` why its users and teams could not be read.
    """

    __tablename__ = "draft"

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin: Mapped[str]
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    remote_id: Mapped[str | None]
    account_name: Mapped[str] = mapped_column(default="")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secrets: Mapped[str] = mapped_column(Text, default="")
    renewing_until: Mapped[datetime | None]
    fields: Mapped[list[Any]] = mapped_column(default=list)
    roster: Mapped[dict[str, Any]] = mapped_column(default=dict)
    problem: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Consent(Model):
    """An admin is at the vendor's consent page, for a draft or to reconnect a data source; gone when she is back.

    ``kept`` are the answers that the plugin wants back with her, sealed.
    """

    __tablename__ = "consent"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("draft.id", ondelete="CASCADE"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    kept: Mapped[str] = mapped_column(Text, default="")
    expires_at: Mapped[datetime]


class Field(Model):
    """A field that a data source offers, as its plugin described it last.

    ``selected`` says whether it is imported; ``retired_at`` when the vendor stopped listing it; ``is_new`` that it came
    up after the admin last chose.
    """

    __tablename__ = "field"
    __table_args__ = (UniqueConstraint("source_id", "object", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    object: Mapped[str]
    key: Mapped[str]
    label: Mapped[str]
    type: Mapped[str]
    custom: Mapped[bool]
    feeds: Mapped[str | None]
    options: Mapped[list[Any]] = mapped_column(default=list)
    sample: Mapped[Any] = mapped_column(JsonColumn, nullable=True)
    selected: Mapped[bool] = mapped_column(default=True)
    is_new: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
    first_seen_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Run(Model):
    """A sync of a data source: a set of partitions.

    ``kind`` is ``initial``, ``incremental``, ``full`` or ``reconciliation``; ``state`` is ``queued``, ``running``,
    ``paused``, ``succeeded``, ``partial``, ``failed`` or ``cancelled``. ``scope`` says what it reads (see
    :mod:`core.services.planning`), ``report`` what was found at its end (see :mod:`core.services.finishing`).
    """

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_source_id_id", "source_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    scope: Mapped[dict[str, Any]] = mapped_column(default=dict)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    requests: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


COUNTS = ("read", "created", "updated", "unchanged", "skipped", "rejected", "merged")
"""What is counted of every object, in the order people see it. Each record read is one of created, updated,
unchanged, skipped or rejected; merged ones joined a person or organization that was there, and are updated ones."""


class Partition(Model):
    """A part of a run, read page by page by whoever holds its lease.

    ``state`` is ``ready``, ``done`` or ``failed``. Cursor and counts change only in the transaction that writes the
    page, and only for the holder of ``lease_token``.
    """

    __tablename__ = "partition"
    __table_args__ = (UniqueConstraint("run_id", "object", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    source_id: Mapped[int] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    object: Mapped[str]
    key: Mapped[str]
    start: Mapped[Any] = mapped_column(JsonColumn, nullable=True)
    cursor: Mapped[Any] = mapped_column(JsonColumn, nullable=True)
    unbroken: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(index=True)
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    restarts: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int] = mapped_column(default=0)
    requests: Mapped[int] = mapped_column(default=0)
    expected: Mapped[int | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None] = mapped_column(Text)


class Seen(Model):
    """A full run has come across an object; gone when the run has ended."""

    __tablename__ = "seen"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    link_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class RefusedRecord(Model):
    """A record that could not be taken, with the reason; ``resolved_at`` when it later could."""

    __tablename__ = "refused_record"
    __table_args__ = (Index("ix_refused_record_source_id_resolved_at", "source_id", "resolved_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    run_id: Mapped[int | None]
    object: Mapped[str]
    remote_id: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    payload: Mapped[Any] = mapped_column(JsonColumn, nullable=True)
    refused_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class WebhookDelivery(Model):
    """A genuine delivery, stored before it is answered. ``state`` is ``pending``, ``done`` or ``dead``."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("source_id", "dedupe_key"),
        Index("ix_webhook_delivery_state_id", "state", "id"),
        Index("ix_webhook_delivery_source_id_processed_at", "source_id", "processed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("data_source.id", ondelete="CASCADE"))
    dedupe_key: Mapped[str]
    topic: Mapped[str]
    body: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]


class Link(Model):
    """Which person, organization, article or collection an object of the vendor is.

    ``id`` is derived from data source, object and remote id, so that it is known without asking. What the object
    brought (memberships, tags, activities) hangs on its link, so that a merge can be undone. ``content_hash`` and
    ``remote_updated_at`` are of what was written last; None until the object itself has been read. ``identity_ids``
    are the shared identities it claims; ``apart_from`` holds ids of identities and links that it does not join any
    more, since a merge by them was undone. ``left_at`` is when it was first seen not to meet the admin's conditions any
    more: since then nothing of it is written.
    """

    __tablename__ = "link"
    __table_args__ = (
        Index("ix_link_source_id_object_remote_id", "source_id", "object", "remote_id"),
        # Few have left: they are counted without looking at the others.
        Index("ix_link_left", "source_id", "object", postgresql_where=_LEFT, sqlite_where=_LEFT),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source_id: Mapped[int]
    object: Mapped[str]
    remote_id: Mapped[str]
    entity_id: Mapped[uuid.UUID] = mapped_column(index=True)
    identity_ids: Mapped[list[Any]] = mapped_column(default=list)
    apart_from: Mapped[list[Any]] = mapped_column(default=list)
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    remote_updated_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
