"""The work of a run: as many of its partitions are read side by side as the plugin allows.

SQL is the book: whoever holds the lease of a partition may write, a death lets it lapse, and the cursor says where
to go on. Queues only ring the bell.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import RowMapping, select

from core.db.bulk import table_of
from core.db.models import Partition as PartitionRow
from core.db.models import Run
from core.services.accounts import account_of
from core.services.leases import heartbeat
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.reading import Reader
from core.services.recovery import needing_plugin
from core.services.sources import config_of, get_source, now_utc

PARTITION, RUN = table_of(PartitionRow), table_of(Run)


def advance(
    mainstem: Mainstem,
    run_id: int,
    threads: int | None = None,
    seconds: float | None = None,
    on_page: Callable[[], None] | None = None,
) -> bool:
    """Work on a run: read as many of its partitions side by side as the plugin allows.

    Args:
        mainstem: The system.
        run_id: A run that is planned.
        threads: How many partitions this process reads at once; the plugin's limit by default.
        seconds: Stop after the page at hand when this long at it; None goes on until nothing is left to claim.
        on_page: Called after each page that was written; what it raises is logged.

    Returns:
        Whether it stopped with work left.

    Raises:
        sqlalchemy.exc.OperationalError: The database is out of reach; the work can be taken up again later.
    """
    reader: Reader | None = None
    with needing_plugin(mainstem, run_id):
        reader = _reader(mainstem, run_id, seconds, on_page)
    return reader is not None and _advance(mainstem, reader, threads)


def _advance(mainstem: Mainstem, reader: Reader, threads: int | None) -> bool:
    limit = reader.policy.manifest.max_parallel
    count = max(1, min(threads or limit, limit))
    with heartbeat(mainstem, PARTITION, reader.token), ThreadPoolExecutor(count) as pool:
        workers = [pool.submit(reader.work) for _ in range(count)]
        try:
            for worker in workers:
                worker.result()
        finally:
            # Whoever interrupts this thread shall not wait for the others to read everything.
            reader.stop()
    reader.count_requests()
    return reader.work_left


def _reader(
    mainstem: Mainstem, run_id: int, seconds: float | None, on_page: Callable[[], None] | None
) -> Reader | None:
    """Return who reads a run, or None if that is not to be read now."""
    with mainstem.engine.connect() as connection:
        run = connection.execute(select(RUN).where(RUN.c.id == run_id)).mappings().one()
        if run["state"] != "running":
            return None
        source = get_source(connection, run["source_id"])
        config = config_of(mainstem, source)
        anew = run["scope"]["anew"]
        account = account_of(mainstem, source, config, anew)
        policy = policy_of(
            mainstem,
            connection,
            source,
            config,
            account,
            now_utc(),
            historical=run["kind"] in ("initial", "full"),
            historical_before={key: _known_until(source, run, key) for key in {*anew, *run["scope"]["past"]}},
        )
    return Reader(mainstem, run, source, account, policy, seconds, on_page)


def _known_until(source: RowMapping, run: RowMapping, object: str) -> datetime:
    """Return since when activities of an object that is read anew are news."""
    since = source["since"].get(object)
    started: datetime = run["started_at"]
    return datetime.fromisoformat(since) if since else started
