"""How much of the vendor's rate limit is used, and how much faster several cursors are than one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from rq import Worker

from benchmarks.support import Databases, Vendor, connect, databases, figure, mainstem, vendor
from core.config import Settings
from core.jobs import redis_of
from core.runtime.valkey import stop_embedded
from core.services.mainstem import Mainstem

RPM = 10_000
WARM_UP = 10.0
EVERYTHING = {"retention": {"days": None}}


def run() -> None:
    """Print the share of the limit that a backfill uses, alone and with two workers, and the gain of the split."""
    with databases() as bases:
        for latency in (100, 300):
            _backfill(bases, latency, workers=0)
        _backfill(bases, 100, workers=2)
        _split(bases)


def _backfill(bases: Databases, latency: int, workers: int, conversations: int = 5_000) -> None:
    size: dict[str, Any] = {"people": 1_000, "companies": 50, "conversations": conversations}
    with vendor(latency_ms=latency, rpm=RPM, **size) as at:
        url = bases.fresh("postgresql")
        instance = bases.folder / f"limits-{latency}-{workers}"
        objects = dict.fromkeys(("contact", "conversation"), "all")
        source = connect(url, instance, at, objects=objects, **EVERYTHING)
        requests.post(f"{at.url}/_sandbox/requests/reset", timeout=30)
        with _workers(workers, url, instance, at), _sampled(at) as samples:
            how = "--wait" if workers else "--inline"
            done = mainstem(["sources", "sync", str(source), how], url, instance, at)
        counted = at.requests()
        used = _rate(samples) / (RPM / 60)
        detail = {"latency_ms": latency, "workers": workers, "seconds": done.output["seconds"]}
        refused = counted["rate_limited"] / counted["total"]
        name = f"limits.{latency}ms" + (f".{workers}workers" if workers else "")
        figure(f"{name}.used", used, "of the limit", **detail)
        figure(f"{name}.refused", refused, "of the requests", requests=counted["total"])


def _rate(samples: list[tuple[float, int]]) -> float:
    """Return the requests a second between the end of the warm-up and the last moment of full work."""
    start = samples[0][0]
    steady = [sample for sample in samples if sample[0] - start >= WARM_UP]
    peak = max((b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(steady))
    # The end of a run, when the last conversations trickle in, is not the engine's speed.
    while len(steady) > 2 and (steady[-1][1] - steady[-2][1]) / (steady[-1][0] - steady[-2][0]) < peak / 2:
        steady.pop()
    return (steady[-1][1] - steady[0][1]) / (steady[-1][0] - steady[0][0])


@contextmanager
def _sampled(at: Vendor) -> Iterator[list[tuple[float, int]]]:
    """Note every second how many requests the vendor has had."""
    samples: list[tuple[float, int]] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(1.0):
            total = at.requests()["total"]
            if samples or total > 5:
                samples.append((time.perf_counter(), total))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


@contextmanager
def _workers(number: int, url: str, instance: Path, at: Vendor) -> Iterator[None]:
    """Let worker processes serve the queue while the block runs, in which they wait; their Valkey ends with them."""
    if not number:
        yield
        return
    environ = {**os.environ, "DATABASE_URL": url, "MAINSTEM_INSTANCE": str(instance), **at.environment}
    process = subprocess.Popen([sys.executable, "-m", "core.cli", "worker", "-n", str(number)], env=environ)
    try:
        redis = redis_of(Mainstem.open(environ))
        while Worker.count(connection=redis) < number:
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()
        stop_embedded(Settings.load(environ))


def _split(bases: Databases, people: int = 100_000) -> None:
    """Compare the first load of contacts, split by days, with the same load by one cursor.

    One cursor is what is read where nobody knows the workspace's days: the same engine, the same data.
    """
    for kind in ("one", "split", "split.2workers"):
        zone = "nowhere" if kind == "one" else "UTC"
        with vendor(prerendered={"latency": 0.1, "zone": zone}, people=people, companies=0, conversations=0) as at:
            url, instance = bases.fresh("postgresql"), bases.folder / f"contacts-{kind}"
            source = connect(url, instance, at, objects={"contact": "all"})
            if kind == "split.2workers":
                with _workers(2, url, instance, at):
                    done = mainstem(["sources", "sync", str(source), "--wait"], url, instance, at)
            else:
                done = mainstem(["sources", "sync", str(source), "--inline"], url, instance, at)
            seconds = done.output["seconds"]
            if kind == "one":
                one = seconds
            figure(
                f"contacts.{kind}", people / seconds, "records/s", seconds=seconds, times_one=round(one / seconds, 2)
            )
