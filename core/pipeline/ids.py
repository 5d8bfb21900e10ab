"""Ids that follow from what they identify, so that they are known without asking and safe to make twice."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from operator import attrgetter
from uuid import UUID

_number = attrgetter("int")


def _id(*parts: str) -> UUID:
    return UUID(bytes=blake2b("\x1f".join(parts).encode(), digest_size=16).digest())


def link_id(source_id: int, object: str, remote_id: str) -> UUID:
    """Return the id of the link of a vendor's object; also of the person it makes, if it makes one."""
    return _id("link", str(source_id), object, remote_id)


def identity_id(kind: str, type: str, value: str) -> UUID:
    """Return the id of a shared identity, such as ``("person", "email", "a@b.c")``."""
    return _id("identity", kind, type, value)


def own_tag_id(entity: UUID) -> UUID:
    """Return what tags that were added here hang on, in place of a link; it stays with ``entity`` through merges."""
    return _id("own tags", entity.hex)


def activity_id(source_id: int, remote_id: str) -> UUID:
    """Return the id of an activity."""
    return _id("activity", str(source_id), remote_id)


def refusal_id(source_id: int, object: str, remote_id: str, payload: str = "") -> UUID:
    """Return the id of a refused record; ``payload`` tells those without a remote id apart."""
    return _id("refusal", str(source_id), object, remote_id, "" if remote_id else payload)


def in_order(ids: Iterable[UUID]) -> list[UUID]:
    """Return ids sorted; comparing them as numbers is several times as fast."""
    return sorted(ids, key=_number)


def content_hash(text: bytes) -> bytes:
    """Return 16 bytes that differ when the content differs."""
    return blake2b(text, digest_size=16).digest()
