"""How a run is followed: bars on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from core.cli.output import tell
from core.services.mainstem import Mainstem
from core.services.progress import ObjectProgress, RunProgress, progress

PLAIN_SECONDS = 1.0
BARS_SECONDS = 0.25
_COUNTED = ("created", "updated", "unchanged", "skipped", "rejected")


class Follower:
    """Shows how far a run is; may be told to refresh from several threads, as often as they like.

    Args:
        mainstem: The system.
        run_id: The run.
    """

    def __init__(self, mainstem: Mainstem, run_id: int) -> None:
        self._mainstem = mainstem
        self._run_id = run_id
        self._lock = threading.Lock()
        self._shown_at = 0.0
        self._told = ""
        self._bars = Bars() if sys.stderr.isatty() else None
        self._every = BARS_SECONDS if self._bars else PLAIN_SECONDS

    def __enter__(self) -> Follower:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars:
            if error is None:
                self._bars.show(progress(self._mainstem, self._run_id))
            self._bars.stop()

    def refresh(self) -> None:
        """Show the present state, unless that was done a moment ago."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._shown_at >= self._every:
                self._show(progress(self._mainstem, self._run_id))
                self._shown_at = time.monotonic()
        finally:
            self._lock.release()

    def _show(self, run: RunProgress) -> None:
        if self._bars:
            self._bars.show(run)
        elif (text := line(run)) != self._told:
            self._told = text
            tell(text)


def follow(mainstem: Mainstem, run_id: int, between: Any = lambda: None) -> None:
    """Show how far a run is until it is finished.

    Args:
        mainstem: The system.
        run_id: The run.
        between: Called every half second; may raise to end it.
    """
    with Follower(mainstem, run_id) as follower:
        while not progress(mainstem, run_id).finished:
            between()
            follower.refresh()
            time.sleep(0.5)


class Bars:
    """One bar an object, and below them the rate, the requests and the time left.

    Args:
        console: Where to draw; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[label]:<16}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[text]}"),
            console=console or Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._foot: TaskID | None = None

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def show(self, run: RunProgress) -> None:
        for key, item in run.objects.items():
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task("", label=item.label, text="")
            ended = item.done == item.partitions
            read = item.counts["read"]
            # Without the vendor's own count the bar swings until the end is known.
            total: int | None = max(read, 1) if ended else (max(item.expected, read) if item.expected else None)
            completed = total if ended else read
            self._progress.update(self._tasks[key], total=total, completed=completed, text=counts(item))
        self._update_foot(run)

    def _update_foot(self, run: RunProgress) -> None:
        fields: dict[str, Any] = {"label": run.state, "text": pace(run), "visible": True}
        if self._foot is not None:
            self._progress.remove_task(self._foot)
        self._foot = self._progress.add_task("", total=1, completed=int(run.finished), **fields)


def line(run: RunProgress) -> str:
    """Return the state of a run as one line."""
    objects = ", ".join(f"{item.label.lower()} {_of(item)}" for item in run.objects.values())
    waiting = "; ".join(f"{item.label.lower()}: {waits(item)}" for item in run.objects.values() if item.waits)
    return " · ".join(part for part in (f"run {run.run} {run.state}", objects, pace(run), waiting) if part)


def pace(run: RunProgress) -> str:
    """Return rate, requests and time left."""
    parts = [f"{run.records_per_second:,.0f} records/s", f"{run.requests:,} requests"]
    if run.seconds_left is not None:
        parts.append(f"{duration(run.seconds_left)} left")
    return ", ".join(parts)


def counts(item: ObjectProgress) -> str:
    """Return what was read of an object and what became of it."""
    parts = [f"{item.counts[name]:,} {name}" for name in _COUNTED if item.counts[name]]
    return ", ".join([_of(item), *parts, *filter(None, (item.error, waits(item)))])


def waits(item: ObjectProgress) -> str:
    """Return until when an object waits and why; empty if it does not."""
    if not item.waits:
        return ""
    until = f" until {item.until.astimezone():%H:%M:%S}" if item.until else ""
    return f"waits{until} and goes on by itself: {item.waits}"


def _of(item: ObjectProgress) -> str:
    read = f"{item.counts['read']:,}"
    return read if item.expected is None else f"{read}/{item.expected:,}"


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``"45 s"``, ``"12 min"``, ``"3 h 5 min"``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def outcome(run: RunProgress) -> str:
    """Return what a finished run did, for people."""
    head = f"Run {run.run} {run.status} in {duration(run.seconds)}, {run.requests:,} requests"
    lines = [f"  {item.label}: {counts(item)}" for item in run.objects.values()]
    return "\n".join([head, *lines, *(f"  {line}" for line in found(run))])


def found(run: RunProgress) -> list[str]:
    """Return what was found at the end of a run, for people."""
    labels = {key: item.label for key, item in run.objects.items()}
    lines = []
    for key, told in run.report.get("objects", {}).items():
        if told.get("left"):
            what = f"{labels.get(key, key)}: {told['left']:,} came in before and no longer meet your conditions"
            lines.append(f"{what}; they stay and are no longer updated")
    for key, repaired in run.report.get("repaired", {}).items():
        done = ", ".join(f"{number:,} {what}" for what, number in repaired.items() if number)
        lines.append(f"Repaired by reconciliation: {labels.get(key, key)}: {done}")
    for key, vanished in run.report.get("vanished", {}).items():
        if vanished.get("gone"):
            lines.append(f"Vanished at the vendor: {labels.get(key, key)}: {vanished['gone']:,}")
    if run.report.get("reread"):
        names = ", ".join(labels.get(key, key) for key in run.report["reread"])
        lines.append(f"Does not add up, and is read anew: {names}")
    return lines
