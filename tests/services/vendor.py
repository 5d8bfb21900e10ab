"""A vendor in memory, and its plugin: what it holds, what it refuses and when is up to the test."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields

from core.contract.hookspecs import hookimpl
from core.contract.types import (
    Account,
    Activity,
    ActivitySpec,
    Connected,
    Cursor,
    FieldSpec,
    Manifest,
    MergePolicy,
    ObjectSpec,
    Page,
    Partition,
    Record,
    Redirect,
    Ref,
    Refusal,
    Rejected,
    Roster,
    RunSummary,
    Scope,
)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Token(Schema):
    """What the admin types in."""

    token = fields.String(required=True, metadata={"label": "Token", "help": "", "secret": True})


def manifest(**changes: Any) -> Manifest:
    """The vendor's manifest with changes."""
    values: dict[str, Any] = {
        "name": "acme",
        "title": "Acme",
        "category": "Tests",
        "description": "Imports whatever a test wants.",
        "credentials": Token,
        "objects": (
            ObjectSpec("user", "Users", "person", required=True),
            ObjectSpec("firm", "Firms", "organization"),
            ObjectSpec("chat", "Chats", "activity"),
            ObjectSpec("text", "Texts", "article"),
            ObjectSpec("shelf", "Shelves", "collection", comes_with="text"),
        ),
        "activities": (ActivitySpec("said", "Said", "chat"), ActivitySpec("seen", "Seen", "user")),
        "teams": True,
        "deletes": True,
        "max_parallel": 4,
    }
    return Manifest(**values | changes)


def user(number: int, updated_at: datetime = LONG_AGO, **values: Any) -> Record:
    """A user with an email of his own."""
    return Record("user", f"u{number}", updated_at, values={"email": f"u{number}@example.com"} | values)


def firm(number: int) -> Record:
    """A firm."""
    return Record("firm", f"f{number}", LONG_AGO, values={"name": f"Firm {number}"})


def chat(number: int) -> Record:
    """A chat of the user with the same number, in which he says one thing."""
    said = Activity("said", f"part:{number}", datetime.now(UTC), people=(Ref("user", f"u{number}"),))
    return Record("chat", f"c{number}", LONG_AGO, activities=(said,))


Item = Record | Refusal


class Vendor:
    """The plugin, and the vendor it talks to.

    Attributes:
        data: What there is, by object and key of the partition that holds it.
        size: How many records a page has.
        errors: By partition and page number, what is raised at its next calls, one after the other.
        before: Called before each page is answered, with the partition's name and the page's number.
        tokens: By token, id and name of the account it opens.
        unbroken: The partitions that may not pause.
        counted: Tell how much there is.
        calls: Partition and page number of every page that was asked for.
        scopes: What each plan was asked to read.
        finished: The runs that the plugin was told of.
    """

    def __init__(self, **changes: Any) -> None:
        self.manifest = manifest(**changes)
        self.data: dict[str, Sequence[Item]] = {}
        self.size = 2
        self.errors: dict[tuple[str, int], list[Exception]] = defaultdict(list)
        self.before: Callable[[str, int], None] = lambda partition, page: None
        self.tokens = {"open-sesame": ("1", "Acme One"), "sesame-2": ("1", "Acme One"), "other": ("2", "Acme Two")}
        self.fields: list[FieldSpec] = [FieldSpec("user", "email", "Email", feeds="email")]
        self.roster = Roster()
        self.unbroken: set[str] = set()
        self.counted = False
        self.plan_errors: list[Exception] = []
        self.team_errors: list[Exception] = []
        self.calls: list[tuple[str, int]] = []
        self.scopes: list[Scope] = []
        self.finished: list[RunSummary] = []
        self._lock = threading.Lock()

    def asked(self) -> Counter[tuple[str, int]]:
        """How often each page was asked for."""
        return Counter(self.calls)

    @hookimpl
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        found = self.tokens.get(answers["token"])
        if found is None:
            return Rejected({"credentials.token": "Acme refused this token"})
        return Connected(*found, settings={"region": "eu"}, secrets={"token": answers["token"]})

    @hookimpl
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return list(self.fields)

    @hookimpl
    def import_team(self, account: Account) -> Roster:
        if self.team_errors:
            raise self.team_errors.pop(0)
        return self.roster

    @hookimpl
    def merge(self, account: Account, object: str) -> MergePolicy:
        return MergePolicy(("email",) if object == "user" else ())

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        self.scopes.append(scope)
        if self.plan_errors:
            raise self.plan_errors.pop(0)
        partitions = []
        for name in self.data:
            object, _, key = name.partition("/")
            if object in account.objects:
                since = scope.since.get(object)
                start = {"page": 0, "since": since and since.isoformat()}
                partitions.append(Partition(object, key or "all", start, unbroken=name in self.unbroken))
        return partitions

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        name = partition.object if partition.key == "all" else f"{partition.object}/{partition.key}"
        number = cursor["page"]
        with self._lock:
            self.calls.append((name, number))
        self.before(name, number)
        with self._lock:
            if self.errors[name, number]:
                raise self.errors[name, number].pop(0)
        wanted = [item for item in self.data[name] if _is_wanted(item, cursor["since"])]
        first = number * self.size
        more = first + self.size < len(wanted)
        return Page(
            records=wanted[first : first + self.size],
            next={**cursor, "page": number + 1} if more else None,
            expected=len(wanted) if self.counted else None,
        )

    @hookimpl
    def run_finished(self, run: RunSummary) -> None:
        self.finished.append(run)


def _is_wanted(item: Item, since: str | None) -> bool:
    if since is None or isinstance(item, Refusal) or item.updated_at is None:
        return True
    return item.updated_at >= datetime.fromisoformat(since)
