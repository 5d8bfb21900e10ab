"""What the pages of a person and of an organization have in common: values with their origin, tags, identities,
activities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from core.contract.fields import SYSTEM_FIELDS, Entity
from core.contract.types import ActivitySpec
from core.db.models import Activity, DataSource, Field, Identity, Link, Organization, Person, Tagging
from core.host import Host, PluginMissing
from core.services import paging


@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a value.

    Attributes:
        source: The data source; None when it was a user, or a data source that is gone.
        known: The lineage names a data source, be it gone or not.
        at: When.
        replaced: The value before; None when there was none.
    """

    source: DataSource | None
    known: bool
    at: datetime
    replaced: Any


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a field as a page shows it.

    Attributes:
        key: Of the field.
        label: Its name for people.
        type: A :data:`core.contract.types.FieldType`.
        value: What it is.
        origin: Who wrote it.
        custom: The vendor's customer made the field.
        ended: It came by a field that is no longer imported.
    """

    key: str
    label: str
    type: str
    value: Any
    origin: Origin | None
    custom: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The values of one plugin's fields; ``plugin`` is None for the system fields."""

    plugin: str | None
    values: list[Value]


@dataclass(frozen=True, slots=True)
class RemoteId:
    """An object of a vendor that this person or organization is."""

    source: DataSource | None
    object: str
    remote_id: str
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    """An activity with what its plugin says of its type."""

    activity: Activity
    label: str
    icon: str
    source: DataSource | None
    person: Person | None


def sources_by_id(session: Session) -> dict[int, DataSource]:
    """Return all data sources, of which there are few, by id."""
    return {source.id: source for source in session.scalars(select(DataSource).order_by(DataSource.id))}


def groups(
    session: Session, kind: Entity, entity: Person | Organization, sources: Mapping[int, DataSource]
) -> list[Group]:
    """Return the values of ``entity``: system fields first, then each plugin's by its name."""
    shown = {*entity.fields, *(field.key for field in SYSTEM_FIELDS[kind])}
    offered = _offered(session, sources, shown)
    ended = _ended(session, entity.id, offered)
    system = []
    for field in SYSTEM_FIELDS[kind]:
        value = getattr(entity, field.key) if field.column else entity.fields.get(field.key)
        if value is not None or field.column:
            origin = _origin(entity, field.key, sources) if value is not None else None
            system.append(
                Value(field.key, field.label, field.type, value, origin, ended=_is_of(origin, field.key, ended))
            )
    own: dict[str, list[Value]] = {}
    described = dict(offered)
    for key in sorted(entity.fields, key=lambda key: described[key].position if key in described else 0):
        plugin, dot, name = key.partition(".")
        if not dot:
            continue
        field_row = described.get(key)
        origin = _origin(entity, key, sources)
        label = field_row.label if field_row else name.replace("_", " ").capitalize()
        own.setdefault(plugin, []).append(
            Value(
                key=key,
                label=label,
                type=field_row.type if field_row else "text",
                value=entity.fields[key],
                origin=origin,
                custom=bool(field_row and field_row.custom),
                ended=_is_of(origin, key, ended),
            )
        )
    return [Group(None, system), *(Group(plugin, own[plugin]) for plugin in sorted(own))]


def _offered(session: Session, sources: Mapping[int, DataSource], keys: set[str]) -> list[tuple[str, Field]]:
    """Return the fields that data sources offer for these keys, each with the key that it fills here."""
    names = {key.partition(".")[2] for key in keys if "." in key}
    rows = session.scalars(select(Field).where(or_(Field.key.in_(names), Field.feeds.in_(keys))).order_by(Field.id))
    found = [(row.feeds or f"{sources[row.source_id].plugin}.{row.key}", row) for row in rows]
    return [(key, row) for key, row in found if key in keys]


def _ended(session: Session, id: UUID, offered: Iterable[tuple[str, Field]]) -> set[tuple[int, str]]:
    """Return data source and key of what is no longer imported of the objects that an entity is."""
    objects: dict[int, set[str]] = defaultdict(set)
    for source_id, object in session.execute(select(Link.source_id, Link.object).where(Link.entity_id == id)):
        objects[source_id].add(object)
    ways: dict[tuple[int, str], dict[str, bool]] = defaultdict(dict)
    for key, field in offered:
        if field.object in objects[field.source_id]:
            imported = ways[field.source_id, key]
            taken = field.selected and field.retired_at is None
            imported[field.object] = taken or imported.get(field.object, False)
    # A system field is always taken of an object that offers no field for it.
    return {
        (source_id, key)
        for (source_id, key), imported in ways.items()
        if not any(imported.values()) and ("." in key or objects[source_id] == imported.keys())
    }


def _is_of(origin: Origin | None, key: str, ended: Container[tuple[int, str]]) -> bool:
    return origin is not None and origin.source is not None and (origin.source.id, key) in ended


def _origin(entity: Person | Organization, key: str, sources: Mapping[int, DataSource]) -> Origin | None:
    entry = entity.lineage.get(key) or entity.lineage.get("*")
    if not entry:
        return None
    source_id, at, *replaced = entry
    return Origin(
        source=sources.get(source_id),
        known=source_id is not None,
        at=datetime.fromisoformat(at),
        replaced=replaced[0] if replaced else None,
    )


def tags(session: Session, kind: Entity, ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Return the names of the tags of several people or organizations, each once, sorted."""
    rows = session.execute(
        select(Tagging.entity_id, Tagging.name)
        .where(Tagging.kind == kind, Tagging.entity_id.in_(list(ids)))
        .distinct()
        .order_by(Tagging.name)
    )
    found: dict[UUID, list[str]] = {}
    for id, name in rows:
        found.setdefault(id, []).append(name)
    return found


def identities(session: Session, kind: Entity, id: UUID) -> Sequence[Identity]:
    """Return the values that belong to this person or organization alone."""
    mine = select(Identity).where(Identity.entity_id == id, Identity.kind == kind)
    return session.scalars(mine.order_by(Identity.type, Identity.value)).all()


def remote_ids(session: Session, id: UUID, sources: Mapping[int, DataSource], host: Host) -> list[RemoteId]:
    """Return which objects of which data sources an entity is."""
    rows = session.execute(
        select(Link.source_id, Link.object, Link.remote_id, Link.deleted_at)
        .where(Link.entity_id == id)
        .order_by(Link.source_id, Link.object, Link.remote_id)
    )
    return [
        RemoteId(
            source=sources.get(source_id),
            object=object_label(host, sources.get(source_id), object),
            remote_id=remote_id,
            deleted_at=deleted_at,
        )
        for source_id, object, remote_id, deleted_at in rows
    ]


def brought_by(
    session: Session, ids: Iterable[UUID], sources: Mapping[int, DataSource]
) -> dict[UUID, list[DataSource]]:
    """Return which data sources know each of several entities."""
    rows = session.execute(
        select(Link.entity_id, Link.source_id).where(Link.entity_id.in_(list(ids))).distinct().order_by(Link.source_id)
    )
    found: dict[UUID, list[DataSource]] = {}
    for id, source_id in rows:
        if source_id in sources:
            found.setdefault(id, []).append(sources[source_id])
    return found


def events(
    session: Session,
    activities: Select[Activity],
    sources: Mapping[int, DataSource],
    host: Host,
    cursor: str | None,
    size: int = 25,
) -> paging.Page[Event]:
    """Read one page of ``activities``, the newest first, with the people they belong to."""
    page = paging.page(session, activities, paging.Order((Activity.occurred_at,), Activity.id), cursor, size)
    ids = {activity.person_id for activity in page.items if activity.person_id}
    people = {person.id: person for person in session.scalars(select(Person).where(Person.id.in_(ids)))}

    def event(activity: Activity) -> Event:
        source = sources.get(activity.source_id)
        spec = _activity_spec(host, source, activity.type)
        label = spec.label if spec else activity.type.replace("_", " ").capitalize()
        icon = spec.icon if spec else "activity"
        return Event(activity, label, icon, source, people.get(activity.person_id) if activity.person_id else None)

    return page.map(lambda items: [event(activity) for activity in items])


def object_label(host: Host, source: DataSource | None, object: str) -> str:
    """Return the plural name of a vendor's object; its key when the plugin is gone."""
    try:
        return host.manifest(source.plugin).object(object).label if source else object
    except (PluginMissing, KeyError):
        return object


def _activity_spec(host: Host, source: DataSource | None, type: str) -> ActivitySpec | None:
    try:
        specs = host.manifest(source.plugin).activities if source else ()
    except PluginMissing:
        return None
    return next((spec for spec in specs if spec.key == type), None)
