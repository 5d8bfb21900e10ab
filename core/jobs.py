"""Background work: RQ rings the bell, the database says what there is to do.

A job carries ids alone and may ring twice or never: every function looks up in the database what is left, and
:func:`tick` rings again for whatever nobody works at. Losing Redis loses nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace
from datetime import timedelta
from functools import cache
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from sqlalchemy import exists, func, select
from sqlalchemy.exc import OperationalError

from core import logs
from core.contract.errors import SourceError
from core.db.bulk import table_of
from core.db.models import DataSource, Partition, Run
from core.runtime import memory
from core.runtime.parent import leave_with
from core.runtime.valkey import ValkeyError, redis_url
from core.services import controls, counting, inbox, mail, retention, syncing
from core.services.draining import drain, to_drain
from core.services.errors import ServiceError
from core.services.finishing import finish
from core.services.leases import is_due, is_free
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import now_utc

SOURCE, RUN, PARTITION = table_of(DataSource), table_of(Run), table_of(Partition)

QUEUES = ("webhooks", "sync", "chores")
"""In the order in which a worker serves them."""

SLICE_SECONDS = 60.0
_JOB_TIMEOUT = 3_600
_PATIENCE_SECONDS = 10.0

log = logging.getLogger("mainstem.jobs")


@cache
def connection_of(url: str) -> Redis:
    """Return the client for ``url`` that this process shares."""
    return Redis.from_url(url, socket_connect_timeout=5)


def redis_of(mainstem: Mainstem) -> Redis:
    """Return the client of the installation's Redis, which is started if it is the embedded one.

    Raises:
        redis.exceptions.ConnectionError: It is out of reach; on first use.
    """
    return connection_of(redis_url(mainstem.settings))


def ring(mainstem: Mainstem, job: str, queue: str, *args: Any, once: bool = False) -> None:
    """Queue a job of this module.

    Args:
        mainstem: The system.
        job: Name of the function.
        queue: One of :data:`QUEUES`.
        args: Ids.
        once: Not again within a few seconds: for bells that are rung on suspicion.
    """
    redis = redis_of(mainstem)
    if once and not redis.set(_bell(job, *args), 1, nx=True, px=int(mainstem.settings.lease_seconds * 1000 / 4.5)):
        return
    Queue(queue, connection=redis).enqueue(
        f"core.jobs.{job}", *args, job_timeout=_JOB_TIMEOUT, result_ttl=0, failure_ttl=86_400
    )


def _answer(mainstem: Mainstem, job: str, *args: Any) -> None:
    """Let a bell that was rung ``once`` be rung again: from here on this job sees what came before."""
    redis_of(mainstem).delete(_bell(job, *args))


def _bell(job: str, *args: Any) -> str:
    return f"mainstem:bell:{job}:{':'.join(map(str, args))}"


def start_sync(mainstem: Mainstem, source_id: int, full: bool = False, *, reconcile: bool = False) -> int:
    """Begin a run of a data source and have it worked at; see :func:`core.services.syncing.start`."""
    redis_of(mainstem).ping()
    run_id = syncing.start(mainstem, source_id, full, reconcile=reconcile)
    ring(mainstem, "plan_run", "sync", run_id)
    return run_id


@cache
def _mainstem() -> Mainstem:
    mainstem = Mainstem.open()
    return replace(mainstem, redis=redis_of(mainstem))


def plan_run(run_id: int) -> None:
    """Job: plan a run, then have it read."""
    mainstem = _mainstem()
    _answer(mainstem, "plan_run", run_id)
    if plan(mainstem, run_id):
        _ring_readers(mainstem, run_id)


def _ring_readers(mainstem: Mainstem, run_id: int) -> None:
    """Spread a run over the workers there are."""
    with mainstem.engine.connect() as connection:
        ready = (PARTITION.c.run_id == run_id, PARTITION.c.state == "ready")
        parts = connection.scalar(select(func.count()).where(*ready)) or 0
        plugin = connection.scalar(
            select(SOURCE.c.plugin).join(RUN, RUN.c.source_id == SOURCE.c.id).where(RUN.c.id == run_id)
        )
    if not parts or plugin is None:
        finish(mainstem, run_id)
        return
    parallel = min(mainstem.host.manifest(plugin).max_parallel, parts)
    workers = max(1, min(Worker.count(connection=redis_of(mainstem)), parallel))
    for _ in range(workers):
        ring(mainstem, "read_run", "sync", run_id, -(-parallel // workers))


def read_run(run_id: int, threads: int) -> None:
    """Job: work on a run for a while, then make room for others."""
    mainstem = _mainstem()
    _answer(mainstem, "read_run", run_id, threads)
    work_left = advance(mainstem, run_id, threads=threads, seconds=SLICE_SECONDS)
    if not finish(mainstem, run_id) and work_left:
        ring(mainstem, "read_run", "sync", run_id, threads)


def finish_run(run_id: int) -> None:
    """Job: end a run that has been read."""
    mainstem = _mainstem()
    _answer(mainstem, "finish_run", run_id)
    finish(mainstem, run_id)


def ask_for_refused(mainstem: Mainstem, source_id: int, actor: str) -> None:
    """Have the refused records of a data source asked for again; see :func:`core.services.controls.retry_refused`."""
    ring(mainstem, "retry_refused", "chores", source_id, actor)


def retry_refused(source_id: int, actor: str) -> None:
    """Job: ask for refused records again."""
    mainstem = _mainstem()
    try:
        found = controls.retry_refused(mainstem, source_id, actor)
    except (ServiceError, SourceError) as error:
        log.warning("refused records could not be asked for: %s", error, extra={"source": source_id})
    else:
        log.info("refused records: %s", found, extra={"source": source_id})


def ring_for_webhooks(mainstem: Mainstem, source_id: int) -> None:
    """Have the stored deliveries of a data source worked off; many calls at once ring once."""
    ring(mainstem, "drain_webhooks", "webhooks", source_id, once=True)


def replay_webhooks(mainstem: Mainstem, source_id: int, actor: str) -> int:
    """Give dead deliveries another chance and have them worked off; see :func:`core.services.inbox.replay`."""
    redis_of(mainstem).ping()
    count = inbox.replay(mainstem, source_id, actor)
    ring_for_webhooks(mainstem, source_id)
    return count


def drain_webhooks(source_id: int) -> None:
    """Job: work off the stored deliveries of a data source for a while, then make room for others."""
    mainstem = _mainstem()
    _answer(mainstem, "drain_webhooks", source_id)
    began = time.monotonic()
    drain(mainstem, source_id, seconds=SLICE_SECONDS)
    # What came between the last look and the end of the lease has been turned away.
    if to_drain(mainstem, source_id):
        # Where deliveries never end they go on behind the syncs, which would otherwise wait for ever.
        queue = "sync" if time.monotonic() - began >= SLICE_SECONDS else "webhooks"
        ring(mainstem, "drain_webhooks", queue, source_id, once=True)


def sweep_activities(source_id: int) -> None:
    """Job: take away one batch of activities that are past their retention, then make room for others."""
    mainstem = _mainstem()
    _answer(mainstem, "sweep_activities", source_id)
    if retention.sweep(mainstem, source_id):
        ring(mainstem, "sweep_activities", "chores", source_id, once=True)
    else:
        ring(mainstem, "recount", "chores", source_id, once=True)


def ring_for_mail(mainstem: Mainstem) -> None:
    """Have the outbox sent; many calls at once ring once. Without a mail server there is nothing to do."""
    if mainstem.settings.smtp_url is not None:
        ring(mainstem, "send_mail", "chores", once=True)


def send_mail() -> None:
    """Job: send what is in the outbox."""
    mainstem = _mainstem()
    _answer(mainstem, "send_mail")
    mail.send_due(mainstem)


def recount(source_id: int) -> None:
    """Job: count what a data source brought."""
    mainstem = _mainstem()
    counting.recount(mainstem, source_id)
    _answer(mainstem, "recount", source_id)


def tick_seconds(mainstem: Mainstem) -> float:
    """Return how often a worker looks for what nobody works at."""
    return mainstem.settings.lease_seconds / 30


def tick(mainstem: Mainstem) -> None:
    """Ring for everything that is due and that nobody works at; called every few seconds by every worker."""
    now = now_utc()
    with mainstem.engine.connect() as connection:
        # Whoever asked for a run rings for it himself.
        grace = RUN.c.created_at < now - timedelta(seconds=tick_seconds(mainstem))
        idle = (RUN.c.state == "queued", is_free(RUN, now), is_due(RUN, now))
        queued = connection.scalars(select(RUN.c.id).where(*idle, grace)).all()
        of_run = PARTITION.c.run_id == RUN.c.id
        ready = PARTITION.c.state == "ready"
        left = exists().where(of_run, ready)
        can_be_read = exists().where(of_run, ready, is_free(PARTITION, now), is_due(PARTITION, now))
        at_work = exists().where(of_run, ready, PARTITION.c.lease_until >= now)
        running = select(RUN.c.id).where(RUN.c.state == "running")
        waiting = connection.scalars(running.where(can_be_read, ~at_work)).all()
        finished = connection.scalars(running.where(~left, is_free(RUN, now))).all()
        overdue = connection.scalars(
            select(SOURCE.c.id).where(SOURCE.c.state == "connected", SOURCE.c.next_sync_at <= now)
        ).all()
        unfinished = exists().where(RUN.c.source_id == SOURCE.c.id, RUN.c.finished_at.is_(None))
        unchecked = connection.scalars(
            select(SOURCE.c.id).where(SOURCE.c.state == "connected", SOURCE.c.next_check_at <= now, ~unfinished)
        ).all()
    for source_id in to_drain(mainstem):
        ring_for_webhooks(mainstem, source_id)
    for run_id in queued:
        ring(mainstem, "plan_run", "sync", run_id, once=True)
    for run_id in waiting:
        ring(mainstem, "read_run", "sync", run_id, 64, once=True)
    for run_id in finished:
        ring(mainstem, "finish_run", "sync", run_id, once=True)
    for source_id in overdue:
        start_sync(mainstem, source_id)
    for source_id in unchecked:
        start_sync(mainstem, source_id, reconcile=True)
    for source_id in counting.stale(mainstem):
        ring(mainstem, "recount", "chores", source_id, once=True)
    if mail.to_send(mainstem):
        ring_for_mail(mainstem)
    for source_id in retention.to_sweep(mainstem):
        ring(mainstem, "sweep_activities", "chores", source_id, once=True)
    inbox.purge(mainstem)


def run_worker(mainstem: Mainstem, processes: int = 1) -> None:
    """Work at jobs until SIGINT or SIGTERM, then let those at hand end.

    Args:
        mainstem: The system.
        processes: How many jobs at once; one that dies is replaced.

    Raises:
        redis.exceptions.ConnectionError: Redis is out of reach.
    """
    redis_of(mainstem).ping()
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    context = multiprocessing.get_context("spawn")
    environ = dict(mainstem.environ) | {"REDIS_URL": redis_url(mainstem.settings)}

    def launch() -> Any:
        process = context.Process(target=_work, args=(environ, os.getpid()), daemon=False)
        process.start()
        return process

    children = [launch() for _ in range(processes)]
    away = False
    while not stop.wait(tick_seconds(mainstem)):
        try:
            redis_of(mainstem).ping()
            tick(mainstem)
        except (RedisError, ValkeyError, OperationalError) as error:
            # What is due stays due, and a process that ended without Redis would end again.
            if not away:
                log.warning("the database or Redis is out of reach, trying again: %s", str(error).partition("\n")[0])
            away = True
            continue
        except Exception:
            log.exception("tick failed")
        away = False
        children = [child if child.is_alive() else launch() for child in children]
    # The first request lets a job end, the second ends it: its pages are written, its lease will lapse.
    for ask in ("terminate", "terminate", "kill"):
        for child in children:
            getattr(child, ask)()
        for child in children:
            child.join(_PATIENCE_SECONDS)


def _work(environ: dict[str, str], parent: int) -> None:
    """One process that serves the queues."""
    # A terminal's Ctrl-C goes to the parent alone, which then asks this process once.
    os.setsid()
    os.environ.update(environ)
    logs.configure(logging.INFO)
    memory.tune()
    mainstem = _mainstem()
    # Nobody would tick or stop it any more.
    leave_with(parent)
    redis = redis_of(mainstem)
    mainstem.engine.dispose(close=False)
    _Worker([Queue(name, connection=redis) for name in QUEUES], connection=redis).work(logging_level="WARNING")


class _Worker(Worker):
    """Forks for each job a process that does not outlive it: the work is another one's by then."""

    def setup_work_horse_signals(self) -> None:
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        assert self.pid
        leave_with(self.pid)
