"""Which records come in: the admin's conditions on the vendor's fields (R9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError

from core.contract.fields import Entity
from core.contract.types import Conditions, FieldSpec, Manifest, Record
from core.filters import Catalogue, Filter, FilterError, FilterField, Subject, conditions_of, matches, parse
from core.pipeline.schemas import Reader
from core.services.configuration import SECTIONS, SourceConfig

TAGS = "tags"


def catalogue_of(manifest: Manifest, schema: Iterable[FieldSpec], kind: Entity) -> Catalogue:
    """Return what conditions on records of ``kind`` may name: the vendor's fields of its objects, and tags.

    Args:
        manifest: The plugin's.
        schema: The fields of the account.
        kind: What the records become.
    """
    objects = {spec.key for spec in manifest.objects if spec.kind == kind}
    fields: dict[str, FilterField] = {}
    for spec in schema:
        if spec.object in objects:
            fields.setdefault(spec.key, FilterField(spec.label, spec.type, options=spec.options))
    fields.setdefault(TAGS, FilterField("Tags", "tags"))
    return Catalogue(fields)


def read_selection(config: SourceConfig, manifest: Manifest, schema: Iterable[FieldSpec]) -> dict[Entity, Filter]:
    """Return the conditions by kind.

    Raises:
        FilterError: They do not fit the fields; places in the trees are prefixed as in the configuration.
    """
    schema = list(schema)
    found: dict[Entity, Filter] = {}
    errors: dict[str, str] = {}
    for kind, tree in config.selection.items():
        try:
            found[kind] = parse(tree, catalogue_of(manifest, schema, kind))
        except FilterError as error:
            here = f"selection.{SECTIONS[kind]}"
            errors.update({f"{here}.{path}" if path else here: text for path, text in error.errors.items()})
    if errors:
        raise FilterError(errors)
    return found


def zone_of(settings: Mapping[str, Any]) -> tzinfo:
    """Return the time zone of an account, as its plugin noted it under ``timezone``; UTC where it did not."""
    try:
        return ZoneInfo(settings.get("timezone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        return UTC


def selection_of(
    filters: Mapping[Entity, Filter], manifest: Manifest, schema: Iterable[FieldSpec], now: datetime, zone: tzinfo
) -> dict[str, Conditions]:
    """Return by object what a plugin is told of the conditions of its kind."""
    keys: dict[str, set[str]] = {}
    for spec in schema:
        keys.setdefault(spec.object, set()).add(spec.key)
    return {
        spec.key: conditions_of(filter, keys.get(spec.key, ()), now, zone)
        for kind, filter in filters.items()
        for spec in manifest.objects
        if spec.kind == kind
    }


def wanted_by(
    filters: Mapping[Entity, Filter], manifest: Manifest, schema: Iterable[FieldSpec], now: datetime, zone: tzinfo
) -> dict[str, Callable[[Record], bool]]:
    """Return by object what tells whether a record meets the conditions of its kind."""
    readers: dict[str, dict[str, Reader]] = {}
    for spec in schema:
        readers.setdefault(spec.object, {})[spec.key] = Reader(spec.key, spec.type)

    def wanted(filter: Filter, of: Mapping[str, Reader]) -> Callable[[Record], bool]:
        def meets(record: Record) -> bool:
            given = {**record.values, **record.fields}
            values = {key: _read(of[key], value) for key, value in given.items() if key in of}
            return matches(filter, Subject(values, record.tags or ()), now, zone)

        return meets

    return {
        spec.key: wanted(filter, readers.get(spec.key, {}))
        for kind, filter in filters.items()
        for spec in manifest.objects
        if spec.kind == kind
    }


def _read(reader: Reader, value: Any) -> Any:
    """Return a value as it would be stored; what could not be is no value."""
    try:
        return reader(value)
    except ValidationError:
        return None
