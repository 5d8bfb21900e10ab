"""A small customer database, in memory and in a database, and what can be filtered by in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from core.db.bulk import table_of
from core.db.models import Activity, Membership, Organization, Participant, Person, Tagging
from core.filters import Catalogue, FilterActivity, FilterField, Occurrence, Subject
from core.filters.days import start_of

ODD_KEY = 'shop.a "quoted" \\ key\'s {0} %s $.x[0]'
ODD_NUMBER = f"{ODD_KEY}, a number"
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Pacific/Apia", "Asia/Kathmandu")
NOWS = (
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # clocks go forward in Berlin half an hour later
    datetime(2026, 10, 25, 23, 59, 59, tzinfo=UTC),  # clocks went back in Berlin, and go back in Havana a week later
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(2025, 2, 28, 6, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 30, tzinfo=UTC),
)
TEXTS = (
    "Acme",
    "acme",
    "ACME ltd",
    "50%",
    "50 percent",
    "a_b",
    "axb",
    "O'Brien",
    'say "hi"',
    "back\\slash",
    "a/b",
    "é",
)
TAGS = ("vip", "beta", "VIP", "it's")
DATES = ("1980-02-29", "1999-12-31", "2026-03-29", "2026-03-28", "2024-03-01", "2025-02-28", "2027-01-01", "2026-10-26")
SHARED_FIELDS = {
    "shop.city": FilterField("City"),
    ODD_KEY: FilterField("Odd"),
    "shop.seats": FilterField("Seats", "integer"),
    ODD_NUMBER: FilterField("Odd number", "integer"),
    "shop.spent": FilterField("Spent", "decimal"),
    "shop.active": FilterField("Active", "boolean"),
    "shop.renewal": FilterField("Renewal", "date"),
    "shop.seen_at": FilterField("Seen", "datetime"),
    "shop.labels": FilterField("Labels", "list"),
    "tags": FilterField("Tags", "tags"),
    "created_at": FilterField("Created", "datetime", column="created_at"),
}
ATTRIBUTES = {
    "rating": FilterField("Rating", "integer"),
    "team": FilterField("Team"),
    "labels": FilterField("Labels", "list"),
    "due_at": FilterField("Due", "datetime"),
}
ACTIVITIES = {
    "shop.closed": FilterActivity("Closed", "closed", (1,), ATTRIBUTES),
    "any.closed": FilterActivity("Closed anywhere", "closed", None, ATTRIBUTES),
    "shop.opened": FilterActivity("Opened", "opened", (1, 2), ATTRIBUTES),
    "any": FilterActivity("Any activity", None, None, {}),
}
ORGANIZATIONS = Catalogue(
    {"name": FilterField("Name", column="name"), **SHARED_FIELDS},
    ACTIVITIES,
)
PEOPLE = Catalogue(
    {
        "email": FilterField("Email", column="email", lowercase=True),
        "first_name": FilterField("First name", column="first_name"),
        "email_subscribed": FilterField("Subscribed", "boolean", column="email_subscribed"),
        **SHARED_FIELDS,
    },
    ACTIVITIES,
    ORGANIZATIONS,
)


@dataclass
class Entity:
    """A person or organization to be stored; ``hidden`` ones are no row that anybody is shown."""

    id: UUID
    values: dict[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    organizations: Sequence[Entity] = ()
    activities: list[Occurrence] = field(default_factory=list)
    joined: list[Occurrence] = field(default_factory=list)
    hidden: str | None = None

    def subject(self) -> Subject:
        shown = [each.subject() for each in self.organizations if not each.hidden]
        return Subject(self.values, self.tags, shown, [*self.activities, *self.joined])


def ids(start: int = 1) -> Iterator[UUID]:
    while True:
        yield UUID(int=start)
        start += 1


def store(connection: Connection, people: Sequence[Entity], organizations: Sequence[Entity] = ()) -> None:
    """Write people and organizations with all that hangs on them."""
    fresh = ids(10_000_000)
    rows: dict[type[Any], list[dict[str, Any]]] = {}
    for kind, model, columns, entities in (
        ("person", Person, ("email", "first_name", "email_subscribed", "created_at"), people),
        ("organization", Organization, ("name", "created_at"), organizations),
    ):
        for each in entities:
            row = _row(each, columns)
            if model is Person:
                row["sms_subscribed"] = False
                row["email_subscribed"] = bool(row["email_subscribed"])
            rows.setdefault(model, []).append(row)
            for name in each.tags:
                for _ in range(2):  # two objects of vendors may carry the same tag
                    row = {"link_id": next(fresh), "name": name, "kind": kind, "entity_id": each.id}
                    rows.setdefault(Tagging, []).append(row)
            for occurrence in each.activities:
                rows.setdefault(Activity, []).append(_activity(next(fresh), occurrence, {f"{kind}_id": each.id}))
    for person in people:
        for position, organization in enumerate(person.organizations):
            rows.setdefault(Membership, []).append(
                {
                    "person_link_id": next(fresh),
                    "organization_link_id": next(fresh),
                    "person_id": person.id,
                    "organization_id": organization.id,
                    "position": position,
                }
            )
        for number, occurrence in enumerate(person.joined):
            owner = (None, person.id)[number % 2]  # merging can make the owner a participant too
            rows.setdefault(Activity, []).append(_activity(next(fresh), occurrence, {"person_id": owner}))
            id = rows[Activity][-1]["id"]
            for _ in range(2):  # and one person twice a participant
                row = {"activity_id": id, "person_link_id": next(fresh), "person_id": person.id}
                told = {name: rows[Activity][-1][name] for name in ("source_id", "type", "occurred_at")}
                rows.setdefault(Participant, []).append(row | told)
    for model, found in rows.items():
        connection.execute(insert(table_of(model)), found)


def _row(each: Entity, columns: Sequence[str]) -> dict[str, Any]:
    created = each.values.get("created_at") or NOWS[0]
    return {
        "id": each.id,
        **{name: each.values.get(name) for name in columns},
        "fields": {key: value for key, value in each.values.items() if key not in columns},
        "lineage": {},
        "stub": each.hidden == "stub",
        "merged_into": UUID(int=1) if each.hidden == "merged" else None,
        "archived_at": NOWS[0] if each.hidden == "archived" else None,
        "created_at": created,
        "updated_at": created,
    }


def _activity(id: UUID, occurrence: Occurrence, owner: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "source_id": occurrence.source_id,
        "type": occurrence.type,
        "remote_id": id.hex,
        "record_link_id": id,
        "person_id": None,
        "person_link_id": None,
        "organization_id": None,
        "organization_link_id": None,
        "occurred_at": occurrence.occurred_at,
        "historical": False,
        "attributes": dict(occurrence.attributes),
        "content_hash": bytes(16),
        **owner,
    }


def as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def population(people: int = 120, seed: int = 7) -> tuple[list[Entity], list[Entity]]:
    """Return people and organizations whose values lie close to what the random filters ask for."""
    chance = random.Random(seed)
    fresh = ids()
    organizations = [_entity(next(fresh), chance) for _ in range(25)]
    for each in organizations:
        each.values["name"] = _maybe(chance, chance.choice(TEXTS))
        each.hidden = chance.choice((None, None, None, "stub", "merged", "archived"))
        each.activities = _occurrences(chance)
    found = []
    for _ in range(people):
        person = _entity(next(fresh), chance)
        person.values["email"] = _maybe(chance, chance.choice(TEXTS).lower())
        person.values["first_name"] = _maybe(chance, chance.choice(TEXTS))
        person.values["email_subscribed"] = chance.random() < 0.5
        person.organizations = chance.sample(organizations, chance.choice((0, 1, 1, 2)))
        person.activities = _occurrences(chance)
        person.joined = _occurrences(chance)[:2]
        found.append(person)
    return found, organizations


def _entity(id: UUID, chance: random.Random) -> Entity:
    values = {
        "shop.city": chance.choice([*TEXTS, 5, True]),  # the type may have been another one once
        ODD_KEY: chance.choice(TEXTS),
        ODD_NUMBER: chance.choice([-1, 0, 1]),
        "shop.seats": chance.choice([0, 1, 5, -3, 2**53 + 1, "5", [5]]),
        "shop.spent": chance.choice([0.1, 0.0, 2.5, -1e10, 5.0, "x"]),
        "shop.active": chance.choice([True, False, "true", 1]),
        "shop.renewal": chance.choice(DATES),
        "shop.seen_at": as_text(_moment(chance)),
        "shop.labels": chance.choice([[], ["vip"], ["VIP", "a_b"], ["x", "y", "z"], ["50%", "vip", "vip"], "vip"]),
    }
    stored = {key: value for key, value in values.items() if chance.random() < 0.8}
    stored["created_at"] = _moment(chance) + timedelta(microseconds=chance.choice((0, 1, 999_999)))
    return Entity(id, stored, tags=chance.sample(TAGS, chance.choice((0, 0, 1, 2))))


def _maybe(chance: random.Random, value: Any) -> Any:
    return value if chance.random() < 0.8 else None


def _occurrences(chance: random.Random) -> list[Occurrence]:
    found = []
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        attributes = {
            "rating": chance.choice([1, 2, 5, "5"]),
            "team": chance.choice(TEXTS),
            "labels": chance.choice([[], ["vip"], ["x", "y"]]),
            "due_at": as_text(_moment(chance)),
        }
        kept = {key: value for key, value in attributes.items() if chance.random() < 0.8}
        found.append(
            Occurrence(chance.choice(("closed", "opened", "rated")), _moment(chance), kept, chance.choice((1, 2)))
        )
    return found


def _moment(chance: random.Random) -> datetime:
    """Return a moment at or beside the beginning of a day, near one of the present moments, or years before."""
    zone = ZoneInfo(chance.choice(ZONES))
    day = chance.choice(NOWS).astimezone(zone).date() + timedelta(days=chance.randint(-4, 4))
    moment = start_of(day, zone) + timedelta(seconds=chance.choice((-3600, -1, 0, 1, 3600, 40_000)))
    return moment - timedelta(days=chance.choice((0, 0, 0, 365, 366, 1461, 14_610)))
