"""How fast a sync is where nothing but this machine limits it, against the floor measured in the same run.

The floor is what no data source can do without: download the same pages over one connection, parse them, insert the
rows in bulk, one transaction a page. It validates nothing, matches nobody and remembers nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import requests
from sqlalchemy import Column, MetaData, String, Table, Text

from benchmarks.support import Databases, Vendor, connect, databases, figure, mainstem, vendor
from core.db.engine import make_engine, writing

UNLIMITED = 100_000_000
CONTACTS_ONLY = {"contact": "all"}


def run() -> None:
    """Print the figures of contacts, of the whole mix, of an unchanged resync, and of memory."""
    with databases() as bases:
        contacts(bases, people=20_000)
        mix(bases)
        memory(bases)


def contacts(bases: Databases, people: int) -> None:
    """Contacts a second on one core, first load and unchanged resync."""
    with vendor(core=1, people=people, rpm=UNLIMITED, companies=0, conversations=0) as at:
        for kind in ("sqlite", "postgresql"):
            floor = _floor(at, bases.fresh(kind), ["/contacts"])
            url, instance = bases.fresh(kind), bases.folder / f"contacts-{kind}"
            source = connect(url, instance, at, objects=CONTACTS_ONLY)
            sync = ["sources", "sync", str(source), "--inline"]
            first = mainstem(sync, url, instance, at, core=0)
            again = mainstem([*sync, "--full"], url, instance, at, core=0)
            seconds = first.output["seconds"]
            figure(f"contacts.{kind}", people / seconds, "records/s", floor=people / floor, ratio=seconds / floor)
            figure(
                f"contacts.unchanged.{kind}",
                people / again.output["seconds"],
                "records/s",
                ratio=seconds / again.output["seconds"],
            )


def mix(bases: Databases, people: int = 20_000, companies: int = 2_000, conversations: int = 10_000) -> None:
    """Everything: contacts, companies, conversations with parts."""
    size = {"people": people, "companies": companies, "conversations": conversations}
    with vendor(core=1, rpm=UNLIMITED, **size) as at:
        for kind in ("sqlite", "postgresql"):
            floor = _floor(at, bases.fresh(kind), ["/contacts", "/companies/scroll", "/conversations"])
            url, instance = bases.fresh(kind), bases.folder / f"mix-{kind}"
            config: dict[str, Any] = {"retention": {"days": None}}
            config["objects"] = dict.fromkeys(("contact", "company", "conversation"), "all")
            source = connect(url, instance, at, **config)
            first = mainstem(["sources", "sync", str(source), "--inline"], url, instance, at, core=0)
            seconds = first.output["seconds"]
            records = sum(counts["read"] for counts in first.output["objects"].values())
            figure(f"mix.{kind}", records / seconds, "records/s", floor=records / floor, ratio=seconds / floor)


def memory(bases: Databases, small: int = 20_000, large: int = 200_000) -> None:
    """Peak memory of an inline sync of few and of many contacts."""
    peaks = {}
    for people in (small, large):
        with vendor(people=people, rpm=UNLIMITED, companies=0, conversations=0) as at:
            url, instance = bases.fresh("sqlite"), bases.folder / f"memory-{people}"
            source = connect(url, instance, at, objects=CONTACTS_ONLY)
            measured = mainstem(["sources", "sync", str(source), "--inline"], url, instance, at)
            peaks[people] = measured.peak_mb
            figure(f"memory.{people}", measured.peak_mb, "MB")
    figure("memory.growth", peaks[large] / peaks[small], "ratio")


def _floor(at: Vendor, url: str, paths: list[str]) -> float:
    """Return the seconds that the floor takes."""
    engine = make_engine(url)
    table = Table("floor", MetaData(), Column("id", String, primary_key=True), Column("body", Text))
    table.create(engine)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {at.credentials['access_token']}"
    session.headers["Intercom-Version"] = "2.16"
    began = time.perf_counter()
    for path in paths:
        for rows in _pages(session, at.url, path):
            with writing(engine) as connection:
                connection.execute(table.insert(), [{"id": row["id"], "body": json.dumps(row)} for row in rows])
    seconds = time.perf_counter() - began
    engine.dispose()
    return seconds


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
