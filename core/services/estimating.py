"""How many of an account's records meet conditions, told while an admin builds them (R9).

A vendor counts its objects, but not those that meet conditions: a sample is read once, each set of conditions is put to
it, and the vendor's own count of all says what that amounts to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock, Thread
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from core.contract.errors import SourceError
from core.contract.fields import Entity
from core.contract.types import Account, FieldSpec, Record
from core.filters import Filter
from core.services.mainstem import Mainstem
from core.services.sampling import sample
from core.services.selecting import wanted_by, zone_of
from core.services.sources import now_utc

PAGES = 2
KEEP_SECONDS, KEEP_ERROR_SECONDS = 600.0, 20.0
PATIENCE = 3.0
"""For how many seconds whoever asks waits for a vendor."""


class Waiting(Exception):
    """The vendor has not answered yet; ask again."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many records of an object meet conditions.

    Attributes:
        label: The object's plural name.
        found: How many of the sample meet them.
        sampled: How many there are in the sample.
        total: How many the vendor has; None where it does not say.
    """

    label: str
    found: int
    sampled: int
    total: int | None

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
    manifest = mainstem.host.manifest(account.plugin)
    found = _sample_of(mainstem, account)
    wanted = wanted_by({kind: filter}, manifest, schema, now_utc(), zone_of(account.settings))
    return [
        Estimate(spec.label, sum(map(wanted[spec.key], records)), len(records), found.totals.get(spec.key))
        for spec in manifest.objects
        if spec.kind == kind and (records := found.records.get(spec.key)) is not None
    ]


_Key = tuple[str, str, tuple[str, ...]]
_samples: WeakKeyDictionary[Engine, dict[_Key, tuple[float, Future[_Sample]]]] = WeakKeyDictionary()
_lock = Lock()


def _sample_of(mainstem: Mainstem, account: Account) -> _Sample:
    """Return the sample that is kept in this process, or read one."""
    key = (account.plugin, account.remote_id, tuple(sorted(account.objects)))
    now = time.monotonic()
    with _lock:
        kept = _samples.setdefault(mainstem.engine, {})
        for old in [each for each, (since, future) in kept.items() if _is_stale(now - since, future)]:
            del kept[old]
        if key not in kept:
            kept[key] = (now, _in_background(mainstem, account))
        future = kept[key][1]
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        raise Waiting from None


def _is_stale(age: float, future: Future[_Sample]) -> bool:
    if not future.done():
        return False
    return age > (KEEP_ERROR_SECONDS if future.exception() else KEEP_SECONDS)


def _in_background(mainstem: Mainstem, account: Account) -> Future[_Sample]:
    future: Future[_Sample] = Future()

    def read() -> None:
        try:
            future.set_result(_read(mainstem, account))
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            future.set_exception(error)

    # Whoever stops the server does not wait for a vendor.
    Thread(target=read, name="sample", daemon=True).start()
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
