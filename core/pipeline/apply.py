"""One page, from the plugin's hands into the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, and_, exists, select
from sqlalchemy.exc import DBAPIError

from core.contract.errors import Retry
from core.contract.types import Kind, Page, Ref
from core.db.bulk import rows_in, table_of, upsert
from core.db.engine import writing
from core.db.models import Article, Collection, Organization, Person, RefusedRecord
from core.pipeline.entities import ORGANIZATION, PERSON, make_stubs
from core.pipeline.erasure import Erasures, without_erased
from core.pipeline.ids import in_order, refusal_id
from core.pipeline.keys import Keys, claimed_by
from core.pipeline.links import LINK, Links
from core.pipeline.matching import Matcher, Stale, without_match
from core.pipeline.policy import Policy
from core.pipeline.related import (
    refs_of,
    write_activities,
    write_articles,
    write_collections,
    write_memberships,
    write_tags,
)
from core.pipeline.shape import Batch, Shaped, Shaper

REFUSED = table_of(RefusedRecord)
_RETRIES = 10

Counts = Mapping[str, Mapping[str, int]]
"""By object: how many records were ``read, created, updated, unchanged, skipped, rejected, merged, deleted``.

Of the skipped those count as ``left`` that came in before and do not meet the admin's conditions any more.
"""

_DEADLOCK_OR_CONFLICT = ("40P01", "40001")
"""PostgreSQL's error codes of a transaction that only has to be tried again."""


def apply_page(
    engine: Engine, page: Page, shaper: Shaper, policy: Policy, checkpoint: Callable[[Connection, Counts], None]
) -> Counts:
    """Take in a page, and its checkpoint, in one transaction.

    Args:
        engine: The database.
        page: What the plugin returned.
        shaper: Made for ``policy``.
        policy: The data source's.
        checkpoint: Called last in the transaction with what the page brought; an exception undoes the page.

    Returns:
        What the page brought, by object.

    Raises:
        Retry: Others kept changing the same people: try again later.
    """
    return apply_shaped(engine, page, shaper.shape(page), policy, checkpoint)


def apply_shaped(
    engine: Engine, page: Page, batch: Batch, policy: Policy, checkpoint: Callable[[Connection, Counts], None]
) -> Counts:
    """Do what :func:`apply_page` does with a page that was shaped already; its records are not looked at again."""
    for attempt in range(_RETRIES):
        try:
            with writing(engine) as connection:
                counts = apply_batch(connection, page, batch, policy)
                checkpoint(connection, counts)
            return counts
        except Stale:
            continue
        except DBAPIError as error:
            if attempt == _RETRIES - 1 or not may_be_tried_again(error):
                raise
    raise Retry("Others kept changing the same people; the page is applied later")


def apply_batch(connection: Connection, page: Page, batch: Batch, policy: Policy) -> Counts:
    """Take in a page that was shaped already, in a transaction of the caller's.

    Raises:
        core.pipeline.matching.Stale: Who is who changed meanwhile: roll back and try again.
    """
    return _Application(connection, page, batch, policy).run()


def may_be_tried_again(error: DBAPIError) -> bool:
    """Tell whether a transaction failed only because of others that were at work."""
    code = getattr(error.orig, "sqlstate", None)
    return code in _DEADLOCK_OR_CONFLICT or "database is locked" in str(error.orig)


class _Application:
    """The steps of :func:`apply_page`, all on one connection."""

    def __init__(self, connection: Connection, page: Page, batch: Batch, policy: Policy) -> None:
        self._connection = connection
        self._page = page
        self._batch = batch
        self._policy = policy
        self._links = Links(connection, policy)
        self._keys: Mapping[UUID, Keys] = {}
        self._counts: dict[str, Counter[str]] = {key: Counter(counts) for key, counts in batch.counts.items()}
        self._kinds: dict[str, Kind] = {spec.key: spec.kind for spec in policy.manifest.objects}

    def run(self) -> Counts:
        records = self._changed()
        self._ensure_links(records)
        records = [record for record in records if not self._current(record)]
        matched = self._match(records)
        self._write(records, matched)
        self._leave()
        self._delete()
        self._refuse()
        return self._counts

    def _changed(self) -> list[Shaped]:
        refs = refs_of(self._batch.records)
        refs.update(self._page.deleted, *self._page.merged)
        ids = set(map(self._links.id_of, refs))
        self._links.read(ids.union(self._batch.unwanted, (record.link_id for record in self._batch.records)))
        records = [record for record in self._batch.records if not self._current(record)]
        self._keys = claimed_by(records, self._policy)
        records = self._without_erased(records)
        return records if self._policy.create_missing else self._with_match(records)

    def _current(self, record: Shaped) -> bool:
        if not self._links.is_current(record):
            return False
        self._counts[record.object]["unchanged"] += 1
        return True

    def _without_erased(self, records: Sequence[Shaped]) -> list[Shaped]:
        """Leave out who was erased and what she did; another object that claims to be her is refused for good too."""
        if not records:
            return []
        source_id = self._policy.source_id
        keys = self._keys
        erasures = Erasures(self._connection)
        erased = erasures.among({*map(self._links.id_of, refs_of(records))}.union(keys, *keys.values()))
        if not erased:
            return list(records)
        left_out = {id for id, claimed in keys.items() if id in erased or not erased.isdisjoint(claimed)}
        stored = {id: link for id in left_out if (link := self._links.get(id))}
        # Who is here by another identity stays as she is.
        new = left_out - erased - {id for id, link in stored.items() if link.content_hash is not None}
        if new:
            erasures.add(new, {stored[id].entity_id for id in new if id in stored})
        kept = [without_erased(r, source_id, erased | new) for r in records if r.link_id not in left_out]
        empty = [record for record in kept if record.kind == "activity" and not record.activities]
        for record in (*(r for r in records if r.link_id in left_out), *empty):
            self._counts[record.object]["skipped"] += 1
        return [record for record in kept if record not in empty]

    def _with_match(self, records: Sequence[Shaped]) -> list[Shaped]:
        left_out: set[UUID] = set()
        for entities in (ORGANIZATION, PERSON):
            of_kind = [record for record in records if record.kind == entities.kind]
            left_out |= without_match(self._connection, of_kind, self._links, self._keys)
        for record in records:
            if record.link_id in left_out:
                self._counts[record.object]["skipped"] += 1
        return [record for record in records if record.link_id not in left_out]

    def _ensure_links(self, records: Sequence[Shaped]) -> None:
        refs = refs_of(records)
        self._links.ensure(records, refs, self._keys)
        for entities in (ORGANIZATION, PERSON):
            new = {
                link.entity_id
                for link in map(self._links.of, refs)
                if link.is_new and self._kinds[link.object] == entities.kind
            }
            make_stubs(self._connection, entities, new.difference(record.link_id for record in records), self._policy)

    def _match(self, records: Sequence[Shaped]) -> dict[UUID, Keys]:
        """Match and write organizations, then people; return the identities that each link claims in the end."""
        keys: dict[UUID, Keys] = {}
        for entities in (ORGANIZATION, PERSON):
            matcher = Matcher(self._connection, entities, self._links, self._keys, self._policy)
            of_kind = [record for record in records if record.kind == entities.kind]
            matcher.run(of_kind, self._merged_links(entities.kind))
            keys |= matcher.keys
            for record in of_kind:
                counts = self._counts[record.object]
                counts[matcher.outcome[record.link_id]] += 1
                counts["merged"] += record.link_id in matcher.merged
        for record in records:
            if record.kind not in ("person", "organization"):
                is_new = self._links[record.link_id].content_hash is None
                self._counts[record.object]["created" if is_new else "updated"] += 1
        return keys

    def _merged_links(self, kind: Kind) -> list[tuple[UUID, UUID]]:
        pairs = []
        for gone, survivor in self._page.merged:
            one, other = self._links.get(self._links.id_of(gone)), self._links.get(self._links.id_of(survivor))
            if one and other and self._kinds[one.object] == kind and not one.is_apart_from(other):
                pairs.append((one.id, other.id))
        return pairs

    def _write(self, records: Sequence[Shaped], keys: Mapping[UUID, Keys]) -> None:
        connection, links, policy = self._connection, self._links, self._policy
        write_collections(connection, _of(records, "collection"), links, policy)
        write_articles(connection, _of(records, "article"), links, policy)
        write_memberships(connection, _of(records, "person"), links)
        write_tags(connection, records, links)
        write_activities(connection, records, links, policy)
        links.write(records, keys)

    def _leave(self) -> None:
        """Mark what came in before and does not meet the admin's conditions any more; otherwise it stays as it is."""
        for record in self._links.leave(self._batch.unwanted.values()) if self._batch.unwanted else ():
            self._counts[record.object]["left"] += 1

    def _delete(self) -> None:
        """Mark what the vendor no longer has, and archive what nothing else stands for, if the admin wants that."""
        id_of = self._links.id_of
        gone = [id_of(ref) for ref in self._page.deleted] + [id_of(gone) for gone, _ in self._page.merged]
        stored = [link for id in gone if (link := self._links.get(id)) and link.deleted_at is None]
        if not stored:
            return
        now, merged = self._policy.now, {id_of(gone) for gone, _ in self._page.merged}
        ids = [link.id for link in stored]
        self._connection.execute(LINK.update().where(LINK.c.id.in_(ids)).values(deleted_at=now))
        for link in stored:
            if link.id not in merged:
                self._counts.setdefault(link.object, Counter())["deleted"] += 1
        if self._policy.archive_deleted:
            self._archive([link.entity_id for link in stored if link.id not in merged])

    def _archive(self, entities: Sequence[UUID]) -> None:
        for model in (Person, Organization, Article, Collection):
            table = table_of(model)
            alive = exists().where(and_(LINK.c.entity_id == table.c.id, LINK.c.deleted_at.is_(None)))
            self._connection.execute(
                table.update()
                .where(table.c.id.in_(entities), table.c.archived_at.is_(None), ~alive)
                .values(archived_at=self._policy.now, updated_at=self._policy.now)
            )

    def _refuse(self) -> None:
        """Set aside what was refused, and settle what was refused before and is now in."""
        refused = self._batch.refused
        rows = [refused[id] | {"run_id": self._policy.run_id} for id in in_order(refused)]
        update = ("run_id", "reason", "payload", "refused_at", "resolved_at")
        upsert(self._connection, REFUSED, rows, update=update)
        source_id = self._policy.source_id
        is_open = (REFUSED.c.source_id == source_id, REFUSED.c.resolved_at.is_(None))
        taken = {*self._page.deleted}.union(
            Ref(key, remote_id) for key, ids in self._batch.accepted.items() for remote_id in ids
        )
        if not taken or not self._connection.scalar(select(exists().where(*is_open))):
            return
        ids = {refusal_id(source_id, ref.object, ref.remote_id) for ref in taken}
        settled = [row.id for row in rows_in(self._connection, [REFUSED.c.id], REFUSED.c.id, ids, *is_open)]
        if settled:
            self._connection.execute(
                REFUSED.update().where(REFUSED.c.id.in_(settled)).values(resolved_at=self._policy.now)
            )


def _of(records: Iterable[Shaped], kind: Kind) -> list[Shaped]:
    return [record for record in records if record.kind == kind]


def summed(all_counts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Add up counts by object."""
    total: dict[str, Counter[str]] = {}
    for counts in all_counts:
        for key, values in counts.items():
            total.setdefault(key, Counter()).update(values)
    return {key: dict(values) for key, values in total.items()}
