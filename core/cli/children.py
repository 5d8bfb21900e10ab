"""Child processes that live no longer than the command that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import click

from core.runtime.parent import PARENT

# The signals that ask a command to end.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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

    Whoever asks this process to end raises KeyboardInterrupt in it, by whichever signal, but only once: a second
    Ctrl-C does not cut short the stopping.

    Args:
        logs: Folder for their logs, one file each, made anew.
        afterwards: Called once all are stopped, as undisturbed as that.
    """

    def __init__(self, logs: Path, afterwards: Callable[[], None] = lambda: None) -> None:
        self._logs = logs
        self._afterwards = afterwards
        self._children: list[Child] = []
        self._asked = False
        self._leaving = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Children:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handlers = {number: signal.signal(number, self._asked_to_end) for number in ENDINGS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leaving = True
        self._stop()
        self._afterwards()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:
        if not (self._asked or self._leaving):
            self._asked = True
            raise KeyboardInterrupt

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
        """Make sure that all are alive, and that nobody wants them to end.

        Raises:
            click.ClickException: One is not; names it and shows the end of its log.
            KeyboardInterrupt: This process was asked to end where the exception got lost: Python drops what is raised
                in a finalizer.
        """
        if self._asked:
            raise KeyboardInterrupt
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                lines = [line[:LINE] for line in child.log.read_text(errors="replace").splitlines()[-LAST_LINES:]]
                raise click.ClickException(
                    "\n".join([f"The {child.name} ended by itself ({_how(code)}); the end of {child.log}:", *lines])
                )

    def _stop(self) -> None:
        while self._children:
            child = self._children.pop()
            _end(child.process)
            if child.process.stdout:
                child.process.stdout.close()


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
