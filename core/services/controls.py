"""What an admin does to a run, and to records that were refused (R23, R25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, case, select

from core.contract.errors import Reauthorise
from core.contract.types import Account, Ref
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Partition, RefusedRecord, Run
from core.pipeline.apply import apply_page
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.services.accounts import account_of
from core.services.errors import Conflict
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.recovery import needs_attention
from core.services.sources import SOURCE, audit, config_of, described, get_source, now_utc, schedule

RUN, PARTITION, REFUSED = table_of(Run), table_of(Partition), table_of(RefusedRecord)

BATCH = 150


def pause_run(mainstem: Mainstem, source_id: int, actor: str) -> int:
    """Stop the run of a data source until it is resumed; what has been read stays, a page at hand is read again.

    Returns:
        The id of the run.

    Raises:
        NotFound: There is no such data source.
        Conflict: No run is at work.
    """
    with writing(mainstem.engine) as connection:
        _, run = _run_in(connection, source_id, ("queued", "running"), "no sync is at work")
        stopped = {"state": "paused", "error": None, "lease_token": None, "lease_until": None}
        connection.execute(RUN.update().where(RUN.c.id == run["id"]).values(stopped))
        audit(connection, actor, "pause", f"data source {source_id}", run=run["id"])
    return int(run["id"])


def resume_run(mainstem: Mainstem, source_id: int, actor: str) -> int:
    """Let the paused run of a data source go on where it was.

    Returns:
        The id of the run.

    Raises:
        NotFound: There is no such data source.
        Conflict: No run is paused, or the data source is not connected.
    """
    with writing(mainstem.engine) as connection:
        source, run = _run_in(connection, source_id, ("paused",), "no sync is paused")
        if source["state"] != "connected":
            raise Conflict(f"{described(source)}: reconnect it first")
        # One that was not planned yet is queued again.
        state = case((RUN.c.started_at.is_(None), "queued"), else_="running")
        connection.execute(RUN.update().where(RUN.c.id == run["id"]).values(state=state, error=None))
        audit(connection, actor, "resume", f"data source {source_id}", run=run["id"])
    return int(run["id"])


def cancel_run(mainstem: Mainstem, source_id: int, actor: str) -> int:
    """End the run of a data source; what has been read stays, and the next one reads the rest.

    Returns:
        The id of the run.

    Raises:
        NotFound: There is no such data source.
        Conflict: No run is at work.
    """
    now = now_utc()
    with writing(mainstem.engine) as connection:
        source, run = _run_in(connection, source_id, ("queued", "running", "paused"), "no sync is at work")
        ended = {"state": "cancelled", "finished_at": now, "error": f"Cancelled by {actor}"}
        free = {"lease_token": None, "lease_until": None}
        connection.execute(RUN.update().where(RUN.c.id == run["id"]).values({**ended, **free}))
        if source["state"] == "connected":
            later = schedule(mainstem, source, now)
            connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(next_sync_at=later))
        audit(connection, actor, "cancel", f"data source {source_id}", run=run["id"])
    return int(run["id"])


def _run_in(
    connection: Connection, source_id: int, states: Sequence[str], otherwise: str
) -> tuple[RowMapping, RowMapping]:
    source = get_source(connection, source_id, lock=True)
    latest = select(RUN).where(RUN.c.source_id == source_id, RUN.c.state.in_(states)).order_by(RUN.c.id.desc()).limit(1)
    run = connection.execute(latest.with_for_update()).mappings().one_or_none()
    if run is None:
        raise Conflict(f"{source['name']}: {otherwise}")
    return source, run


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of records that had been refused.

    Attributes:
        asked: How many were asked for again.
        settled: How many of them are in now, or gone at the vendor.
        left: How many are still refused, those too that have no id to ask for.
    """

    asked: int
    settled: int
    left: int


def retry_refused(mainstem: Mainstem, source_id: int, actor: str) -> Retried:
    """Read the refused records of a data source again by their ids, and take in what can be taken now.

    Raises:
        NotFound: There is no such data source.
        Conflict: It is not connected, or single records cannot be asked for.
        SourceError: The vendor cannot answer now; what was settled by then stays so.
        core.host.PluginMissing: Its plugin is not there.
    """
    with writing(mainstem.engine) as connection:
        source = get_source(connection, source_id)
        if source["state"] != "connected":
            raise Conflict(f"{described(source)}: reconnect it first")
        if not mainstem.host.implements(source["plugin"], "fetch"):
            title = mainstem.host.manifest(source["plugin"]).title
            raise Conflict(f"{title} does not give single records: run a full sync")
        config = config_of(mainstem, source)
        account = account_of(mainstem, source, config, config.objects)
        policy = policy_of(mainstem, connection, source, config, account, now_utc(), historical=True)
        before = _refused(connection, source_id)
        audit(connection, actor, "retry", f"data source {source_id}", records=len(before))
    refs = sorted({Ref(*row) for row in before if row[1]}, key=lambda ref: (ref.object, ref.remote_id))
    try:
        for first in range(0, len(refs), BATCH):
            _read_again(mainstem, account, policy, refs[first : first + BATCH])
    except Reauthorise as error:
        needs_attention(mainstem, source_id, str(error), source["connected_at"])
        raise
    with mainstem.engine.connect() as connection:
        left = len(_refused(connection, source_id))
    return Retried(len(refs), max(len(before) - left, 0), left)


def _refused(connection: Connection, source_id: int) -> list[tuple[str, str]]:
    open_ = (REFUSED.c.source_id == source_id, REFUSED.c.resolved_at.is_(None))
    return [(row.object, row.remote_id) for row in connection.execute(select(REFUSED).where(*open_))]


def _read_again(mainstem: Mainstem, account: Account, policy: Policy, refs: Sequence[Ref]) -> None:
    page = mainstem.host.source(account.plugin).fetch(account=account, refs=refs)
    now = policy.at(now_utc())
    apply_page(mainstem.engine, page, Shaper(now), now, lambda connection, counts: None)
