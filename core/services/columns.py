"""What people and organizations are shown, sorted and filtered by: system fields, and those of data sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.contract.fields import SYSTEM_FIELDS, Entity
from core.contract.types import Manifest
from core.db.models import DataSource, Field
from core.filters import Catalogue, FilterActivity, FilterField, FilterType
from core.host import Host
from core.services.selecting import zone_of

ColumnType = FilterType | Literal["name", "organizations", "people", "sources"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: In addresses, preferences and filters; of a data source's field ``plugin.key``, as in ``fields``.
        label: Name for people.
        type: Of its values; ``name``, ``organizations``, ``people`` and ``sources`` are put together from elsewhere and
            cannot be filtered by.
        plugin: Whose field it is; None for what is Mainstem's own.
        stored: It has a column in the database; otherwise its values lie in ``fields``.
        default: It is shown unless somebody chose otherwise.
        options: Values to suggest, where the vendor lists those of a choice.
    """

    key: str
    label: str
    type: ColumnType = "text"
    plugin: str | None = None
    stored: bool = False
    default: bool = False
    options: tuple[str, ...] = ()


Columns: TypeAlias = Mapping[str, Column]
"""By key, in the order of the table."""

_JOINED = frozenset({"name", "organizations", "people", "sources"})
_SUBSCRIBED = (
    Column("email_subscribed", "Gets email", "boolean", stored=True),
    Column("sms_subscribed", "Gets SMS", "boolean", stored=True),
)
_MOMENTS = (
    Column("created_at", "Added", "datetime", stored=True, default=True),
    Column("updated_at", "Changed", "datetime", stored=True),
)
_TAGS = Column("tags", "Tags", "tags", default=True)
_SOURCES = Column("sources", "Sources", "sources", default=True)
_OWN: Mapping[Entity, tuple[Column, ...]] = {
    "person": (
        Column("organizations", "Organizations", "organizations", default=True),
        *(_TAGS, _SOURCES, *_SUBSCRIBED, *_MOMENTS),
    ),
    "organization": (Column("people", "People", "people", default=True), _TAGS, _SOURCES, *_MOMENTS),
}
_DEFAULT = frozenset({"email", "phone", "domain"})


def read(session: Session, host: Host, sources: Mapping[int, DataSource]) -> dict[Entity, dict[str, Column]]:
    """Return the columns there are, of people and of organizations.

    Of a data source's fields those that are imported under its own name are columns; of several data sources of one
    plugin each field once.

    Args:
        session: Where to read.
        host: Says what the objects of a plugin become here.
        sources: All data sources.
    """
    kinds = {
        (plugin, spec.key): spec.kind for plugin, manifest in _manifests(host, sources) for spec in manifest.objects
    }
    found: dict[Entity, dict[str, Column]] = {kind: _system(kind) for kind in SYSTEM_FIELDS}
    imported = select(Field).where(Field.feeds.is_(None), Field.selected)
    for field in session.scalars(imported.order_by(Field.source_id, Field.position, Field.id)):
        plugin = sources[field.source_id].plugin
        kind = kinds.get((plugin, field.object))
        if kind == "person" or kind == "organization":
            key = f"{plugin}.{field.key}"
            found[kind].setdefault(key, Column(key, field.label, field.type, plugin, options=tuple(field.options)))  # type: ignore[arg-type]
    return found


def catalogue(
    columns: Mapping[Entity, Columns], kind: Entity, host: Host, sources: Mapping[int, DataSource]
) -> Catalogue:
    """Return what filters of people, or of organizations, may name; arguments as in :func:`read`."""
    titles = {plugin: manifest.title for plugin, manifest in _manifests(host, sources)}
    return Catalogue(
        fields=_fields(columns[kind], titles),
        activities=_activities(host, sources),
        organization=Catalogue(_fields(columns["organization"], titles)) if kind == "person" else None,
    )


def chosen(columns: Columns, keys: Iterable[str] | None) -> list[Column]:
    """Return the columns that a table shows, in its order: the name, and those of ``keys`` or the default ones."""
    wanted = None if keys is None else set(keys)
    return [
        column
        for key, column in columns.items()
        if key == "name" or (column.default if wanted is None else key in wanted)
    ]


def zone(sources: Mapping[int, DataSource]) -> tzinfo:
    """Return whose days count: those of the eldest account that names its time zone, else of UTC."""
    named = (source.settings for source in sources.values() if source.settings.get("timezone"))
    return next(map(zone_of, named), UTC)


def _system(kind: Entity) -> dict[str, Column]:
    own = [
        Column(field.key, field.label, field.type, stored=field.column, default=field.key in _DEFAULT)
        for field in SYSTEM_FIELDS[kind]
        if field.key != "avatar_url"
    ]
    if kind == "person":
        own.insert(0, Column("name", "Name", "name"))
    return {column.key: column for column in (*own, *_OWN[kind])}


def _fields(columns: Columns, titles: Mapping[str, str]) -> dict[str, FilterField]:
    fields = {
        key: FilterField(column.label, column.type, key if column.stored else None, key == "email", column.options)  # type: ignore[arg-type]
        for key, column in columns.items()
        if column.type not in _JOINED
    }
    # In a list of names two of the same would be the same.
    names = Counter(field.label for field in fields.values())
    return {
        key: replace(field, label=f"{field.label} ({titles[plugin]})")
        if names[field.label] > 1 and (plugin := columns[key].plugin)
        else field
        for key, field in fields.items()
    }


def _activities(host: Host, sources: Mapping[int, DataSource]) -> dict[str, FilterActivity]:
    manifests = list(_manifests(host, sources))
    names = Counter(spec.label for _, manifest in manifests for spec in manifest.activities)
    return {
        f"{plugin}.{spec.key}": FilterActivity(
            label=f"{spec.label} ({manifest.title})" if names[spec.label] > 1 else spec.label,
            type=spec.key,
            source_ids=tuple(id for id, source in sources.items() if source.plugin == plugin),
            attributes={
                key: FilterField(key.replace("_", " ").capitalize(), type) for key, type in spec.attributes.items()
            },
        )
        for plugin, manifest in manifests
        for spec in manifest.activities
    }


def _manifests(host: Host, sources: Mapping[int, DataSource]) -> Iterable[tuple[str, Manifest]]:
    """Yield the plugins that have data sources and are there."""
    known = set(host.names())
    for plugin in dict.fromkeys(source.plugin for source in sources.values()):
        if plugin in known:
            yield plugin, host.manifest(plugin)
