"""How many of an account's records meet conditions, told while an admin builds them (R9).

Some vendors count what meets conditions. Of the others a sample is read once, each set of conditions is put to it, and
the vendor's own count of all says what that amounts to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from core.contract.errors import Retry, SourceError
from core.contract.fields import Entity
from core.contract.types import Account, Conditions, FieldSpec, Record
from core.filters import Filter
from core.services.mainstem import Mainstem
from core.services.policies import count_selected
from core.services.sampling import sample
from core.services.selecting import selection_of, wanted_by, zone_of
from core.services.sources import now_utc

PAGES = 2
KEEP_SAMPLE, KEEP_COUNT, KEEP_ERROR = 600.0, 60.0, 20.0
"""For how many seconds what a vendor answered holds."""
PATIENCE = 3.0
"""For how many seconds whoever asks waits for a vendor."""

T = TypeVar("T")


class Waiting(Exception):
    """The vendor has not answered yet; ask again."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many records of an object meet conditions.

    Attributes:
        label: The object's plural name.
        found: How many of the sample meet them; of all, where the vendor counted.
        sampled: How many there are in the sample; 0 where the vendor counted.
        total: How many the vendor has; None where it does not say.
        counted: The vendor counted those that meet them.
    """

    label: str
    found: int
    sampled: int = 0
    total: int | None = None
    counted: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether the sample is all there is."""
        return self.total is not None and self.sampled >= self.total

    @property
    def projected(self) -> int | None:
        """How many of all would meet them if the others were like the sample, to two digits; None if nobody knows."""
        if self.total is None or not self.sampled:
            return None
        found = self.found * self.total // self.sampled
        unit: int = 10 ** max(0, len(str(found)) - 2)
        return round(found / unit) * unit


@dataclass(frozen=True, slots=True)
class _Sample:
    records: Mapping[str, Sequence[Record]]
    totals: Mapping[str, int]


def estimate(
    mainstem: Mainstem, account: Account, schema: Sequence[FieldSpec], kind: Entity, filter: Filter
) -> list[Estimate]:
    """Return for each chosen object that becomes ``kind`` how many of its records meet ``filter``.

    The vendor is asked at the pace of the account's limiter, once in a while and for one reader at a time.

    Args:
        mainstem: The system.
        account: Opened; its objects are the chosen ones.
        schema: The account's fields.
        kind: What the records become.
        filter: The conditions.

    Raises:
        Waiting: The vendor has not answered yet.
        core.contract.errors.SourceError: It cannot answer.
    """
    manifest, zone, now = mainstem.host.manifest(account.plugin), zone_of(account.settings), now_utc()
    specs = [spec for spec in manifest.objects if spec.kind == kind and spec.key in account.objects]
    conditions = selection_of({kind: filter}, manifest, schema, now, zone)
    asked = {spec.key: conditions[spec.key] for spec in specs}
    deadline = time.monotonic() + PATIENCE
    counted = _counted(mainstem, account, asked, deadline)
    if counted.keys() >= asked.keys():
        return [Estimate(spec.label, counted[spec.key], counted=True) for spec in specs]
    found = _sample_of(mainstem, account, deadline)
    wanted = wanted_by({kind: filter}, manifest, schema, now, zone)
    return [
        Estimate(spec.label, counted[spec.key], counted=True)
        if spec.key in counted
        else Estimate(spec.label, sum(map(wanted[spec.key], records)), len(records), found.totals.get(spec.key))
        for spec in specs
        if (records := found.records.get(spec.key)) is not None
    ]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a vendor was asked, since when, and for how long it holds."""

    since: float
    seconds: float
    future: Future[Any]

    @property
    def is_stale(self) -> bool:
        if not self.future.done():
            return False
        return time.monotonic() - self.since > (KEEP_ERROR if self.future.exception() else self.seconds)


_answers: WeakKeyDictionary[Engine, dict[Hashable, _Answer]] = WeakKeyDictionary()
_lock = Lock()


def _counted(
    mainstem: Mainstem, account: Account, asked: Mapping[str, Conditions], deadline: float
) -> Mapping[str, int]:
    if not asked or not mainstem.host.implements(account.plugin, "count_selected"):
        return {}
    key = (account.plugin, account.remote_id, tuple(asked.items()))

    def count() -> Mapping[str, int]:
        try:
            return count_selected(mainstem, account, asked)
        except Retry as error:
            account.log.info("the vendor does not count now: %s", error)
            return {}

    return _answer(mainstem, key, KEEP_COUNT, count, deadline)


def _sample_of(mainstem: Mainstem, account: Account, deadline: float) -> _Sample:
    key = (account.plugin, account.remote_id, tuple(sorted(account.objects)))
    return _answer(mainstem, key, KEEP_SAMPLE, lambda: _read(mainstem, account), deadline)


def _answer(mainstem: Mainstem, key: Hashable, seconds: float, ask: Callable[[], T], deadline: float) -> T:
    """Return the answer that is kept in this process, or ask for one: once for all who wait for it.

    Raises:
        Waiting: There is none by ``deadline``.
    """
    with _lock:
        kept = _answers.setdefault(mainstem.engine, {})
        for old in [each for each, answer in kept.items() if answer.is_stale]:
            del kept[old]
        if key not in kept:
            kept[key] = _Answer(time.monotonic(), seconds, _in_background(ask))
        future: Future[T] = kept[key].future
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        raise Waiting from None


def _in_background(ask: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            future.set_exception(error)

    # Whoever stops the server does not wait for a vendor.
    Thread(target=run, name="estimate", daemon=True).start()
    return future


def _read(mainstem: Mainstem, account: Account) -> _Sample:
    manifest = mainstem.host.manifest(account.plugin)
    objects = [spec.key for spec in manifest.objects if spec.kind in ("person", "organization")]
    account = replace(account, objects={key: account.objects[key] for key in objects if key in account.objects})
    pages = sample(mainstem, account, list(account.objects), PAGES)
    records = {
        key: [record for page in of for record in page.records if isinstance(record, Record) and record.object == key]
        for key, of in pages.items()
    }
    return _Sample(records, _totals(mainstem, account))


def _totals(mainstem: Mainstem, account: Account) -> Mapping[str, int]:
    if not mainstem.host.implements(account.plugin, "count"):
        return {}
    try:
        return mainstem.host.source(account.plugin).count(account=account)
    except SourceError as error:
        account.log.info("the vendor does not count: %s", error)
        return {}
