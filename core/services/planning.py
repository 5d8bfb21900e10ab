"""A run begins: refresh what the account offers, then split the work into partitions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, func, select
from sqlalchemy.exc import InterfaceError, OperationalError

from core.contract.errors import Reauthorise, Refused, Retry, SourceError
from core.contract.types import Account, Conditions, FieldSpec, Partition, Roster, Scope
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Link, Run
from core.db.models import Partition as PartitionRow
from core.services.accounts import CountingSession, account_of
from core.services.closing import give_up
from core.services.configuration import SourceConfig
from core.services.fields import schema_of, store_schema
from core.services.horizons import as_stored, horizons, longer_past
from core.services.invitations import invite_imported
from core.services.leases import heartbeat, is_due, is_free, lease_end
from core.services.mainstem import Mainstem
from core.services.policies import count_selected, horizon, selection
from core.services.recovery import needing_plugin, pause, wait_seconds
from core.services.rosters import store_roster
from core.services.sources import SOURCE, config_of, get_source, now_utc, renewed

RUN, PARTITION, LINK = table_of(Run), table_of(PartitionRow), table_of(Link)
ATTEMPTS = 10
FEW = 150
"""Records that may have left a selection for it to be asked of the vendor: each is then looked up by its id."""

log = logging.getLogger("mainstem.sync")


def plan(mainstem: Mainstem, run_id: int) -> bool:
    """Plan a queued run, unless somebody else is at it.

    Returns:
        Whether the run has partitions now.
    """
    token, now = uuid4(), now_utc()
    claimed = _claim(mainstem, run_id, token, now)
    if claimed is None:
        return False
    run, source = claimed
    try:
        with heartbeat(mainstem, RUN, token), needing_plugin(mainstem, run_id):
            found = _ask(mainstem, run, source, now)
            return _store(mainstem, run, token, found, now)
    except SourceError as error:
        _recover(mainstem, run, source, token, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("planning failed", extra={"run": run_id, "source": source["id"]})
        give_up(mainstem, run_id, token, f"{type(error).__name__}: {error}")
    return False


def _claim(mainstem: Mainstem, run_id: int, token: UUID, now: datetime) -> tuple[RowMapping, RowMapping] | None:
    with writing(mainstem.engine) as connection:
        claimed = connection.execute(
            RUN.update()
            .where(RUN.c.id == run_id, RUN.c.state == "queued", is_free(RUN, now), is_due(RUN, now))
            .values(lease_token=token, lease_until=lease_end(mainstem, now))
        )
        if claimed.rowcount != 1:
            return None
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        return run, get_source(connection, run["source_id"])


@dataclass(frozen=True)
class _Found:
    """What the plugin says there is."""

    config: SourceConfig
    schema: Sequence[FieldSpec]
    roster: Roster | None
    partitions: Sequence[Partition]
    scope: Mapping[str, Any]
    requests: int


def _ask(mainstem: Mainstem, run: RowMapping, source: RowMapping, now: datetime) -> _Found:
    config = config_of(mainstem, source)
    scope, stored = _scope(mainstem, source, run, config, now)
    account = account_of(mainstem, source, replace(config, objects={key: config.objects[key] for key in scope.since}))
    plugin = mainstem.host.source(account.plugin)
    roster = None
    if mainstem.host.manifest(account.plugin).teams:
        try:
            roster = plugin.import_team(account=account)
        except Refused as error:
            # Who works there stays as it was; everything else goes on.
            log.warning("%s", error, extra={"run": run["id"], "source": source["id"]})
            stored = {**stored, "no_teams": str(error)}
    schema = schema_of(mainstem, account)
    wanted = _selection(mainstem, source, config, stored["whole"], now)
    here = _here(mainstem, source["id"], wanted)
    asked = _asked(mainstem, account, wanted, here)
    scope = replace(scope, selection=asked)
    partitions = [part for part in plugin.plan_sync(account=account, scope=scope) if part.object in scope.since]
    narrowed = sorted({part.object for part in partitions if part.narrowed}.intersection(asked))
    stored = {**stored, "narrowed": narrowed, "sought": [key for key in narrowed if here[key]]}
    return _Found(config, schema, roster, partitions, stored, _requests(account))


def _selection(
    mainstem: Mainstem, source: RowMapping, config: SourceConfig, whole: Collection[str], now: datetime
) -> dict[str, Conditions]:
    return {key: found for key, found in selection(mainstem, source, config, now).items() if key in whole}


def _here(mainstem: Mainstem, source_id: int, objects: Collection[str]) -> Counter[str]:
    """Return how many records of each object are here, and met the admin's conditions when they were seen last."""
    if not objects:
        return Counter()
    theirs = (LINK.c.source_id == source_id, LINK.c.object.in_(objects), LINK.c.content_hash.is_not(None))
    kept = (LINK.c.deleted_at.is_(None), LINK.c.left_at.is_(None))
    found = select(LINK.c.object, func.count().label("number")).where(*theirs, *kept).group_by(LINK.c.object)
    with mainstem.engine.connect() as connection:
        return Counter({row.object: row.number for row in connection.execute(found)})


def _asked(
    mainstem: Mainstem, account: Account, wanted: Mapping[str, Conditions], here: Mapping[str, int]
) -> dict[str, Conditions]:
    """Return the conditions that the plugin may put to its vendor.

    What is here and does not meet them is not seen then, and is looked up by its id. So that is for few: where more are
    here than meet them, everything is read.
    """
    told = {key: conditions for key, conditions in wanted.items() if here[key]}
    counts = count_selected(mainstem, account, told)
    return {
        key: conditions
        for key, conditions in wanted.items()
        if not here[key] or (key in counts and here[key] <= counts[key] + FEW)
    }


def _requests(account: Account) -> int:
    assert isinstance(account.http, CountingSession)
    return account.http.take_count()


def _scope(
    mainstem: Mainstem, source: RowMapping, run: RowMapping, config: SourceConfig, now: datetime
) -> tuple[Scope, Mapping[str, Any]]:
    """Return what the run must read, and what is kept of that with it.

    ``run.scope`` holds ``objects`` if it is limited to some; ``whole``, those that are read from the beginning;
    ``anew``, those of them of which nothing counts as known; ``past``, those of which a longer past is read; and
    ``horizons``, the moment by type of activity before which none is wanted. Planning adds ``no_teams``, the reason
    why users and teams could not be read; ``narrowed``, the objects of which only what the admin wants is read; and
    ``sought``, those of them of which records are here that may want it no more.
    """
    manifest = mainstem.host.manifest(source["plugin"])
    objects = [key for key in config.objects if key in run["scope"].get("objects", config.objects)]
    anew = set(objects) if run["kind"] == "full" else renewed(source, now).intersection(objects)
    wanted = horizons(config, manifest, now)
    past = longer_past(source["read_from"], wanted, manifest)
    past = {key: past[key] for key in objects if key in past and key in source["since"] and key not in anew}
    # Persons and others are not told apart by when they did something: all of them are read anew.
    plain = {key for key in past if not manifest.past or manifest.object(key).kind != "activity"}
    anew, past = anew | plain, {key: until for key, until in past.items() if key not in plain}
    read = {key: datetime.fromisoformat(moment) for key, moment in source["since"].items() if key not in anew}
    if run["kind"] == "reconciliation" and (before := _reconciled_at(mainstem, source["id"])):
        read = {key: min(moment, before) for key, moment in read.items()}
    since = {key: read.get(key) for key in objects}
    stored = {
        **run["scope"],
        "whole": [key for key in objects if since[key] is None],
        "anew": sorted(anew),
        "past": {key: until.isoformat() for key, until in past.items()},
        "horizons": as_stored(wanted),
    }
    return Scope(since, horizon(config, now), past), stored


def _reconciled_at(mainstem: Mainstem, source_id: int) -> datetime | None:
    """Return when the last reconciliation began: what it saw need not be looked at again."""
    done = (RUN.c.source_id == source_id, RUN.c.kind == "reconciliation", RUN.c.state.in_(("succeeded", "partial")))
    with mainstem.engine.connect() as connection:
        began: datetime | None = connection.scalar(select(func.max(RUN.c.started_at)).where(*done))
    return began


def _store(mainstem: Mainstem, run: RowMapping, token: UUID, found: _Found, now: datetime) -> bool:
    """Write down what there is to do, if the run is still ours to plan."""
    with writing(mainstem.engine) as connection:
        mine = connection.execute(
            RUN.update()
            .where(RUN.c.id == run["id"], RUN.c.lease_token == token, RUN.c.state == "queued")
            .values(
                state="running",
                started_at=now,
                scope=found.scope,
                requests=RUN.c.requests + found.requests,
                lease_token=None,
                lease_until=None,
                error=None,
            )
        )
        if mine.rowcount != 1:
            return False
        back = store_schema(connection, run["source_id"], found.schema, found.config.objects, now)
        _renew(connection, run["source_id"], back.difference(found.scope["whole"]), now)
        if found.roster is not None:
            store_roster(connection, run["source_id"], found.roster, found.config, now)
            invite_imported(mainstem, connection)
        _store_partitions(connection, run, found.partitions)
    return True


def _renew(connection: Connection, source_id: int, objects: Collection[str], now: datetime) -> None:
    """Let the run after this one read everything of ``objects``, which came in without some of their fields."""
    if objects:
        source = get_source(connection, source_id, lock=True)
        asked = (now + timedelta(microseconds=1)).isoformat()
        renew = {**source["renew"], **{key: asked for key in objects if key in source["since"]}}
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(renew=renew))


def _store_partitions(connection: Connection, run: RowMapping, partitions: Sequence[Partition]) -> None:
    rows: list[Mapping[str, Any]] = [
        {
            "run_id": run["id"],
            "source_id": run["source_id"],
            "object": partition.object,
            "key": partition.key,
            "start": partition.start,
            "cursor": partition.start,
            "unbroken": partition.unbroken,
            # A start of None says that there is nothing to read.
            "state": "done" if partition.start is None else "ready",
            "counts": {},
        }
        for partition in partitions
    ]
    if rows:
        connection.execute(PARTITION.insert(), rows)


def _recover(mainstem: Mainstem, run: RowMapping, source: RowMapping, token: UUID, error: SourceError) -> None:
    """Do what an error asks for: wait, get an admin, or give up."""
    log.warning("%s", error, extra={"run": run["id"], "source": source["id"]})
    attempts = run["attempts"] + 1
    if isinstance(error, Reauthorise):
        pause(mainstem, source, run["id"], str(error))
        _release(mainstem, run["id"], token)
    elif isinstance(error, Retry) and attempts < ATTEMPTS:
        later = now_utc() + timedelta(seconds=wait_seconds(error, attempts))
        _release(mainstem, run["id"], token, not_before=later, attempts=attempts, error=str(error))
    else:
        give_up(mainstem, run["id"], token, str(error))


def _release(mainstem: Mainstem, run_id: int, token: UUID, **changes: Any) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(
            RUN.update()
            .where(RUN.c.id == run_id, RUN.c.lease_token == token)
            .values(lease_token=None, lease_until=None, **changes)
        )
