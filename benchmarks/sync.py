"""What a sync costs where nothing but this machine limits it, against the floor measured in the same run.

The floor is what no data source can do without: download the same pages over one connection, parse them, insert the
rows in bulk, one transaction a page. It validates nothing, matches nobody and remembers nothing. It is measured twice:
with one table that has the vendor's answers as they came, and with the same rows in the same tables as ours. Ratios
compare processor time, of the program and of PostgreSQL together: it is much the same whatever else the machine has to
do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import Column, MetaData, String, Table, Text, select, text

from benchmarks.support import Databases, Synced, Vendor, connect, databases, figure, synced, vendor
from core.db.base import Model
from core.db.bulk import insert_missing
from core.db.engine import make_engine, writing

UNLIMITED = 100_000_000
CONTACTS_ONLY = {"contact": "all"}
KINDS = ("sqlite", "postgresql")
WRITTEN = ("person", "organization", "link", "identity", "membership", "tagging", "activity", "participant")


def run() -> None:
    """Print the figures of contacts, of the whole mix, of an unchanged resync, and of one after few changes."""
    with databases() as bases:
        contacts(bases, people=20_000)
        mix(bases)
        changed(bases)


def contacts(bases: Databases, people: int) -> None:
    """Contacts a second on one core, first load and unchanged resync."""
    with vendor(core=1, people=people, rpm=UNLIMITED, companies=0, conversations=0) as at:
        for kind in KINDS:
            floor = _floor(bases, at, bases.fresh(kind), ["/contacts"])
            url, instance = bases.fresh(kind), bases.folder / f"contacts-{kind}"
            source = connect(url, instance, at, objects=CONTACTS_ONLY)
            first = synced(bases, source, url, instance, at, core=0)
            again = synced(bases, source, url, instance, at, full=True, core=0)
            due = synced(bases, source, url, instance, at, core=0)
            same = _same_rows(bases, url, bases.fresh(kind), people // 150)
            _show(f"contacts.{kind}", people, first, floor, same)
            figure(f"contacts.reread.{kind}", first.all_cpu / again.all_cpu, "times as cheap as the first load")
            figure(f"contacts.unchanged.{kind}", first.all_cpu / due.all_cpu, "times as cheap as the first load")


def mix(bases: Databases, people: int = 20_000, companies: int = 2_000, conversations: int = 10_000) -> None:
    """Everything: contacts, companies, conversations with parts."""
    size: dict[str, Any] = {"people": people, "companies": companies, "conversations": conversations}
    config: dict[str, Any] = {"retention": {"days": None}}
    config["objects"] = dict.fromkeys(("contact", "company", "conversation"), "all")
    for kind in KINDS:
        # A workspace's scroll of companies stays taken for a minute: each reader gets a sandbox of its own.
        with vendor(core=1, rpm=UNLIMITED, **size) as at:
            floor = _floor(bases, at, bases.fresh(kind), ["/contacts", "/companies/scroll", "/conversations"])
        with vendor(core=1, rpm=UNLIMITED, **size) as at:
            url, instance = bases.fresh(kind), bases.folder / f"mix-{kind}"
            source = connect(url, instance, at, **config)
            first = synced(bases, source, url, instance, at, core=0)
            again = synced(bases, source, url, instance, at, core=0)
            same = _same_rows(bases, url, bases.fresh(kind), people // 150 + companies // 100 + conversations // 150)
        _show(f"mix.{kind}", sum(size.values()), first, floor, same)
        figure(f"mix.unchanged.{kind}", first.all_cpu / again.all_cpu, "times as cheap as the first load")


def changed(bases: Databases, conversations: int = 2_000, number: int = 50) -> None:
    """A resync after some of many conversations changed: its requests, and the rows it writes."""
    with vendor(people=1_000, companies=0, conversations=conversations, rpm=UNLIMITED) as at:
        url, instance = bases.fresh("postgresql"), bases.folder / "changed"
        objects = {"contact": "all", "conversation": "all"}
        source = connect(url, instance, at, objects=objects, retention={"days": None})
        synced(bases, source, url, instance, at)
        synced(bases, source, url, instance, at)
        for id in _some_conversations(at, number):
            change = {"conversation_id": id, "by": _admin(at)}
            requests.post(f"{at.url}/_sandbox/close", json=change, timeout=30).raise_for_status()
        before = _written(url)
        again = synced(bases, source, url, instance, at)
        counts = again.summary["objects"]["conversation"]
        figure("changed.requests", again.summary["requests"], "requests", changed=number, of=conversations, **counts)
        figure("changed.rows", _written(url) - before, "rows of people, links and activities written")


@dataclass
class Floor:
    """What the floor took; ``writing`` is the processor time of its inserts."""

    seconds: float
    cpu_seconds: float
    writing: float


def _show(name: str, records: int, first: Synced, floor: Floor, same_rows: float) -> None:
    same = floor.cpu_seconds - floor.writing + same_rows
    figure(
        name,
        records / first.seconds,
        "records/s",
        floor=round(records / floor.seconds),
        ratio=round(first.all_cpu / floor.cpu_seconds, 2),
        ratio_same_rows=round(first.all_cpu / same, 2),
        cpu_ms_a_record=round(first.all_cpu / records * 1000, 3),
        floor_cpu_ms_a_record=round(floor.cpu_seconds / records * 1000, 3),
        same_rows_cpu_ms_a_record=round(same / records * 1000, 3),
        of_it_database=round(first.database_seconds / first.all_cpu, 2),
    )


def _floor(bases: Databases, at: Vendor, url: str, paths: Sequence[str]) -> Floor:
    """Measure the floor."""
    engine = make_engine(url)
    table = Table("floor", MetaData(), Column("id", String, primary_key=True), Column("body", Text))
    table.create(engine)
    session = requests.Session()
    session.headers.update(_headers(at))
    before = bases.cpu_seconds()
    began, cpu = time.perf_counter(), time.process_time()
    inserting = 0.0
    for path in paths:
        for rows in _pages(session, at.url, path):
            start = time.process_time()
            with writing(engine) as connection:
                connection.execute(table.insert(), [{"id": row["id"], "body": json.dumps(row)} for row in rows])
            inserting += time.process_time() - start
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    engine.dispose()
    database = bases.cpu_seconds() - before if url.startswith("postgresql") else 0.0
    return Floor(seconds, cpu + database, inserting + database)


def _same_rows(bases: Databases, full: str, empty: str, pages: int) -> float:
    """Return the processor time of inserting all rows of one database into another one, in so many transactions."""
    source, target = make_engine(full), make_engine(empty)
    tables = [Model.metadata.tables[name] for name in WRITTEN]
    with source.connect() as connection:
        rows = {table: [dict(row._mapping) for row in connection.execute(select(table))] for table in tables}
    before, cpu = bases.cpu_seconds(), time.process_time()
    for page in range(pages):
        with writing(target) as connection:
            for table, its in rows.items():
                if some := its[page * len(its) // pages : (page + 1) * len(its) // pages]:
                    insert_missing(connection, table, some)
    cpu = time.process_time() - cpu
    source.dispose()
    target.dispose()
    return cpu + (bases.cpu_seconds() - before if empty.startswith("postgresql") else 0.0)


def _headers(at: Vendor) -> dict[str, str]:
    return {"Authorization": f"Bearer {at.credentials['access_token']}", "Intercom-Version": "2.16"}


def _pages(session: requests.Session, url: str, path: str) -> Iterator[list[Any]]:
    """Read all pages; conversations one by one, since only so they come with their parts."""
    query: dict[str, Any] = {} if path.endswith("scroll") else {"per_page": 150}
    while True:
        body = session.get(url + path, params=query, timeout=60).json()
        if path == "/conversations":
            ids = [row["id"] for row in body["conversations"]]
            yield [session.get(f"{url}/conversations/{id}", timeout=60).json() for id in ids]
        elif body["data"]:
            yield body["data"]
        following = (body.get("pages") or {}).get("next")
        if body.get("scroll_param") and body["data"]:
            query = {"scroll_param": body["scroll_param"]}
        elif following:
            query = {"per_page": 150, "starting_after": following["starting_after"]}
        else:
            return


def _some_conversations(at: Vendor, number: int) -> list[str]:
    query = {"per_page": number}
    body = requests.get(f"{at.url}/conversations", params=query, headers=_headers(at), timeout=60).json()
    return [row["id"] for row in body["conversations"]]


def _admin(at: Vendor) -> str:
    return str(requests.get(f"{at.url}/admins", headers=_headers(at), timeout=60).json()["admins"][0]["id"])


def _written(url: str) -> int:
    """Return how many rows PostgreSQL has inserted, changed and deleted in the tables of the customer database."""
    engine = make_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        counted = connection.execute(
            text("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname = ANY(:tables)"),
            {"tables": list(WRITTEN)},
        ).scalar_one()
    engine.dispose()
    return int(counted)
