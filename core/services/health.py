"""Whether the installation works, and how to mend what does not: behind ``mainstem doctor`` and ``/readyz``."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from sqlalchemy import Engine, exists, func, or_, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from core.config import ConfigError, Settings
from core.db.migrate import pending
from core.db.models import DataSource, Partition, Run
from core.host import PluginConfigError
from core.runtime.valkey import EmbeddedValkey
from core.services import mail
from core.services.mainstem import Mainstem
from core.services.vault import VaultError

STUCK_AFTER = timedelta(minutes=10)
ACTIVE = ("queued", "running")
MAIL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: It is as it should be.
        detail: What was found; never a secret.
        mend: What to do about it; "" when there is nothing to do.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""


def configuration(environ: Mapping[str, str]) -> Check:
    """Check the settings, without which nothing else can be looked at."""
    try:
        settings = Settings.load(environ)
    except ConfigError as error:
        return Check("configuration", False, str(error), "set the variable as it says")
    return Check("configuration", True, f"instance folder {settings.instance}, public address {settings.public_url}")


def readiness(mainstem: Mainstem) -> list[Check]:
    """Check what a web request needs: database, tables, Redis."""
    return [*_database(mainstem.engine), _redis(mainstem.settings)]


def examine(mainstem: Mainstem) -> Iterator[Check]:
    """Check everything; what depends on something that is out of reach is left out."""
    in_reach = readiness(mainstem)
    yield from in_reach
    failed = {check.name for check in in_reach if not check.ok}
    if not failed & {"database", "tables"}:
        yield _keys(mainstem)
        yield _runs(mainstem.engine)
    if "redis" not in failed:
        yield from _queues(mainstem.settings)
    yield _mail(mainstem.settings)
    yield from _plugins(mainstem)


def workers_at_work(settings: Settings) -> int:
    """Return how many workers are alive, as far as Redis knows; none when the embedded one is at rest.

    Raises:
        redis.exceptions.RedisError: The Redis of ``REDIS_URL`` is out of reach.
    """
    try:
        with closing(_client(settings)) as client:
            return Worker.count(client)
    except RedisError:
        if settings.redis_url is not None:
            raise
        return 0


def _database(engine: Engine) -> Iterator[Check]:
    url = engine.url.render_as_string(hide_password=True)
    sqlite = engine.dialect.name == "sqlite"
    try:
        with engine.connect() as connection:
            version = connection.scalar(text("select sqlite_version()" if sqlite else "show server_version"))
        behind = pending(engine)
    except DBAPIError as error:
        yield Check(
            "database", False, f"{url}: {_said(error.orig or error)}", "start the database, or mend DATABASE_URL"
        )
        return
    yield Check("database", True, f"{url}, {'SQLite' if sqlite else 'PostgreSQL'} {version}")
    if behind:
        yield Check("tables", False, "they are not those of this version", "run mainstem init")
    else:
        yield Check("tables", True, "migrated to this version")


def _keys(mainstem: Mainstem) -> Check:
    with mainstem.engine.connect() as connection:
        rows = connection.execute(select(DataSource.id, DataSource.secrets).order_by(DataSource.id)).all()
    for id, sealed in rows:
        try:
            mainstem.vault.open(sealed)
        except VaultError:
            return Check(
                "keys",
                False,
                f"ENCRYPTION_KEYS cannot decrypt the credentials of data source {id}",
                "add the key they were encrypted with at the end of ENCRYPTION_KEYS",
            )
    return Check("keys", True, f"stored credentials of {len(rows)} data sources can be read")


def _runs(engine: Engine) -> Check:
    """Look for runs on which nobody works, though they are not finished and wait for no set time."""
    since = datetime.now(UTC) - STUCK_AFTER
    moved = exists().where(
        Partition.run_id == Run.id, or_(Partition.lease_until >= since, Partition.not_before >= since)
    )
    statement = (
        select(Run.id)
        .where(Run.state.in_(ACTIVE), Run.created_at < since, ~moved)
        .where(func.coalesce(Run.lease_until, Run.created_at) < since)
        .where(func.coalesce(Run.not_before, Run.created_at) < since)
        .order_by(Run.id)
    )
    with engine.connect() as connection:
        stuck = [str(id) for id in connection.scalars(statement)]
    if stuck:
        minutes = int(STUCK_AFTER.total_seconds() // 60)
        return Check(
            "runs",
            False,
            f"nobody has worked for {minutes} minutes on run {', '.join(stuck)}",
            "start mainstem worker, or read its log",
        )
    return Check("runs", True, "none is stuck")


def _redis(settings: Settings) -> Check:
    try:
        with closing(_client(settings)) as client:
            about: Any = client.info("server")
    except RedisError as error:
        if settings.redis_url is None:
            return Check("redis", True, "the embedded Valkey does not run; the first command that needs it starts it")
        return Check("redis", False, f"{_hidden(settings.redis_url)}: {_said(error)}", "start Redis, or mend REDIS_URL")
    where = _hidden(settings.redis_url) if settings.redis_url else "embedded"
    if "valkey_version" in about:
        return Check("redis", True, f"{where}, Valkey {about['valkey_version']}")
    return Check("redis", True, f"{where}, Redis {about['redis_version']}")


def _queues(settings: Settings) -> Iterator[Check]:
    workers = workers_at_work(settings)
    if workers:
        yield Check("workers", True, f"{workers} at work")
    else:
        yield Check("workers", False, "none is at work: syncs that are asked for wait", "start mainstem worker")
    lengths = {}
    with suppress(RedisError), closing(_client(settings)) as client:  # the embedded one may be at rest
        lengths = {queue.name: queue.count for queue in Queue.all(client)}
    waiting = ", ".join(f"{name} {length}" for name, length in sorted(lengths.items()))
    yield Check("queues", True, f"jobs waiting: {waiting}" if waiting else "no job is waiting")


def _mail(settings: Settings) -> Check:
    if settings.smtp_url is None:
        return Check("mail", True, "SMTP_URL is not set: mail is kept in the outbox page of the admin")
    url = urlsplit(settings.smtp_url)
    where = f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")
    try:
        with mail.server(settings, MAIL_SECONDS):
            pass
    except smtplib.SMTPAuthenticationError:
        return Check("mail", False, f"{where} refuses user or password", "mend SMTP_URL")
    except (OSError, smtplib.SMTPException) as error:
        return Check("mail", False, f"{where}: {_said(error)}", "start the mail server, or mend SMTP_URL")
    return Check("mail", True, f"{where} accepts mail")


def _plugins(mainstem: Mainstem) -> Iterator[Check]:
    for report in mainstem.host.report():
        name = f"plugin {report.name}"
        if report.state == "broken":
            mend = (
                f"mend or remove {report.distribution or report.name}, or set MAINSTEM_DISABLED_PLUGINS={report.name}"
            )
            yield Check(name, False, f"broken: {report.reason}", mend)
        elif report.state == "loaded":
            yield _variables(mainstem, report.name, report.version)
        else:
            yield Check(name, True, f"{report.state} {report.reason or report.version}".strip())


def _variables(mainstem: Mainstem, plugin: str, version: str) -> Check:
    try:
        given = mainstem.host.environment(plugin, mainstem.environ)
    except PluginConfigError as error:
        return Check(f"plugin {plugin}", False, str(error), "set the variable as it says")
    unset = [
        f"{variable.name} is not set ({variable.help.rstrip('.')})"
        for variable in mainstem.host.manifest(plugin).environment
        if variable.name not in given
    ]
    return Check(f"plugin {plugin}", True, "; ".join([f"loaded {version}".strip(), *unset]))


def _client(settings: Settings) -> redis.Redis:
    """Return a client that starts nothing."""
    url = settings.redis_url or EmbeddedValkey(settings.instance).url
    return redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)


def _hidden(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True) if "@" in url else url


def _said(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:; ")
