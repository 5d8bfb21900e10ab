"""Those who work here: users, teams, and what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Model


class User(Model):
    """Someone who may log in. ``state`` is ``invited``, ``active`` or ``revoked``; ``role`` one of
    ``owner``, ``admin``, ``standard``, ``agent``, ``read_only``."""

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
    gone_at: Mapped[datetime | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]


class Team(Model):
    """A team of users; ``gone_at`` is set when the vendor no longer lists it."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("source_id", "remote_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="SET NULL"))
    remote_id: Mapped[str | None]
    gone_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class TeamMember(Model):
    """A user is in a team; ``source_id`` tells who put her there."""

    __tablename__ = "team_member"

    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("data_source.id", ondelete="SET NULL"))


class AuditEntry(Model):
    """Who did what to what, when."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
