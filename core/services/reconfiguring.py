"""An admin changes the choices of a data source that is connected (R26): what follows from it, and doing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select

from core.contract.types import Manifest
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Field
from core.services.configuration import Chosen, SourceConfig, read_config
from core.services.errors import Conflict
from core.services.fields import check_choices, new_fields, stored_schema
from core.services.horizons import horizons, longer_past, settled
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, audit, config_of, described, get_source, now_utc

FIELD = table_of(Field)


def reconfigure(mainstem: Mainstem, source_id: int, choices: Mapping[str, Any], actor: str) -> frozenset[str]:
    """Change choices of a data source. What came in stays; more that is wanted comes in with the next sync.

    Args:
        mainstem: The system.
        source_id: The data source.
        choices: Sections of its configuration.
        actor: Who does it.

    Returns:
        The objects of which the next sync reads everything again.

    Raises:
        Invalid: A choice is wrong, or does not fit the account.
        Conflict: The data source is archived.
    """
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id, lock=True)
        if source["state"] == "archived":
            raise Conflict(f"{described(source)}: restore it first")
        manifest = mainstem.host.manifest(source["plugin"])
        before, config = config_of(mainstem, source), {**source["config"], **choices}
        after, _ = read_config(config, manifest)
        check_choices(manifest, stored_schema(connection, source_id), after)
        anew, now = widened(manifest, before, after), now_utc()
        read_from = settled(source["read_from"], horizons(before, manifest, now), horizons(after, manifest, now))
        renew = {**source["renew"], **dict.fromkeys(anew, now.isoformat())}
        changes: dict[str, Any] = {"config": config, "renew": renew, "read_from": read_from}
        if "retention" in choices:
            changes["next_sweep_at"] = now
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(changes))
        if "objects" in choices:
            connection.execute(FIELD.update().where(FIELD.c.source_id == source_id).values(is_new=False))
        for row in connection.execute(select(FIELD).where(FIELD.c.source_id == source_id)).all():
            selected = row.object in after.objects and _has(after.objects[row.object], row.key)
            if selected != row.selected:
                connection.execute(FIELD.update().where(FIELD.c.id == row.id).values(selected=selected))
        changed = sorted(key for key in choices if choices[key] != source["config"].get(key))
        old = {key: source["config"][key] for key in changed if key in source["config"]}
        detail = {
            "changed": changed,
            "anew": sorted(anew),
            "before": old,
            "after": {key: choices[key] for key in changed},
        }
        audit(connection, actor, "configure", f"data source {source_id}", **detail)
    return anew


def change_retention(
    mainstem: Mainstem, source_id: int, days: int | None, activities: Mapping[str, int | None], actor: str
) -> frozenset[str]:
    """Change how long activities are kept (R16): older ones go with the next sweep, newly wanted ones are fetched.

    Args:
        mainstem: The system.
        source_id: The data source.
        days: How long; None for ever.
        activities: The same for types of activity that differ.
        actor: Who does it.

    Returns:
        The objects of which older activities are fetched now: of those that are nothing but activities only the
        newly covered time, if the plugin can; the others are read anew.

    Raises:
        Invalid: A number or type is wrong.
        Conflict: The data source is archived.
    """
    retention = {"days": days, "activities": dict(activities)}
    anew = reconfigure(mainstem, source_id, {"retention": retention}, actor)
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id, lock=True)
        manifest, config, now = mainstem.host.manifest(source["plugin"]), config_of(mainstem, source), now_utc()
        fetched = anew.union(longer_past(source["read_from"], horizons(config, manifest, now), manifest))
        if fetched and source["state"] == "connected":
            connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(next_sync_at=now))
    return fetched


def widened(manifest: Manifest, before: SourceConfig, after: SourceConfig) -> frozenset[str]:
    """Return the objects of which more is wanted than before, or others, so that all of them has to be read again.

    A longer past is not among it: a run sees by itself how far back activities were read.
    """
    anew: set[str] = set()
    for spec in manifest.objects:
        if spec.key not in after.objects:
            continue
        new = spec.key not in before.objects
        more = new or not _within(after.objects[spec.key], before.objects[spec.key])
        others = spec.kind in ("person", "organization") and (
            # Whoever was left out may have become one who is wanted, and who is here no longer one.
            before.selection.get(spec.kind) != after.selection.get(spec.kind)
        )
        created = before.existing_only and not after.existing_only and spec.kind in ("person", "organization")
        if more or others or created:
            anew.add(spec.key)
    return frozenset(anew)


def _within(some: Chosen, others: Chosen) -> bool:
    return others is None or (some is not None and some <= others)


def _has(chosen: Collection[str] | None, key: str) -> bool:
    return chosen is None or key in chosen


def add_new_fields(mainstem: Mainstem, source_id: int, actor: str) -> frozenset[str]:
    """Import the fields, too, that the vendor lists since the admin chose fields last (R50).

    Returns:
        The objects that the next sync reads anew, to fill them.

    Raises:
        NotFound: There is no such data source.
        Conflict: It is archived.
    """
    with mainstem.engine.connect() as connection:
        source = get_source(connection, source_id)
        new, config = new_fields(connection, source_id), config_of(mainstem, source)
    objects = {
        key: "all" if chosen is None else sorted(chosen.union(field for object, field in new if object == key))
        for key, chosen in config.objects.items()
    }
    return reconfigure(mainstem, source_id, {"objects": objects}, actor)
