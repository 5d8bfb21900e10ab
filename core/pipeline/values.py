"""Whose value stands when a record meets a person or organization that is already here. Pure.

Lineage tells for every value which data source wrote it, when, and what it replaced::

    {"*": [1, "2026-11-03T10:00:00Z"], "email": [2, "2026-11-04T10:00:00Z", "old@example.com"]}

``"*"`` stands for every value without an entry of its own: those that the entity was made with. The source is None
for what a user of Mainstem wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from core.pipeline.policy import Policy
from core.pipeline.shape import Shaped

Version: TypeAlias = tuple[datetime, UUID]
"""The vendor's time of change and the link of the object: of two changed at once, one is always the later one."""


@dataclass(slots=True)
class Values:
    """The values of one person or organization: by key, those of columns and of ``fields`` alike; empty ones absent.

    ``written`` is what the data source of the page last wrote to it.
    """

    values: dict[str, Any]
    lineage: dict[str, list[Any]]
    initial_source_id: int | None
    is_new: bool
    written: Version | None = None
    changed: bool = field(default=False)

    def writer(self, key: str) -> int | None:
        """Return the data source that wrote the present value of ``key``."""
        entry = self.lineage.get(key) or self.lineage.get("*")
        return entry[0] if entry else None


def take_in(target: Values, record: Shaped, policy: Policy) -> None:
    """Apply a record to ``target`` by the rules of «How values merge, exactly» (requirements).

    Args:
        target: Changed in place.
        record: Valid, of the entity's kind.
        policy: The data source's.
    """
    if record.updated_at is not None:
        version = (record.updated_at, record.link_id)
        if target.written is not None and version < target.written:
            return
        target.written = version
    if target.is_new:
        _make(target, record, policy)
        return
    if policy.strategy == "ignore" and target.initial_source_id != policy.source_id:
        return
    for key, value in record.values.items():
        if _may_write(target, key, value, policy):
            _set(target, key, value, policy)
    for key, value in record.fields.items():
        _set(target, key, value, policy)


def _make(target: Values, record: Shaped, policy: Policy) -> None:
    given = {**record.values, **record.fields}
    target.values = {key: value for key, value in given.items() if value is not None}
    target.lineage["*"] = [policy.source_id, policy.now_text]
    target.initial_source_id = policy.source_id
    target.is_new = False
    target.changed = True


def _may_write(target: Values, key: str, value: Any, policy: Policy) -> bool:
    present = target.values.get(key)
    if policy.modify is not None and key not in policy.modify:
        return False
    if present is None:
        return True
    if policy.keep_existing or policy.strategy == "append_only":
        return False
    return value is not None or target.writer(key) == policy.source_id


def _set(target: Values, key: str, value: Any, policy: Policy) -> None:
    present = target.values.get(key)
    if value == present:
        return
    target.lineage[key] = [policy.source_id, policy.now_text, *([] if present is None else [present])]
    if value is None:
        del target.values[key]
    else:
        target.values[key] = value
    target.changed = True


def absorb(survivor: Values, absorbed: Values) -> None:
    """Fill what the survivor of a merge lacks with what the absorbed one has."""
    for key, value in absorbed.values.items():
        if survivor.values.get(key) is None:
            survivor.values[key] = value
            survivor.lineage[key] = absorbed.lineage.get(key) or absorbed.lineage.get("*") or []
    survivor.written = max((at for at in (survivor.written, absorbed.written) if at), default=None)
    survivor.changed = True
