"""The real pipeline on a database of its own, and what the tables then say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Table, select

from core.contract.types import FieldSpec, Manifest, MergePolicy, Page
from core.db.base import Model
from core.db.bulk import table_of
from core.db.engine import make_engine
from core.db.models import (
    Activity,
    Article,
    Collection,
    DataSource,
    Link,
    Membership,
    Organization,
    Participant,
    Person,
    Tagging,
)
from core.pipeline.apply import apply_page, summed
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper

SOURCE_ID = 1
_ENTITIES = (Person, Organization, Article, Collection)
_DETAILS = (Membership, Tagging, Activity, Participant)
# When a row was written, and by which merge, depends on the order of pages; what it says must not.
_INCIDENTAL = frozenset({"id", "created_at", "updated_at", "lineage", "stub", "historical", "initial_source_id"})
Snapshot = dict[str, list[str]]


def policy_for(manifest: Manifest, fields: Iterable[FieldSpec], matching: Mapping[str, MergePolicy]) -> Policy:
    """Return the policy of a data source with everything selected and everything kept."""
    by_object: dict[str, list[FieldSpec]] = defaultdict(list)
    for spec in fields:
        by_object[spec.object].append(spec)
    return Policy(
        source_id=SOURCE_ID,
        manifest=manifest,
        fields={key: tuple(specs) for key, specs in by_object.items()},
        now=datetime.now(UTC),
        matching=matching,
        keep_days={None: None},
        archive_deleted=True,
    )


class Tables:
    """A database that pages are applied to."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._engine = engine
        self._policy = policy
        self._shaper = Shaper(policy)

    def apply(self, pages: Iterable[Page]) -> dict[str, dict[str, int]]:
        """Apply pages; return what they brought, by object, without what is zero."""
        counts = summed(
            apply_page(self._engine, page, self._shaper, self._policy, lambda connection, counts: None)
            for page in pages
        )
        return {key: {what: number for what, number in told.items() if number} for key, told in counts.items()}

    def copy(self) -> bytes:
        """Return the database's file, for :func:`tables` to begin with."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(str(self._engine.url.database)).read_bytes()

    def snapshot(self) -> Snapshot:
        """Return what the tables say, in a form that is equal whatever order the pages came in."""
        links = self._rows(Link)
        names: dict[UUID, str] = {}
        for row in sorted(links, key=lambda row: (row["object"], row["remote_id"])):
            names.setdefault(row["entity_id"], f"{row['object']} {row['remote_id']}")
        records = {row["id"]: f"{row['object']} {row['remote_id']}" for row in links}
        said: Snapshot = {
            "link": [
                f"{row['object']} {row['remote_id']} is {names[row['entity_id']]}{' gone' if row['deleted_at'] else ''}"
                for row in links
                if row["content_hash"] or row["deleted_at"]
            ]
        }
        for model in (*_ENTITIES, *_DETAILS):
            rows = self._rows(model)
            if model in _ENTITIES:
                rows = [row | {"is": names[row["id"]]} for row in rows if row["id"] in names]
            said[table_of(model).name] = [
                ", ".join(
                    f"{key}={(records if 'link_id' in key else names).get(value, value)!r}" for key, value in said
                )
                for said in map(_said, rows)
            ]
        return {table: sorted(rows) for table, rows in said.items()}

    def _rows(self, model: type[Model]) -> list[dict[str, Any]]:
        table: Table = table_of(model)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]


def _said(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in sorted(row.items()):
        if key not in _INCIDENTAL and value is not None:
            stated = key.endswith("_at") and key != "occurred_at"
            yield key, True if stated else str(sorted(value.items())) if isinstance(value, dict) else value


@cache
def _empty() -> bytes:
    """Return the file of a database with all tables and no row."""
    with TemporaryDirectory(prefix="mainstem-check-") as folder:
        file = Path(folder) / "empty.sqlite3"
        engine = make_engine(f"sqlite:///{file}")
        Model.metadata.create_all(engine)
        engine.dispose()
        return file.read_bytes()


@contextmanager
def tables(policy: Policy, begin: bytes | None = None) -> Iterator[Tables]:
    """Make a database that goes at the end: an empty one, or one that begins as a copy of another."""
    with TemporaryDirectory(prefix="mainstem-check-") as folder:
        file = Path(folder) / "check.sqlite3"
        file.write_bytes(begin or _empty())
        engine = make_engine(f"sqlite:///{file}")
        try:
            if begin is None:
                _add_source(engine, policy)
            yield Tables(engine, policy)
        finally:
            engine.dispose()


def _add_source(engine: Engine, policy: Policy) -> None:
    row = {"id": SOURCE_ID, "plugin": policy.manifest.name, "name": "Check", "state": "connected"}
    always = {"remote_id": "check", "secrets": "", "created_at": policy.now}
    with engine.begin() as connection:
        connection.execute(table_of(DataSource).insert().values(**row, **always))


def difference(one: Snapshot, other: Snapshot) -> str:
    """Return the first row that two snapshots do not share; "" when they are equal."""
    for table, rows in one.items():
        for row in sorted(set(rows) ^ set(other[table])):
            return f"{table}: {row[:300]}"
        if len(rows) != len(other[table]):
            return f"{table}: {len(rows)} rows against {len(other[table])}"
    return ""
