"""The admin's choices of a data source in words."""

from __future__ import annotations

from collections.abc import Iterable

from core.contract.fields import SYSTEM_FIELDS
from core.contract.types import Manifest
from core.db.models import DataSource
from core.services.configuration import SourceConfig, read_config

STRATEGIES = {
    "append_only": "Get values only where they have none",
    "overwrite_existing": "Are overwritten",
    "ignore": "Stay as they are",
}


def config_in_words(source: DataSource, manifest: Manifest) -> list[tuple[str, str]]:
    """Return the choices as pairs of a term and what it is set to.

    Raises:
        core.services.errors.Invalid: The plugin no longer offers what was chosen.
    """
    config, _ = read_config(source.config, manifest)
    said = [
        ("Imports", _objects(config, manifest)),
        ("Known people", STRATEGIES[config.strategy]),
        ("New people", "Are left out" if config.existing_only else "Are added"),
        ("May change", _fields(config)),
        ("Activities kept", _days(config, manifest)),
    ]
    if manifest.deletes:
        said.append(("Deleted there", "Archived here" if config.archive_deleted else "Kept here"))
    return said


def _objects(config: SourceConfig, manifest: Manifest) -> str:
    labels = {spec.key: spec.label for spec in manifest.objects if spec.comes_with is None}
    return _listed(
        label if (chosen := config.objects[key]) is None else f"{label} ({_count(len(chosen), 'field')})"
        for key, label in labels.items()
        if key in config.objects
    )


def _fields(config: SourceConfig) -> str:
    labels = {field.key: field.label for fields in SYSTEM_FIELDS.values() for field in fields}
    which = (
        "All system fields" if config.modify is None else _listed(labels.get(key, key) for key in sorted(config.modify))
    )
    return f"{which or 'No system field'}{', if they are empty' if config.keep_existing and which else ''}"


def _days(config: SourceConfig, manifest: Manifest) -> str:
    labels = {spec.key: spec.label for spec in manifest.activities}
    special = _listed(f"{labels.get(key, key)} {_length(days)}" for key, days in config.activity_days.items())
    return _length(config.days) + (f"; {special}" if special else "")


def _length(days: int | None) -> str:
    return "for ever" if days is None else _count(days, "day")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
