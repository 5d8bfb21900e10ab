"""A page as it came from a plugin, into a batch that can be written: validated, normalised, hashed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from core.contract.types import Activity, Channel, Kind, ObjectSpec, Page, Record, Ref, Refusal
from core.pipeline.checks import (
    ID_LENGTH,
    check_id,
    checked_permissions,
    clean,
    flat,
    moment,
    reason,
    scrub,
    storable,
    tag_name,
)
from core.pipeline.ids import activity_id, content_hash, link_id, refusal_id
from core.pipeline.policy import Policy
from core.pipeline.schemas import Reader, value_readers


@dataclass(slots=True)
class Shaped:
    """A valid record.

    ``values`` and ``fields`` hold a key with None where the vendor has no value; ``capped`` counts the organizations
    and people left out because one object may not relate to more; ``refused`` says why parts of it were left out.
    """

    link_id: UUID
    object: str
    kind: Kind
    remote_id: str
    updated_at: datetime | None
    created_at: datetime | None
    values: dict[str, Any]
    fields: dict[str, Any]
    tags: tuple[str, ...] | None
    organizations: tuple[Ref, ...] | None
    capped: int
    parent: Ref | None
    activities: list[ShapedActivity]
    permissions: Mapping[Channel, bool]
    content_hash: bytes
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ShapedActivity:
    """A valid activity that is to be kept."""

    id: UUID
    type: str
    remote_id: str
    occurred_at: datetime
    people: tuple[Ref, ...]
    capped: frozenset[Ref]
    organization: Ref | None
    attributes: dict[str, Any]
    content_hash: bytes


@dataclass(slots=True)
class Batch:
    """A page ready to be matched and written.

    Attributes:
        records: No two of one link.
        unwanted: By link, what does not meet the admin's conditions.
        accepted: Remote ids by object of all that was valid in whole, also of what is not kept.
        refused: Rows of refused_record.
        counts: By object, what is known so far: ``read``, ``unchanged``, ``skipped``, ``rejected``; and how many
            relations were ``capped`` and how many records are ``incomplete``, since a part of them was refused;
            and whether names that they needed were found (``named``) or not (``unnamed``), once a page.
    """

    records: list[Shaped] = field(default_factory=list)
    unwanted: dict[UUID, Shaped] = field(default_factory=dict)
    accepted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


class Shaper:
    """Shapes pages of one data source; made once for many pages, since it prepares a reader for every field."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._objects: dict[str, _ObjectShaper] = {
            spec.key: _ObjectShaper(policy, spec) for spec in policy.manifest.objects
        }

    def shape(self, page: Page) -> Batch:
        """Return the page's records validated; those that fail are set aside with the reason."""
        batch = Batch()
        latest: dict[UUID, Shaped] = {}
        for item in page.records:
            counts = batch.counts[item.object]
            counts["read"] += 1
            try:
                shaped = self._record(item)
            except ValidationError as error:
                counts["rejected"] += 1
                self._refuse(batch, item, reason(error))
                continue
            if shaped.refused:
                counts["incomplete"] += 1
                self._refuse(batch, item, f"taken without {'; '.join(shaped.refused)}")
            else:
                batch.accepted[shaped.object].add(shaped.remote_id)
            if shaped.kind == "activity" and not shaped.activities:
                counts["skipped"] += 1
                continue
            if not (isinstance(item, Record) and self._policy.wants(item)):
                counts["skipped"] += 1
                batch.unwanted[shaped.link_id] = shaped
                continue
            counts["capped"] += shaped.capped
            known = latest.get(shaped.link_id)
            if known is not None:
                counts["unchanged"] += 1
            if known is None or _newer(shaped, known):
                latest[shaped.link_id] = shaped
        for object_key, count in page.unchanged.items():
            batch.counts[object_key].update(read=count, unchanged=count)
        for object_key, found in page.named.items():
            batch.counts[object_key]["named" if found else "unnamed"] += 1
        for id in batch.unwanted.keys() & latest.keys():
            older = latest if _newer(batch.unwanted[id], latest[id]) else batch.unwanted
            del older[id]
        batch.records = list(latest.values())
        return batch

    def _record(self, item: Record | Refusal) -> Shaped:
        if isinstance(item, Refusal):
            raise ValidationError(item.reason)
        if item.object not in self._objects:
            raise ValidationError(f"{item.object}: the plugin has no such object")
        return self._objects[item.object].record(item)

    def _refuse(self, batch: Batch, item: Record | Refusal, reason: str) -> None:
        payload, text = storable(item.payload)
        remote_id = scrub(str(item.remote_id or ""))[:200]
        row_id = refusal_id(self._policy.source_id, item.object, remote_id, text)
        batch.refused[row_id] = {
            "id": row_id,
            "source_id": self._policy.source_id,
            "object": item.object,
            "remote_id": remote_id,
            "reason": scrub(reason)[:2_000],
            "payload": payload,
            "refused_at": self._policy.now,
            "resolved_at": None,
        }


class _ObjectShaper:
    """Shapes the records of one object."""

    def __init__(self, policy: Policy, spec: ObjectSpec) -> None:
        self._policy = policy
        self._spec = spec
        prefix = f"{policy.manifest.name}."
        self._values = value_readers(spec.kind)
        self._dropped = policy.deselected.get(spec.key, frozenset())
        self._fields = {
            f.key: (prefix + f.key, Reader(f.key, f.type)) for f in policy.fields.get(spec.key, ()) if f.feeds is None
        }
        self._since: dict[str, datetime | None] = {a.key: policy.kept_since(a.key) for a in policy.manifest.activities}
        self._kinds: dict[str, Kind] = {o.key: o.kind for o in policy.manifest.objects}

    def _refs(self, refs: tuple[Ref, ...], kind: Kind, name: str) -> tuple[Ref, ...]:
        """Return the refs without repetition, at most as many as one object may relate to."""
        for ref in refs:
            if self._kinds.get(ref.object) != kind:
                raise ValidationError(f"{name}: the plugin has no object {ref.object!r} of kind {kind}", name)
            check_id(ref.remote_id, name)
        return tuple(dict.fromkeys(refs))[: self._policy.link_limit]

    def record(self, record: Record) -> Shaped:
        policy = self._policy
        check_id(record.remote_id, "id")
        values = self._read_values(record)
        fields, odd = self._read_fields(record)
        tags = None if record.tags is None else tuple(dict.fromkeys(map(tag_name, record.tags)))
        organizations = record.organizations
        if organizations is not None:
            organizations = self._refs(organizations, "organization", "organizations")
        if record.parent is not None:
            self._refs((record.parent,), "collection", "parent")
        activities, refused = self._activities(record)
        capped = set(record.organizations or ()).difference(organizations or ())
        capped = capped.union(*(activity.capped for activity in activities))
        content = [
            moment(record.updated_at, "updated_at"),
            moment(record.created_at, "created_at"),
            values,
            fields,
            tags,
            organizations and [(ref.object, ref.remote_id) for ref in organizations],
            record.parent and (record.parent.object, record.parent.remote_id),
            [(a.remote_id, a.content_hash.hex()) for a in activities],
        ]
        (_, _, values, fields, tags, *_), text = clean(content)
        return Shaped(
            link_id=link_id(policy.source_id, record.object, record.remote_id),
            object=record.object,
            kind=self._spec.kind,
            remote_id=record.remote_id,
            updated_at=record.updated_at,
            created_at=record.created_at,
            values=values,
            fields=fields,
            tags=None if tags is None else tuple(tags),
            organizations=organizations,
            capped=len(capped),
            parent=record.parent,
            activities=activities,
            permissions=checked_permissions(record.permissions),
            content_hash=content_hash(text),
            refused=[*odd, *refused],
        )

    def _read_fields(self, record: Record) -> tuple[dict[str, Any], list[str]]:
        """Return the values of the vendor's own fields, and why others are refused.

        What people type into a vendor's fields is often not what their type says: it costs no more than itself.
        """
        fields: dict[str, Any] = {}
        refused: list[str] = []
        for key, value in record.fields.items():
            if (selected := self._fields.get(key)) is None:
                continue
            name, read = selected
            try:
                fields[name] = None if value is None else read(value)
            except ValidationError as error:
                refused.append(reason(error))
        return fields, refused

    def _read_values(self, record: Record) -> dict[str, Any]:
        values = {}
        for key, value in record.values.items():
            reader = self._values.get(key)
            if reader is None:
                raise ValidationError(f"{key}: the plugin gives a value that does not exist for {self._spec.label}")
            if key not in self._dropped:
                values[key] = None if value is None else reader(value)
        return values

    def _activities(self, record: Record) -> tuple[list[ShapedActivity], list[str]]:
        """Return what is kept of a record's activities, and why others are refused: one of them costs no other."""
        kept: list[ShapedActivity] = []
        refused = list(record.refused)
        for activity in record.activities:
            try:
                shaped = self._activity(activity)
            except ValidationError as error:
                refused.append(reason(error) + _named(activity.remote_id))
                continue
            if shaped is not None:
                kept.append(shaped)
        if refused and not kept and self._spec.kind == "activity":
            raise ValidationError("; ".join(refused))
        return kept, refused

    def _activity(self, activity: Activity) -> ShapedActivity | None:
        if activity.type not in self._since:
            raise ValidationError(f"{activity.type}: the plugin does not declare this activity")
        check_id(activity.remote_id, f"{activity.type}.id")
        when = moment(activity.occurred_at, f"{activity.type}.occurred_at", required=True)
        since = self._since[activity.type]
        if since is not None and activity.occurred_at < since:
            return None
        people = self._refs(activity.people, "person", "people")
        if activity.organization is not None:
            self._refs((activity.organization,), "organization", "organization")
        organization = activity.organization and (activity.organization.object, activity.organization.remote_id)
        content = [
            activity.type,
            when,
            [(ref.object, ref.remote_id) for ref in people],
            organization,
            flat(activity),
        ]
        (*_, attributes), text = clean(content)
        return ShapedActivity(
            id=activity_id(self._policy.source_id, activity.remote_id),
            type=activity.type,
            remote_id=activity.remote_id,
            occurred_at=activity.occurred_at,
            people=people,
            capped=frozenset(activity.people).difference(people),
            organization=activity.organization,
            attributes=attributes,
            content_hash=content_hash(text),
        )


def _named(remote_id: Any) -> str:
    return f" (of {remote_id[:ID_LENGTH]})" if isinstance(remote_id, str) and remote_id else ""


def _newer(one: Shaped, other: Shaped) -> bool:
    if one.updated_at is None or other.updated_at is None:
        return True
    return one.updated_at >= other.updated_at
