"""A tiny vendor's manifest and a database to apply its pages to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from marshmallow import Schema
from sqlalchemy import Engine, Table, event, insert, select

from core.contract.types import (
    Activity,
    ActivitySpec,
    FieldSpec,
    Manifest,
    MergePolicy,
    ObjectSpec,
    Page,
    Record,
    Ref,
    Refusal,
)
from core.db.bulk import table_of
from core.db.engine import make_engine
from core.db.models import DataSource, Person
from core.pipeline.apply import apply_page
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

MANIFEST = Manifest(
    name="acme",
    title="Acme",
    category="Tests",
    description="",
    credentials=Schema,
    objects=(
        ObjectSpec("user", "Users", "person"),
        ObjectSpec("firm", "Firms", "organization"),
        ObjectSpec("chat", "Chats", "activity"),
        ObjectSpec("text", "Texts", "article"),
        ObjectSpec("shelf", "Shelves", "collection"),
    ),
    activities=(ActivitySpec("said", "Said", "chat"), ActivitySpec("closed", "Closed", "chat")),
)
FIELDS = {
    "user": (
        FieldSpec("user", "plan", "Plan"),
        FieldSpec("user", "seats", "Seats", "integer"),
        FieldSpec("user", "joined", "Joined", "datetime"),
        FieldSpec("user", "score", "Score", "decimal"),
        FieldSpec("user", "langs", "Languages", "list"),
        FieldSpec("user", "vip", "VIP", "boolean"),
        FieldSpec("user", "born", "Born", "date"),
    ),
    "firm": (FieldSpec("firm", "tier", "Tier"),),
}
POLICY = Policy(
    source_id=1,
    manifest=MANIFEST,
    fields=FIELDS,
    now=NOW,
    matching={"user": MergePolicy(("email", "external_id")), "firm": MergePolicy()},
)


SOURCE = {"plugin": "acme", "name": "Acme", "state": "connected", "created_at": NOW}


def at(minutes: float = 0) -> datetime:
    """A moment of the vendor's, counted from an hour before now."""
    return NOW - timedelta(hours=1) + timedelta(minutes=minutes)


def user(id: str, minutes: float | None = 0, **values: Any) -> Record:
    """A user record; keywords named in FIELDS are fields, ``tags``, ``firms``, ``permissions`` the obvious."""
    own = {spec.key for spec in FIELDS["user"]}
    firms = values.pop("firms", None)
    return Record(
        object="user",
        remote_id=id,
        updated_at=None if minutes is None else at(minutes),
        tags=values.pop("tags", None),
        organizations=None if firms is None else tuple(Ref("firm", firm) for firm in firms),
        permissions=values.pop("permissions", {}),
        values={key: value for key, value in values.items() if key not in own},
        fields={key: value for key, value in values.items() if key in own},
        payload={"id": id, **values},
    )


def chat(id: str, *said: tuple[str, str | None, datetime], minutes: float = 0, type: str = "said") -> Record:
    """A chat record; ``said`` are (part id, user id, moment)."""
    activities = tuple(
        Activity(type, f"part:{part}", when, (Ref("user", who),) if who else (), attributes={"text": part})
        for part, who, when in said
    )
    return Record("chat", id, updated_at=at(minutes), activities=activities)


class World:
    """A database, and how to apply pages to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.statements: list[str] = []

    def apply(self, *records: Record | Refusal, policy: Policy = POLICY, **page: Any) -> dict[str, dict[str, int]]:
        """Apply one page; return its counts without those that are zero."""
        counts = apply_page(
            self.engine, Page(records=records, **page), Shaper(policy), policy, lambda connection, counts: None
        )
        return {key: {name: n for name, n in values.items() if n} for key, values in counts.items()}

    def rows(self, model: type[Any], *order: str) -> Sequence[Mapping[str, Any]]:
        """All rows of a table as mappings."""
        table: Table = table_of(model)
        with self.engine.connect() as connection:
            rows = connection.execute(select(table).order_by(*(table.c[name] for name in order))).mappings()
            return [dict(row) for row in rows]

    def people(self) -> list[Mapping[str, Any]]:
        """The people that anybody sees, by creation."""
        rows = self.rows(Person, "created_at", "email", "id")
        return [row for row in rows if not row["stub"] and row["merged_into"] is None]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(insert(DataSource), [SOURCE | {"id": n, "remote_id": str(n)} for n in (1, 2, 3, 4)])
    world = World(engine)
    event.listen(engine, "before_cursor_execute", lambda *args: world.statements.append(args[2]))
    yield world
    engine.dispose()


def policy(**changes: Any) -> Policy:
    """The usual policy with changes."""
    return replace(POLICY, **changes)
