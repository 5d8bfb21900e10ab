"""What a data source would do, tried on a sample by the real pipeline in a transaction that is undone (R12)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.contract.errors import SourceError
from core.contract.fields import SYSTEM_FIELDS
from core.contract.types import Page
from core.db.bulk import rows_in, table_of
from core.db.models import Link, Organization, Person
from core.pipeline.apply import apply_batch, may_be_tried_again
from core.pipeline.matching import Stale
from core.pipeline.policy import Policy
from core.pipeline.shape import Batch, Shaper
from core.services.accounts import account_of
from core.services.configuration import read_config
from core.services.mainstem import Mainstem
from core.services.opening import Opened, insert
from core.services.policies import policy_of
from core.services.sampling import sample
from core.services.sources import get_source, now_utc

LINK = table_of(Link)
TABLES = {"person": table_of(Person), "organization": table_of(Organization)}
PAGES, EXAMPLES = 1, 3
_RETRIES = 5

OUTCOMES = ("created", "merged", "changed", "unchanged", "skipped", "refused")


@dataclass(frozen=True, slots=True)
class Change:
    """A value, side by side; None where there is none."""

    label: str
    type: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Example:
    """What would become of one record; ``reason`` says why it is refused, or is written although no value changes."""

    outcome: str
    name: str
    remote_id: str
    changes: Sequence[Change] = ()
    reason: str = ""


@dataclass(slots=True)
class Trial:
    """What would become of the sampled records of one object.

    ``counts`` are by :data:`OUTCOMES`; ``problem`` says why there is no sample.
    """

    key: str
    label: str
    kind: str
    sampled: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    examples: list[Example] = field(default_factory=list)
    problem: str | None = None


def dry_run(mainstem: Mainstem, opened: Opened) -> list[Trial]:
    """Try the choices on the first page of each object that becomes people or organizations.

    The vendor is asked first; then everything is written as the first sync would, compared, and undone.

    Args:
        mainstem: The system.
        opened: The account and the choices.

    Returns:
        One trial an object, in the plugin's order.

    Raises:
        Invalid: The choices do not fit the account.
        Conflict: The account is connected already.
    """
    manifest = mainstem.host.manifest(opened.plugin)
    config, _ = read_config(opened.config, manifest)
    account = account_of(mainstem, opened.row(manifest), config, draft_id=opened.draft_id)
    trials = [
        Trial(spec.key, spec.label, spec.kind)
        for spec in manifest.objects
        if spec.kind in TABLES and spec.key in config.objects
    ]
    pages: dict[str, list[Page]] = {}
    try:
        pages = sample(mainstem, account, [trial.key for trial in trials], PAGES)
    except SourceError as error:
        for trial in trials:
            trial.problem = str(error)
    for _ in range(_RETRIES):
        try:
            with _undone(mainstem.engine) as connection:
                source = get_source(connection, insert(connection, mainstem, opened))
                policy = policy_of(mainstem, connection, source, config, account, now_utc(), historical=True)
                batches = _apply(connection, policy, pages)
                _compare(mainstem.engine, connection, opened, policy, trials, batches)
            return trials
        except (Stale, IntegrityError):
            # Somebody else wrote the same meanwhile, or made the account a data source, which the next try tells.
            continue
        except DBAPIError as error:
            if not may_be_tried_again(error):
                raise
    raise RuntimeError("The dry run could not be made: others kept changing the same people")


@contextmanager
def _undone(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that may write whatever it likes and is rolled back."""
    with engine.connect() as connection:
        connection = connection.execution_options(mainstem_write=True)
        transaction = connection.begin()
        try:
            yield connection
        finally:
            transaction.rollback()


def _apply(connection: Connection, policy: Policy, pages: Mapping[str, Sequence[Page]]) -> dict[str, list[Batch]]:
    shaper = Shaper(policy)
    batches: dict[str, list[Batch]] = {}
    for key, read in pages.items():
        for page in read:
            batch = shaper.shape(page)
            apply_batch(connection, page, batch, policy)
            batches.setdefault(key, []).append(batch)
    return batches


def _compare(
    engine: Engine,
    connection: Connection,
    opened: Opened,
    policy: Policy,
    trials: Sequence[Trial],
    batches: Mapping[str, Sequence[Batch]],
) -> None:
    """Fill ``trials``: what ``connection`` sees now beside what everybody else sees."""
    labels = _labels(opened, policy)
    with engine.connect() as others:
        for trial in trials:
            of_object = batches.get(trial.key, ())
            records = [record for batch in of_object for record in batch.records if record.object == trial.key]
            ids = [record.link_id for record in records]
            links_then, links_now = _by_id(others, LINK, ids), _by_id(connection, LINK, ids)
            entities = {link.entity_id for link in links_now.values()}
            table = TABLES[trial.kind]
            then, now = _by_id(others, table, entities), _by_id(connection, table, entities)
            taken: set[UUID] = set()
            for record in records:
                link, before = links_now.get(record.link_id), links_then.get(record.link_id)
                if link is None:
                    trial.counts["skipped"] += 1
                    continue
                was = then.get(link.entity_id)
                was = None if was is None or was.stub else was
                changes = _changes(was, now[link.entity_id], labels, trial.kind)
                ours = was is None or was.initial_source_id == policy.source_id
                if was is None and link.entity_id not in taken:
                    outcome = "created"
                elif before is not None and _written(before) == _written(link):
                    outcome = "unchanged"
                elif policy.strategy == "ignore" and not ours:
                    outcome = "skipped"
                else:
                    outcome = "merged" if before is None or before.content_hash is None else "changed"
                taken.add(link.entity_id)
                trial.counts[outcome] += 1
                name = _name(now[link.entity_id], trial.kind) or record.remote_id
                reason = "" if changes else _why(outcome, before, link, policy.manifest.title)
                trial.examples.append(Example(outcome, name, record.remote_id, changes, reason))
            _add_rest(trial, of_object)


def _written(link: Row[Any]) -> tuple[Any, ...]:
    """Return what a sync changes of the link of each record that it counts as updated, though no value may change."""
    return link.content_hash, link.left_at, link.deleted_at


def _why(outcome: str, before: Row[Any] | None, link: Row[Any], vendor: str) -> str:
    """Say why a record is written although no value changes."""
    if outcome == "created":
        return "No value of it comes in."
    if before is None or before.content_hash is None:
        return "No value changes: it only becomes one with who is here."
    if before.deleted_at is not None and link.deleted_at is None:
        return f"No value changes. It was deleted at {vendor}, and is there again."
    if before.left_at is not None and link.left_at is None:
        return "No value changes. It did not meet the conditions, and meets those that are chosen now."
    if before.remote_updated_at != link.remote_updated_at:
        return (
            f"No value changes here. It was changed at {vendor} since it came in last: in its tags, organizations or "
            "activities, or in a value that does not come in or may not be changed here."
        )
    return (
        "No value changes. Other fields come in than when it was read last, or its tags, organizations or activities "
        f"at {vendor} are others."
    )


def _add_rest(trial: Trial, batches: Iterable[Batch]) -> None:
    """Add what the pipeline left out before it looked who is who, and keep a few examples of each outcome."""
    for batch in batches:
        counts = batch.counts[trial.key]
        trial.sampled += counts["read"]
        trial.counts["skipped"] += counts["skipped"]
        for row in batch.refused.values():
            trial.counts["refused"] += 1
            remote_id = row["remote_id"]
            trial.examples.append(Example("refused", remote_id or "without id", remote_id, reason=row["reason"]))
    shown = ("created", "merged", "changed", "refused")
    trial.examples = [
        example
        for outcome in shown
        for example in sorted(
            (each for each in trial.examples if each.outcome == outcome), key=lambda each: -len(each.changes)
        )[:EXAMPLES]
    ]


def _by_id(connection: Connection, table: Any, ids: Collection[UUID]) -> dict[UUID, Row[Any]]:
    return {row.id: row for row in rows_in(connection, [table], table.c.id, ids)}


def _labels(opened: Opened, policy: Policy) -> dict[str, tuple[str, str]]:
    """Return label and type of every field by its key here."""
    labels = {system.key: (system.label, str(system.type)) for fields in SYSTEM_FIELDS.values() for system in fields}
    for spec in opened.schema:
        labels.setdefault(f"{policy.manifest.name}.{spec.key}", (spec.label, spec.type))
    return labels


def _values(row: Row[Any] | None, kind: str) -> dict[str, Any]:
    if row is None:
        return {}
    columns = [
        system.key for system in SYSTEM_FIELDS["person" if kind == "person" else "organization"] if system.column
    ]
    return {**{key: row._mapping[key] for key in columns}, **row.fields}


def _changes(
    before: Row[Any] | None, after: Row[Any], labels: Mapping[str, tuple[str, str]], kind: str
) -> list[Change]:
    then, now = _values(before, kind), _values(after, kind)
    nothing: tuple[Any, ...] = (None, "", [])
    return [
        Change(*labels.get(key, (key, "text")), then.get(key), now.get(key))
        for key in {**then, **now}
        if then.get(key) != now.get(key) and not (then.get(key) in nothing and now.get(key) in nothing)
    ]


def _name(row: Row[Any], kind: str) -> str:
    if kind == "organization":
        return row.name or row.domain or ""
    return " ".join(part for part in (row.first_name, row.last_name) if part) or row.email or ""
