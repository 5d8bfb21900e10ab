"""Shared identities: the values, such as an email, by which records of several objects are found to be one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

from core.pipeline.ids import identity_id
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped

Keys: TypeAlias = dict[UUID, tuple[str, str]]
"""Shared identities by id: type and normalised value, the stronger first."""


def claimed_by(records: Iterable[Shaped], policy: Policy) -> Mapping[UUID, Keys]:
    """Return the identities that each record claims, by its link."""
    return {record.link_id: shared_keys(record, policy) for record in records}


def shared_keys(record: Shaped, policy: Policy) -> Keys:
    """Return the identities that ``record`` claims."""
    matching = policy.matching.get(record.object)
    if matching is None:
        return {}
    given = [(key, normal(key, value)) for key in matching.keys if (value := record.values.get(key))]
    given = [(key, value) for key, value in given if value]
    if matching.mode == "next_if_empty":
        given = given[:1]
    if matching.mode == "all" and len(given) > 1:
        given = [("+".join(key for key, _ in given), "\x1f".join(value for _, value in given))]
    return {identity_id(record.kind, key, value): (key, value) for key, value in given}


def normal(key: str, value: str) -> str:
    """Return what of a key's value is compared."""
    if key == "phone":
        return "".join(char for char in value if char.isdigit())
    return value if key == "external_id" else value.casefold()
