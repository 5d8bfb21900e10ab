"""What a full run has not come across: records that vanished at the vendor without a word (R20, R23).

Where the vendor was asked only for what meets the conditions of the admin (R9), it may also be what meets them no more.

A listing that was cut short must not cost anybody her records. So only objects are looked at of which every partition
was read, nothing was refused and about as many records came as the vendor says there are; and each record that was not
among them is asked for by its id before it counts as deleted. Where the vendor counts nothing, a listing that always
holds all (:attr:`core.contract.types.ObjectSpec.exhaustive`) must have come to its end at the first attempt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, select

from core.contract.errors import Reauthorise, SourceError
from core.contract.types import Account, ObjectSpec, Page, Ref
from core.db.bulk import insert_missing, table_of
from core.db.models import Link, Run, Seen
from core.pipeline.apply import Counts, apply_page, summed
from core.pipeline.ids import link_id
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.services.mainstem import Mainstem
from core.services.sources import now_utc

LINK, RUN, SEEN = table_of(Link), table_of(Run), table_of(Seen)

BATCH = 150
TOLERATED, TOLERATED_SHARE = 5, 0.01
"""By how many records, or by which share of them, a listing may differ from what the vendor counts."""


def refs_in(page: Page) -> list[Ref]:
    """Return what a page holds, refused or not."""
    return [Ref(item.object, item.remote_id) for item in page.records if item.remote_id]


def note_seen(connection: Connection, run_id: int, source_id: int, refs: Iterable[Ref]) -> None:
    """Write down which records a page of a full run holds, in the transaction that takes it in."""
    ids = sorted({link_id(source_id, ref.object, str(ref.remote_id)) for ref in refs})
    insert_missing(connection, SEEN, [{"run_id": run_id, "link_id": id} for id in ids])


def forget_seen(connection: Connection) -> None:
    """Forget what runs have seen that are over."""
    at_work = exists().where(RUN.c.id == SEEN.c.run_id, RUN.c.finished_at.is_(None))
    connection.execute(SEEN.delete().where(~at_work))


def find_vanished(
    mainstem: Mainstem,
    run: RowMapping,
    partitions: Sequence[RowMapping],
    counted: Mapping[str, int],
    account: Account,
    policy: Policy,
) -> dict[str, dict[str, Any]]:
    """Mark what vanished at the vendor as deleted, and what left the admin's selection.

    Args:
        mainstem: The system.
        run: A full run, or one that names in its scope of which objects records are sought.
        partitions: Its partitions, all of them finished.
        counted: How many records the vendor says there are to be read, by object.
        account: The data source as its plugin sees it.
        policy: How its records are taken in.

    Returns:
        By object, how many records were ``checked``, and how many of them are ``gone`` or ``left`` the selection; or
        under ``why`` the reason why that could not be told.
    """
    found: dict[str, dict[str, Any]] = {}
    counts = summed(row["counts"] for row in partitions)
    for spec in policy.manifest.objects:
        theirs = [row for row in partitions if row["object"] == spec.key]
        if not theirs or (run["kind"] != "full" and spec.key not in run["scope"].get("sought", ())):
            continue
        # Of what has only its activities, the vendor also counts what is older than any that are wanted.
        expected = _expected(theirs, None if spec.kind == "activity" else counted.get(spec.key))
        doubt = _doubt(spec, theirs, counts.get(spec.key, {}), expected)
        if doubt is None and not mainstem.host.implements(account.plugin, "fetch"):
            doubt = "single records cannot be asked for"
        if doubt is not None:
            found[spec.key] = {"why": doubt}
            continue
        since = _horizon(run, policy, spec.key) if spec.kind == "activity" else None
        found[spec.key] = _Search(mainstem, run, account, policy).check(spec.key, since)
    return found


def _expected(partitions: Iterable[RowMapping], counted: int | None) -> int | None:
    told = [row["expected"] for row in partitions]
    return counted if None in told else sum(told)


def _doubt(
    spec: ObjectSpec, partitions: Sequence[RowMapping], counts: Mapping[str, int], expected: int | None
) -> str | None:
    """Return why what was not listed may be there all the same; None if it should not."""
    if any(row["state"] != "done" for row in partitions):
        return "not everything could be read"
    if counts.get("rejected"):
        return "some records were refused"
    read = counts.get("read", 0)
    if expected is None:
        if not spec.exhaustive:
            return "the vendor does not say how many there are"
        if any(row["restarts"] for row in partitions):
            return "the listing broke off and was begun again"
        return None if read else "nothing was listed"
    if abs(read - expected) > max(TOLERATED, expected * TOLERATED_SHARE):
        return f"{read:,} were read, but the vendor says that there are {expected:,}"
    return None


def _horizon(run: RowMapping, policy: Policy, object: str) -> datetime | None:
    moments = [run["scope"]["horizons"].get(spec.key) for spec in policy.manifest.activities if spec.object == object]
    return None if None in moments or not moments else min(map(datetime.fromisoformat, moments))


class _Search:
    """Asks for the records of a data source that a full run has not come across."""

    def __init__(self, mainstem: Mainstem, run: RowMapping, account: Account, policy: Policy) -> None:
        self._mainstem = mainstem
        self._run_id = run["id"]
        self._source_id = run["source_id"]
        self._narrowed = frozenset(run["scope"].get("narrowed", ()))
        self._plugin = mainstem.host.source(account.plugin)
        self._account = account
        self._policy = policy

    def check(self, object: str, since: datetime | None) -> dict[str, Any]:
        found = Counter(checked=0, gone=0, left=0)
        while refs := self._missing(object, since):
            try:
                page = self._plugin.fetch(account=self._account, refs=refs)
            except Reauthorise:
                raise
            except SourceError as error:
                return {**found, "why": str(error)}
            counts = self._take_in(page, refs).get(object, {})
            found.update(checked=len(refs), gone=counts.get("deleted", 0), left=counts.get("left", 0))
        return dict(found)

    def _missing(self, object: str, since: datetime | None) -> list[Ref]:
        seen = exists().where(SEEN.c.run_id == self._run_id, SEEN.c.link_id == LINK.c.id)
        theirs = select(LINK.c.remote_id).where(
            LINK.c.source_id == self._source_id,
            LINK.c.object == object,
            LINK.c.content_hash.is_not(None),
            LINK.c.deleted_at.is_(None),
            ~seen,
        )
        if since is not None:
            theirs = theirs.where(LINK.c.remote_updated_at >= since)
        if object in self._narrowed:
            # That they left is known, and nothing more is wanted of them.
            theirs = theirs.where(LINK.c.left_at.is_(None))
        with self._mainstem.engine.connect() as connection:
            return [Ref(object, remote_id) for remote_id in connection.scalars(theirs.limit(BATCH))]

    def _take_in(self, page: Page, refs: Sequence[Ref]) -> Counts:
        policy = self._policy.at(now_utc())

        def checkpoint(connection: Connection, counts: Counts) -> None:
            # Of what the page does not name nothing is known: it stays, and is not asked for again.
            note_seen(connection, self._run_id, self._source_id, refs)

        return apply_page(self._mainstem.engine, page, Shaper(policy), policy, checkpoint)
