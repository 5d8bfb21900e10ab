"""Child processes that live no longer than the command that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import click

from core.runtime.parent import PARENT

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end."""

# A worker lets the page at hand end, and breaks it off when that takes long.
PATIENCE = ((signal.SIGTERM, 25.0), (signal.SIGKILL, 5.0))
# What is shown of the log of a child that ended by itself: lines, and characters of each.
LAST_LINES = 10
LINE = 300


@dataclass(frozen=True)
class Child:
    """A process of ours: what people call it, and the file that holds its log."""

    name: str
    process: subprocess.Popen[str]
    log: Path


class Children:
    """Starts commands of Mainstem as child processes; at the end it stops them, the last one first.

    Args:
        logs: Folder for their logs, one file each, made anew.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start ``mainstem`` with ``arguments``; its standard output can be read from the child's process.

        It gets a process group of its own, so that Ctrl-C reaches us alone and we stop it in order; should we be
        killed, it ends by itself.
        """
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={**environ, PARENT: str(os.getpid())},
                text=True,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Make sure that all are alive.

        Raises:
            click.ClickException: One is not; names it and shows the end of its log.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                lines = [line[:LINE] for line in child.log.read_text(errors="replace").splitlines()[-LAST_LINES:]]
                raise click.ClickException(
                    "\n".join([f"The {child.name} ended by itself ({_how(code)}); the end of {child.log}:", *lines])
                )

    def stop(self) -> None:
        """Stop all of them, the last one first, and wait for each; nothing disturbs it."""
        with _undisturbed():
            while self._children:
                child = self._children.pop()
                _end(child.process)
                if child.process.stdout:
                    child.process.stdout.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore that somebody wants us to end: we are at it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[str]) -> None:
    for number, seconds in PATIENCE:
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
    # What it started itself and did not stop.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
