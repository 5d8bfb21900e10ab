"""A run begins: refresh what the account offers, then split the work into partitions."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, or_, select

from core.contract.errors import Reauthorise, Retry, SourceError
from core.contract.types import Account, FieldSpec, Partition, Roster, Scope
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.services.accounts import CountingSession, account_of
from core.services.configuration import SourceConfig
from core.services.fields import store_schema
from core.services.mainstem import Mainstem
from core.services.policies import horizon
from core.services.recovery import pause, wait_seconds
from core.services.rosters import store_roster
from core.services.sources import config_of, get_source, now_utc

RUN, PARTITION = table_of(Run), table_of(PartitionRow)
LEASE = timedelta(minutes=10)
ATTEMPTS = 10

log = logging.getLogger("mainstem.sync")


def plan(mainstem: Mainstem, run_id: int) -> bool:
    """Plan a queued run, unless somebody else is at it.

    Returns:
        Whether the run has partitions now.
    """
    token, now = uuid4(), now_utc()
    with writing(mainstem.engine) as connection:
        free = or_(RUN.c.lease_until.is_(None), RUN.c.lease_until < now)
        due = or_(RUN.c.not_before.is_(None), RUN.c.not_before <= now)
        claimed = connection.execute(
            RUN.update()
            .where(RUN.c.id == run_id, RUN.c.state == "queued", free, due)
            .values(lease_token=token, lease_until=now + LEASE)
        )
        if claimed.rowcount != 1:
            return False
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        source = get_source(connection, run["source_id"])
    config = config_of(mainstem, source)
    account = account_of(mainstem, source, config)
    try:
        schema, roster, partitions = _ask(mainstem, account, _scope(source, run, config, now))
    except SourceError as error:
        _recover(mainstem, run, error)
        return False
    except Exception as error:
        log.exception("planning failed", extra={"run": run_id, "source": source["id"]})
        _fail(mainstem, run_id, f"{type(error).__name__}: {error}")
        return False
    assert isinstance(account.http, CountingSession)
    with writing(mainstem.engine) as connection:
        mine = connection.execute(
            RUN.update()
            .where(RUN.c.id == run_id, RUN.c.lease_token == token, RUN.c.state == "queued")
            .values(
                state="running",
                started_at=now,
                requests=account.http.take_count(),
                lease_token=None,
                lease_until=None,
                error=None,
            )
        )
        if mine.rowcount != 1:
            return False
        store_schema(connection, source["id"], schema, config.objects, now)
        store_roster(connection, source["id"], roster, config, now)
        _store_partitions(connection, run, partitions)
    return True


def _scope(source: RowMapping, run: RowMapping, config: SourceConfig, now: datetime) -> Scope:
    read = {} if run["kind"] == "full" else source["since"]
    since = {key: datetime.fromisoformat(read[key]) if key in read else None for key in config.objects}
    return Scope(since, horizon(config, now))


def _ask(mainstem: Mainstem, account: Account, scope: Scope) -> tuple[Sequence[FieldSpec], Roster, Sequence[Partition]]:
    plugin = mainstem.host.source(account.plugin)
    roster = Roster()
    if mainstem.host.manifest(account.plugin).teams:
        roster = plugin.import_team(account=account)
    return plugin.field_schema(account=account), roster, plugin.plan_sync(account=account, scope=scope)


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
            "state": "ready",
            "counts": {},
        }
        for partition in partitions
    ]
    if rows:
        connection.execute(PARTITION.insert(), rows)


def _recover(mainstem: Mainstem, run: RowMapping, error: SourceError) -> None:
    """Do what an error asks for: wait, get an admin, or give up."""
    attempts = run["attempts"] + 1
    if isinstance(error, Reauthorise):
        pause(mainstem, run["source_id"], run["id"], str(error))
    elif isinstance(error, Retry) and attempts < ATTEMPTS:
        with writing(mainstem.engine) as connection:
            later = now_utc() + timedelta(seconds=wait_seconds(error, attempts))
            connection.execute(
                RUN.update()
                .where(RUN.c.id == run["id"])
                .values(not_before=later, attempts=attempts, lease_token=None, lease_until=None, error=str(error))
            )
    else:
        _fail(mainstem, run["id"], str(error))


def _fail(mainstem: Mainstem, run_id: int, error: str) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(
            RUN.update().where(RUN.c.id == run_id).values(state="failed", finished_at=now_utc(), error=error)
        )
