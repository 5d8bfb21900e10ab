"""Engines and write transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from core.db.types import as_json


def make_engine(url: str) -> Engine:
    """Return an engine for ``url`` with the settings that Mainstem relies on.

    SQLite: write-ahead log, enforced foreign keys, waits for a lock for up to 30 s. PostgreSQL: no server-side
    prepared statements, since a plan made on an empty table would be kept while the table grows; 32 MB for a sort or
    a set.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            json_serializer=as_json,
            hide_parameters=True,
            # Few connections, each with a warm cache: one writes at a time anyhow.
            pool_size=2,
            max_overflow=30,
            pool_use_lifo=True,
            connect_args={"timeout": 30, "check_same_thread": False},
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        json_serializer=as_json,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=30,
        connect_args={"prepare_threshold": None},
    )
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: Any, record: Any) -> None:
    # Filters make sets of hundreds of thousands of ids, which shall stay in memory. Compiling a plan takes longer than
    # most of them.
    connection.execute("SET work_mem = '32MB'; SET jit = off")
    connection.commit()


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "cache_size=-16000",
    # A page of records touches a thousand leaves of indexes. Copied back less often, most of them are copied once for
    # many pages; the log is at most 32 MB.
    "wal_autocheckpoint=8000",
)


def _configure_sqlite(connection: Any, record: Any) -> None:
    # The driver's own transaction handling is off: it would begin too late, and never immediately.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # SQLite's own knows the letters of ASCII alone.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("mainstem_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that will write; commits at the end, rolls back on an exception.

    On SQLite the write lock is taken at once: a transaction that reads first and writes later would otherwise fail
    when another one wrote in between.
    """
    with _turn(engine), engine.connect() as connection:
        connection = connection.execution_options(mainstem_write=True)
        with connection.begin():
            yield connection


_turns: WeakKeyDictionary[Engine, AbstractContextManager[Any]] = WeakKeyDictionary()


def _turn(engine: Engine) -> AbstractContextManager[Any]:
    """Let the threads of a process write to SQLite in turn: its own way of waiting is to look again and again."""
    return _turns.setdefault(engine, threading.RLock()) if engine.dialect.name == "sqlite" else nullcontext()
