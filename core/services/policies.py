"""A data source's row, configuration and fields, as the pipeline needs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from core.contract.errors import Refused
from core.contract.fields import Entity
from core.contract.types import Account, Conditions, FieldSpec, Kind, Manifest, MergePolicy, Record
from core.db.bulk import table_of
from core.db.models import Field
from core.pipeline.policy import Policy
from core.services.configuration import SourceConfig
from core.services.fields import stored_schema
from core.services.mainstem import Mainstem
from core.services.selecting import read_selection, selection_of, wanted_by, zone_of

FIELD = table_of(Field)


def policy_of(
    mainstem: Mainstem,
    connection: Connection,
    source: RowMapping,
    config: SourceConfig,
    account: Account,
    now: datetime,
    historical: bool,
    historical_before: Mapping[str, datetime] | None = None,
) -> Policy:
    """Return how records of this data source are taken in at ``now``."""
    manifest = mainstem.host.manifest(source["plugin"])
    selected: dict[str, list[FieldSpec]] = defaultdict(list)
    fed: dict[str, set[str]] = defaultdict(set)
    dropped: dict[str, set[str]] = defaultdict(set)
    offered = select(FIELD).where(FIELD.c.source_id == source["id"], FIELD.c.retired_at.is_(None))
    for row in connection.execute(offered.order_by(FIELD.c.position)):
        spec = FieldSpec(row.object, row.key, row.label, row.type, row.custom, row.feeds, tuple(row.options))
        if row.selected:
            selected[row.object].append(spec)
        if row.feeds:
            (fed if row.selected else dropped)[row.object].add(row.feeds)
    return Policy(
        source_id=source["id"],
        manifest=manifest,
        fields={key: tuple(specs) for key, specs in selected.items()},
        deselected={key: frozenset(keys - fed[key]) for key, keys in dropped.items()},
        now=now,
        strategy=config.strategy,
        create_missing=not config.existing_only,
        modify=config.modify,
        keep_existing=config.keep_existing,
        archive_deleted=config.archive_deleted,
        matching={
            spec.key: _matching(mainstem, config, account, spec.key, spec.kind)
            for spec in manifest.objects
            if spec.kind in ("person", "organization")
        },
        keep_days=_keep_days(config),
        historical=historical,
        historical_before=historical_before or {},
        wanted=_wanted(connection, source, config, manifest, now),
    )


def _wanted(
    connection: Connection, source: RowMapping, config: SourceConfig, manifest: Manifest, now: datetime
) -> dict[str, Callable[[Record], bool]]:
    if not config.selection:
        return {}
    # Conditions on a field outlive the field: without it they are met as by who has no value.
    schema = stored_schema(connection, source["id"], retired=True)
    return wanted_by(read_selection(config, manifest, schema), manifest, schema, now, zone_of(source["settings"]))


def selection(mainstem: Mainstem, source: RowMapping, config: SourceConfig, now: datetime) -> dict[str, Conditions]:
    """Return by object what the plugin is told of the admin's conditions; an object that comes in whole is absent."""
    if not config.selection:
        return {}
    manifest = mainstem.host.manifest(source["plugin"])
    with mainstem.engine.connect() as connection:
        schema = stored_schema(connection, source["id"], retired=True)
    found = selection_of(read_selection(config, manifest, schema), manifest, schema, now, zone_of(source["settings"]))
    return {key: conditions for key, conditions in found.items() if key in config.objects}


def count_selected(mainstem: Mainstem, account: Account, wanted: Mapping[str, Conditions]) -> Mapping[str, int]:
    """Return how many records meet conditions, by object, as far as the vendor tells.

    Raises:
        core.contract.errors.SourceError: It cannot be asked now.
    """
    if not wanted or not mainstem.host.implements(account.plugin, "count_selected"):
        return {}
    try:
        return mainstem.host.source(account.plugin).count_selected(account=account, selection=wanted)
    except Refused as error:
        account.log.warning("what meets the conditions is not counted: %s", error)
        return {}


def proposed_keys(mainstem: Mainstem, account: Account) -> dict[Entity, MergePolicy]:
    """Return the merge keys that the plugin proposes, by kind; those of the first object of a kind."""
    found: dict[Entity, MergePolicy] = {}
    for spec in mainstem.host.manifest(account.plugin).objects:
        if spec.kind in ("person", "organization") and mainstem.host.implements(account.plugin, "merge"):
            kind: Entity = "person" if spec.kind == "person" else "organization"
            found.setdefault(kind, mainstem.host.source(account.plugin).merge(account=account, object=spec.key))
    return found


def _matching(mainstem: Mainstem, config: SourceConfig, account: Account, object: str, kind: Kind) -> MergePolicy:
    chosen = config.matching.get("person" if kind == "person" else "organization")
    if chosen or not mainstem.host.implements(account.plugin, "merge"):
        return chosen or MergePolicy()
    return mainstem.host.source(account.plugin).merge(account=account, object=object)


def _keep_days(config: SourceConfig) -> dict[str | None, int | None]:
    days: dict[str | None, int | None] = {None: config.days}
    days.update(config.activity_days.items())
    return days


def horizon(config: SourceConfig, now: datetime) -> datetime | None:
    """Return the moment before which no activity is wanted; None when some are kept for ever."""
    days = [config.days, *config.activity_days.values()]
    longest = None if None in days else max(day for day in days if day is not None)
    return None if longest is None else now - timedelta(days=longest)
