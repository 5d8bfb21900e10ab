"""What the host asks beside listings: single records, counts, a longer past."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from core.contract.errors import Refused
from core.contract.types import Page, Record, Ref, Refusal, Scope
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.tables import tables
from core.kit.trial import Trial, outcome
from core.kit.world import name

MOST = 20
"""Records of an object that are read by their ids."""


@rule(
    "needed",
    breaks="What the vendor answers with 404 is left out of the page, so it stays for ever.",
    after=("order_free",),
)
def fetched(trial: Trial) -> None:
    """Records read by their ids are those of the listings, each once; what the vendor does not have is told as deleted.

    The host asks to retry what was refused, and to learn what became of records that listings no longer show: what is
    told as deleted is archived, what is not told stays.
    """
    known = list(_some(trial))
    lost = [Ref(object, _lost(key)) for object, key in {ref.object: ref.remote_id for ref in known}.items()]
    page = outcome(trial.usual.source().fetch, account=trial.usual.account, refs=[*known, *lost, *known[:3]])
    if isinstance(page, Refused):
        raise NotApplicable(f"nothing can be read by its id: {page}")
    if not isinstance(page, Page) or page.next is not None:
        raise Broken(f"fetch returns {page!r:.100}, not a Page without next")
    named = Counter(Ref(item.object, item.remote_id) for item in page.records)
    refused = {Ref(item.object, item.remote_id) for item in page.records if isinstance(item, Refusal)}
    for ref in named:
        if ref not in (*known, *lost) or named[ref] > 1:
            raise Broken(f"fetch returns {ref.object} {ref.remote_id} {named[ref]} times, unasked or more than once")
    for ref in known:
        # An object none of which can be read by its id says so for each.
        if ref not in named or (ref in refused and not refused >= {of for of in known if of.object == ref.object}):
            what = "as deleted" if ref in page.deleted else "as refused" if ref in refused else "not at all"
            raise Broken(f"{ref.object} {ref.remote_id} is listed, and fetch names it {what}")
    for ref in lost:
        if ref not in page.deleted and ref not in refused:
            raise Broken(f"fetch does not name {ref.object} {ref.remote_id}, which does not exist, in Page.deleted")
    with tables(trial.policy, trial.filled) as database:
        for object, told in database.apply([page]).items():
            if changed := {key: told[key] for key in ("created", "updated", "merged", "deleted") if told.get(key)}:
                raise Broken(f"{object}: read by its id a record is another than in the listing: {changed}")


def _some(trial: Trial) -> Iterator[Ref]:
    taken: Counter[str] = Counter()
    for object, key in dict.fromkeys((record.object, record.remote_id) for record in trial.reading.records):
        taken[object] += 1
        if taken[object] <= MOST:
            yield Ref(object, key)


def _lost(key: str) -> str:
    """Return an id of the same form that nothing has."""
    return re.sub(r"\d+$", "987654321", key) if key[-1:].isdigit() else f"{key}0"


@rule("good", breaks="It returns how many rows the first page has.", after=("complete",))
def counted(trial: Trial) -> None:
    """The vendor's counts are those of what is read, and of nothing that is not selected.

    The admin is shown how complete the import is: a count of something else says for ever that records are missing.
    """
    source, account = trial.usual.source(), trial.usual.account
    counts = source.count(account=account)
    if not counts:
        raise NotApplicable("the vendor counts nothing")
    for object, counted in counts.items():
        if object not in account.objects or type(counted) is not int:
            raise Broken(f"count returns {counted!r} for {object!r}: whole numbers of selected objects")
        if counted != (read := len(trial.reading.ids([object]))):
            raise Broken(f"count says that there are {counted} of {object!r}, and {read} are read")
        alone = source.count(account=replace(account, objects={object: None}))
        if alone.keys() - {object}:
            raise Broken(f"with {object!r} alone selected, count returns {', '.join(sorted(alone))}")


@rule("good", breaks="`Page.expected` is the number of rows on the page.", after=("complete", "ties"))
def expected(trial: Trial) -> None:
    """What a page expects is what its whole partition brings.

    Progress and the time that is left are computed of it.
    """
    told: dict[str, int] = {}
    brought: Counter[str] = Counter()
    for step in trial.reading.steps:
        where, page = name(step.partition), step.page
        brought[where] += len(page.records) + len(page.deleted) + sum(page.unchanged.values())
        if page.expected is not None:
            told[where] = page.expected
    if not told:
        raise NotApplicable("the vendor does not tell how much there is")
    for where, number in told.items():
        if number != brought[where]:
            raise Broken(f"{where}: {number} are expected, and {brought[where]} come")


@rule("needed", breaks="The past is read from the moment on at which it ends.", after=("incremental",))
def longer_past(trial: Trial) -> None:
    """When activities are to be kept for longer, those of the missing time are read.

    With `Manifest.past` only they are: all that was changed since the horizon and created before the moment up to which
    activities are missing. Without it everything is read again.
    """
    if not trial.manifest.past:
        raise NotApplicable("manifest.past is not set")
    now = datetime.now(UTC)
    for spec in trial.manifest.objects:
        records = [found for found in trial.reading.records if found.object == spec.key]
        dated = [found for found in records if found.created_at and found.updated_at]
        if spec.kind != "activity" or not dated:
            continue
        until = _between(0.5, (found.created_at for found in dated if found.created_at))
        horizon = _between(0.25, (found.updated_at for found in dated if found.updated_at))
        scope = Scope({key.key: now for key in trial.manifest.objects}, horizon, {spec.key: until})
        world = trial.world()
        planned = [partition for partition in world.plan(scope) if partition.object == spec.key]
        missing = {_id(found) for found in dated if _is_past(found, horizon, until)} - world.read(planned).ids(
            [spec.key]
        )
        if missing:
            raise Broken(
                f"{len(missing)} {spec.key} of the time before {until:%Y-%m-%d} are missing: {min(missing)[1]}"
            )


def _between(share: float, moments: Iterable[datetime]) -> datetime:
    """Return the middle of two neighbours, so that a share of the moments lies before it."""
    given = sorted(moments)
    later = max(1, int(len(given) * share)) if len(given) > 1 else 0
    return given[later - 1] + (given[later] - given[later - 1]) / 2


def _id(record: Record) -> tuple[str, str]:
    return record.object, record.remote_id


def _is_past(record: Record, horizon: datetime, until: datetime) -> bool:
    return bool(record.updated_at and record.created_at and record.updated_at >= horizon and record.created_at < until)
