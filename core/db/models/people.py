"""Those who work here: users, teams, and what they did."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Model


class User(Model):
    """Someone who may log in.

    ``state`` is ``invited``, ``active``, ``revoked`` or ``deleted``: such a row is shown nowhere and is kept so that a
    sync does not bring it back. ``role`` is one of ``owner``, ``admin``, ``standard``, ``agent``, ``read_only``.
    ``imported`` says that a data source made the row, which then may tell that she is gone.
    ``invited_at`` is when the last invitation was written; earlier ones are worth nothing.
    """

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str]
    state: Mapped[str]
    agent: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[str | None]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="SET NULL"))
    remote_id: Mapped[str | None]
    imported: Mapped[bool] = mapped_column(default=False)
    gone_at: Mapped[datetime | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    invited_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]


class Team(Model):
    """A team of users; ``gone_at`` is set when the vendor no longer lists it.

    A team that was ``renamed`` here keeps its name. One that was deleted here has ``deleted_at``, is shown nowhere and
    does not come back by a sync; ``moved_to`` is the team that took over its conversations.
    """

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("source_id", "remote_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="SET NULL"))
    remote_id: Mapped[str | None]
    renamed: Mapped[bool] = mapped_column(default=False)
    gone_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    moved_to: Mapped[int | None] = mapped_column(ForeignKey("team.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]


class TeamMember(Model):
    """A user is in a team; ``source_id`` tells which data source put her there, None that it was done here.

    One that was ``removed`` here is in the team no more, whatever the vendor says.
    """

    __tablename__ = "team_member"

    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="SET NULL"))
    removed: Mapped[bool] = mapped_column(default=False)


class Mail(Model):
    """An email to be sent: the row is the outbox, so none is lost while the mail server is away.

    ``state`` is ``pending``, ``sent``, ``failed`` or ``cancelled``. ``body`` is encrypted, as it may hold a link that
    lets somebody in, and empty once it is of no more use. ``user_id`` is whom an invitation is for.
    """

    __tablename__ = "mail"
    __table_args__ = (Index("ix_mail_state_id", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class AuditEntry(Model):
    """Who did what to what, when."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
