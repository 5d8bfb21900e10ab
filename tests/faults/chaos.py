"""A seeded schedule of power cuts and outages while Mainstem reads a vendor that fails and changes."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil
import redis
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from core import jobs
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Partition, Run, WebhookDelivery
from core.services import syncing
from core.services.connecting import connect
from core.services.syncing import RunProgress
from tests.faults import proof
from tests.faults.installation import Installation, until
from tests.webhooks.conftest import CONFIG

RUN, PARTITION, SOURCE, DELIVERY = (table_of(model) for model in (Run, Partition, DataSource, WebhookDelivery))
SIZE = {"people": 1_500, "companies": 150, "conversations": 600, "rpm": 0, "latency_ms": 50}
MALFORMED = "malformed:0.004"
FAULTS = (
    f"429:0.01,500:0.01,html502:0.01,empty200:0.01,truncated:0.01,reset:0.01,timeout:0.005,hold:1,"
    f"bad_cursor:1,scroll500:1,empty_scroll:1,{MALFORMED}"
)
DECK = (
    ["kill the workers"] * 4 + ["kill a process of a worker"] * 5 + ["kill the web admin"] * 3 + ["kill Valkey"] * 3
    + ["FLUSHALL"] * 2 + ["restart the database"] * 1 + ["crash the database"] * 2
)  # fmt: skip
MOST_CHANGES = 8
SHORT = 60.0
SHORT_PAUSE, LONGEST_PAUSE = 1.5, 8.0
LAST_RUNS = 4
LOG_END = 8_000


class Chaos:
    """One installation and what happens to it.

    Args:
        stack: Ends it.
        seed: Chooses the events, and the vendor's data and faults.
        tell: Is told of each event.
    """

    def __init__(self, stack: ExitStack, seed: int, tell: Callable[[str], None]) -> None:
        self._dice = random.Random(seed)
        self._tell = tell
        self._began = time.monotonic()
        self.installation = Installation(stack, {**SIZE, "seed": seed})
        self.mainstem = self.installation.mainstem
        self.vendor = self.installation.vendor
        proof.note_pages(self.mainstem.engine)
        self._source = connect(self.mainstem, "intercom", {**CONFIG, "credentials": self.vendor.credentials}, "chaos")
        self.run_id = self._sync()

    def rage(self, seconds: float) -> None:
        """Let every event of the deck happen, and more of them until ``seconds`` are over; a long storm has pauses."""
        longest = LONGEST_PAUSE if seconds > SHORT else SHORT_PAUSE
        self.vendor.change("set_faults", spec=FAULTS)
        deadline = time.monotonic() + seconds
        for turn in itertools.count():
            for event in self._dice.sample(DECK, len(DECK)):
                if turn and time.monotonic() >= deadline:
                    return
                self.vendor.simulate(1 + self._dice.randrange(MOST_CHANGES))
                self._say(event)
                self._events()[event]()
                # The moment of the next event is part of the schedule.
                time.sleep(self._dice.uniform(0.1, longest))
                self._go_on()
                if self._progress().finished:
                    self._finish()
                    self.run_id = self._sync(full=True)

    def calm(self) -> None:
        """End all faults but those of single records, and wait until Mainstem knows everything."""
        self._say("calm")
        self.vendor.change("set_faults", spec=MALFORMED)
        until(lambda: answers_all(self.vendor.behind("webhooks")), "all webhooks were sent", self._go_on)
        self._finish()
        for _ in range(LAST_RUNS):
            self.run_id = self._sync()
            if self._finish().state in ("succeeded", "partial") and not self._failed():
                break
        until(lambda: self._pending() == 0, "all webhooks are worked off", self._go_on)

    def _events(self) -> dict[str, Callable[[], Any]]:
        installation = self.installation
        return {
            "kill the workers": lambda: installation.kill("worker"),
            "kill a process of a worker": self._kill_one,
            "kill the web admin": lambda: installation.kill("web"),
            "kill Valkey": self._lose_valkey,
            "FLUSHALL": installation.flush,
            "restart the database": lambda: self._lose_database(crash=False),
            "crash the database": lambda: self._lose_database(crash=True),
        }

    def _kill_one(self) -> None:
        processes = self.installation.processes("worker")
        if processes:
            try:
                self._dice.choice(processes).kill()
            except psutil.NoSuchProcess:
                return

    def _lose_valkey(self) -> None:
        self.installation.kill_valkey()
        time.sleep(self._dice.uniform(0, 1))
        self.installation.valkey.start()

    def _lose_database(self, crash: bool) -> None:
        self.installation.stop_database(crash)
        time.sleep(self._dice.uniform(0, 1))
        self.installation.postgres.resume()

    def _go_on(self) -> None:
        """Start again what has died, and let no wait last that would outlast a test."""
        self.installation.keep_up()
        with writing(self.mainstem.engine) as connection:
            for table in (RUN, PARTITION, DELIVERY):
                connection.execute(table.update().where(table.c.not_before.is_not(None)).values(not_before=None))
            left_alone = (SOURCE.c.lease_token.is_(None), SOURCE.c.lease_until.is_not(None))
            connection.execute(SOURCE.update().where(*left_alone).values(lease_until=None))

    def _sync(self, full: bool = False) -> int:
        while True:
            try:
                return jobs.start_sync(self.mainstem, self._source, full)
            except (redis.exceptions.ConnectionError, OperationalError):
                self._go_on()

    def _progress(self) -> RunProgress:
        return syncing.progress(self.mainstem, self.run_id)

    def _finish(self) -> RunProgress:
        until(lambda: self._progress().finished, "the sync is over", self._go_on)
        progress = self._progress()
        self._say(f"run {self.run_id}, {progress.kind}: {progress.state}, {progress.read} read; {progress.error}")
        return progress

    def _failed(self) -> int:
        failed = select(func.count()).where(PARTITION.c.run_id == self.run_id, PARTITION.c.state == "failed")
        with self.mainstem.engine.connect() as connection:
            return connection.scalar(failed) or 0

    def _pending(self) -> int:
        with self.mainstem.engine.connect() as connection:
            return connection.scalar(select(func.count()).where(DELIVERY.c.state == "pending")) or 0

    def _say(self, event: str) -> None:
        self._tell(f"{time.monotonic() - self._began:6.1f} s  {event}")


def answers_all(webhooks: Any) -> bool:
    """Tell whether each delivery was taken, or tried as often as it ever will."""
    return all(_taken(one) or len(one["statuses"]) == 2 for one in webhooks["deliveries"])


def _taken(delivery: Any) -> bool:
    return any(200 <= status < 300 for status in delivery["statuses"])


def run(seed: int, tell: Callable[[str], None], seconds: float) -> None:
    """Let chaos reign, then prove that nothing was lost, doubled or written at the vendor.

    Raises:
        AssertionError: Something was; the text says what.
    """
    tell(f"seed {seed}, process {os.getpid()}")
    with ExitStack() as stack:
        chaos = Chaos(stack, seed, tell)
        try:
            chaos.rage(seconds)
            chaos.calm()
            proof.check(stack, chaos.installation, tell)
        except BaseException:
            for role in ("worker", "web"):
                tell(f"--- the end of {role}.log\n{chaos.installation.log(role)[-LOG_END:]}")
            raise
