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
from core.services.fields import check_choices, stored_schema
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
        anew = widened(manifest, before, after)
        asked = now_utc().isoformat()
        renew = {**source["renew"], **dict.fromkeys(anew, asked)}
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(config=config, renew=renew))
        for row in connection.execute(select(FIELD).where(FIELD.c.source_id == source_id)).all():
            selected = row.object in after.objects and _has(after.objects[row.object], row.key)
            if selected != row.selected:
                connection.execute(FIELD.update().where(FIELD.c.id == row.id).values(selected=selected))
        changed = sorted(key for key in choices if choices[key] != source["config"].get(key))
        audit(connection, actor, "configure", f"data source {source_id}", changed=changed, anew=sorted(anew))
    return anew


def widened(manifest: Manifest, before: SourceConfig, after: SourceConfig) -> frozenset[str]:
    """Return the objects of which more is wanted than before, so that all of them has to be read again.

    A longer past is not among it: a run sees by itself how far back activities were read.
    """
    anew: set[str] = set()
    for spec in manifest.objects:
        if spec.key not in after.objects:
            continue
        new = spec.key not in before.objects
        more = new or not _within(after.objects[spec.key], before.objects[spec.key])
        others = spec.kind in ("person", "organization") and (
            # Whoever was left out may have become one who is wanted.
            before.selection.get(spec.kind) != after.selection.get(spec.kind) and spec.kind in before.selection
        )
        created = before.existing_only and not after.existing_only and spec.kind in ("person", "organization")
        if more or others or created:
            anew.add(spec.key)
    return frozenset(anew)


def _within(some: Chosen, others: Chosen) -> bool:
    return others is None or (some is not None and some <= others)


def _has(chosen: Collection[str] | None, key: str) -> bool:
    return chosen is None or key in chosen
