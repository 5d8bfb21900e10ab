"""Whether a sync stays as fast and as small however much there is: in the account, and in the table."""

from __future__ import annotations

from sqlalchemy import text

from benchmarks.support import Databases, connect, databases, figure, synced, vendor
from benchmarks.sync import CONTACTS_ONLY, UNLIMITED
from core.db.engine import make_engine

PEOPLE = (20_000, 200_000, 400_000)
TABLE = (50_000, 200_000, 500_000)
RECORDS = 10_000

_FILL = (
    """INSERT INTO person (id, email, first_name, last_name, email_subscribed, sms_subscribed, fields, lineage, stub,
           initial_source_id, created_at, updated_at)
       SELECT md5('link' || n)::uuid, 'p' || n || '@example.com', 'First' || n % 5000, 'Last' || n % 9000, true, false,
           jsonb_build_object('country', 'DE', 'filled.plan', 'pro', 'filled.seats', n), '{"*": [0, "x"]}', false, 0,
           now() - n * interval '1 second', now()
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO link (id, source_id, object, remote_id, entity_id, identity_ids, apart_from, content_hash,
           remote_updated_at)
       SELECT md5('link' || n)::uuid, 0, 'contact', n::text, md5('link' || n)::uuid,
           jsonb_build_array(md5('identity' || n)), '[]', decode(md5('hash' || n), 'hex'), now()
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO identity (id, kind, type, value, entity_id)
       SELECT md5('identity' || n)::uuid, 'person', 'email', 'p' || n || '@example.com', md5('link' || n)::uuid
       FROM generate_series(:first, :last) AS n""",
    """INSERT INTO tagging (link_id, name, kind, entity_id)
       SELECT md5('link' || n)::uuid, 'tag' || n % 20, 'person', md5('link' || n)::uuid
       FROM generate_series(:first, :last) AS n""",
)


def run() -> None:
    """Print the figures of memory and of growth."""
    with databases() as bases:
        growth(bases)
        memory(bases)


def memory(bases: Databases) -> None:
    """Peak memory of an inline sync of few and of many contacts."""
    peaks: dict[int, float] = {}
    for people in PEOPLE:
        prerendered = {"latency": 0.0}
        with vendor(prerendered=prerendered, people=people, companies=0, conversations=0) as at:
            url, instance = bases.fresh("sqlite"), bases.folder / f"memory-{people}"
            source = connect(url, instance, at, objects=CONTACTS_ONLY)
            peaks[people] = synced(bases, source, url, instance, at).peak_mb
            figure(
                f"memory.{people}", peaks[people], "MB", times_the_smallest=round(peaks[people] / peaks[PEOPLE[0]], 2)
            )


def growth(bases: Databases) -> None:
    """Processor time of a first load on PostgreSQL, by how many people are there already."""
    with vendor(core=1, people=RECORDS, companies=0, conversations=0, rpm=UNLIMITED) as at:
        for there in TABLE:
            url, instance = bases.fresh("postgresql"), bases.folder / f"growth-{there}"
            _fill(url, there)
            source = connect(url, instance, at, objects=CONTACTS_ONLY)
            took = synced(bases, source, url, instance, at, core=0)
            per = 10_000 / RECORDS
            figure(
                f"growth.{there}",
                took.all_cpu * per,
                "CPU s per 10,000 records",
                seconds=round(took.seconds * per, 2),
                database=round(took.database_seconds * per, 2),
            )


def _fill(url: str, people: int) -> None:
    """Put in so many people of another data source, set by set."""
    engine = make_engine(url)
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), {"first": 1, "last": people})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()
