"""From when on activities are wanted, and what that makes a run read (R8, R16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.contract.types import Manifest
from core.services.configuration import SourceConfig

Moments = Mapping[str, datetime | None]
"""By type of activity; None stands for ever."""


def kept_since(config: SourceConfig, type: str | None, now: datetime) -> datetime | None:
    """Return the moment before which activities of a type, or of those without a rule, are not kept."""
    days = config.days if type is None else config.activity_days.get(type, config.days)
    return None if days is None else now - timedelta(days=days)


def horizons(config: SourceConfig, manifest: Manifest, now: datetime) -> Moments:
    """Return the moment before which activities are not kept, by type."""
    return {spec.key: kept_since(config, spec.key, now) for spec in manifest.activities}


def longer_past(read_from: Mapping[str, Any], wanted: Moments, manifest: Manifest) -> dict[str, datetime]:
    """Return the objects of which older activities are wanted than were read, each with the moment that ends the gap.

    Args:
        read_from: ``data_source.read_from``.
        wanted: What :func:`horizons` says now.
        manifest: The plugin's.
    """
    found: dict[str, datetime] = {}
    for spec in manifest.activities:
        stored = read_from.get(spec.key)
        if stored is None:
            continue
        read, since = datetime.fromisoformat(stored), wanted[spec.key]
        if since is None or since < read:
            found[spec.object] = max(read, found.get(spec.object, read))
    return found


def settled(read_from: Mapping[str, Any], before: Moments, after: Moments) -> dict[str, Any]:
    """Return ``data_source.read_from`` as it must be when a retention becomes longer.

    What had gone by then, or would have at the next sweep, counts as never read.

    Args:
        read_from: As it is.
        before: What :func:`horizons` says by the old configuration.
        after: The same by the new one, at the same moment.
    """
    found = dict(read_from)
    for type, old in before.items():
        new = after[type]
        if type in found and old is not None and (new is None or new < old):
            stored = found[type]
            found[type] = old.isoformat() if stored is None else max(old, datetime.fromisoformat(stored)).isoformat()
    return found


def as_stored(moments: Moments) -> dict[str, str | None]:
    """Return moments as JSON."""
    return {type: None if moment is None else moment.isoformat() for type, moment in moments.items()}
