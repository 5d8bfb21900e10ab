"""Generated conversations: first a script of events, then Intercom's object; parts are written out only when read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plugins.intercom.sandbox.clock import DAY
from plugins.intercom.sandbox.generate import details
from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.people import People
from plugins.intercom.sandbox.generate.plan import Plan
from plugins.intercom.sandbox.generate.script import Event, Script, write

SALT = 30
FIRST_ID = 215_000_000
LONG = 620
RUN = int(1.3 * DAY)
SOURCES = ("conversation",) * 11 + ("email",) * 6 + ("whatsapp", "instagram", "phone_call", "sms", "unknown")
PRIORITIES = ("none",) * 12 + ("low", "medium", "high", "urgent")


@dataclass(slots=True)
class Conversation:
    """A conversation: Intercom's fields without parts, the number it was generated from, and later parts."""

    fields: dict[str, Any]
    number: int | None = None
    added: list[dict[str, Any]] = field(default_factory=list)

    def value(self, path: str) -> Any:
        if path in ("contact_ids", "teammate_ids", "tag_ids"):
            return _ids(self.fields, path)
        if path.startswith("conversation_rating."):
            return _rating_value(self.fields["conversation_rating"], path.partition(".")[2])
        found: Any = self.fields
        for step in path.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found


def _ids(fields: dict[str, Any], path: str) -> list[str]:
    if path == "contact_ids":
        return [contact["id"] for contact in fields["contacts"]["contacts"]]
    if path == "tag_ids":
        return [tag["id"] for tag in fields["tags"]["tags"]]
    return [str(admin["id"]) for admin in (fields["teammates"] or {"admins": []})["admins"]]


def _rating_value(rating: dict[str, Any] | None, name: str) -> Any:
    if rating is None:
        return None
    if name in ("contact_id", "admin_id"):
        person = rating["contact" if name == "contact_id" else "teammate"]
        return person and person["id"]
    return rating.get({"score": "rating", "requested_at": "created_at", "replied_at": "updated_at"}.get(name, name))


class Conversations:
    """Makes conversations by number. Dense in the recent past, thin long ago."""

    def __init__(self, plan: Plan, people: People) -> None:
        self.plan, self.people = plan, people
        self.count = plan.conversations if plan.people else 0
        self.long = {self.count // 3, 2 * self.count // 3} if self.count >= 50 else set()
        self.first_id = FIRST_ID + plan.seed % 1_000 * 1_000_000

    def time(self, name: str, number: int) -> int:
        back = 1 - self.plan.place(SALT, number, self.count)
        created = self.plan.now - int((self.plan.now - self.plan.born) * back * back) - 600
        if name == "created_at":
            return created
        return self.plan.changed(self._last(created))

    def _last(self, created: int) -> int:
        """Time of the last event. Monotone as the creation times: a fixed run, cut short near the end of the data."""
        return created + min(RUN, (self.plan.now - created) * 9 // 10)

    def id_of(self, number: int) -> str:
        return str(self.first_id + number)

    def number_of(self, record_id: str) -> int | None:
        if not record_id.isascii() or not record_id.isdigit():
            return None
        number = int(record_id) - self.first_id
        return number if 0 <= number < self.count and record_id == str(number + self.first_id) else None

    def contacts_of(self, number: int) -> list[int]:
        """Numbers of the contacts in a conversation; the first one wrote it. All of them existed by then."""
        dice = Dice(self.plan.seed, SALT + 1, number)
        there = self.people.created_before(self.time("created_at", number))
        share = dice.below(1 << 20) / (1 << 20)
        writer = int(there * share * share)
        others = [dice.below(there) for _ in range(2 if number % 58 == 5 else 1)] if number % 29 == 5 else []
        return list(dict.fromkeys([writer, *others]))

    def script(self, number: int) -> Script:
        dice = Dice(self.plan.seed, SALT + 2, number)
        created = self.time("created_at", number)
        updated = self._last(created)
        culture, name, _ = self.people.name_parts(self.contacts_of(number)[0])
        length = LONG if number in self.long else 0
        script = write(dice, culture.language, created, updated, length, self.plan.now - created)
        script.name = name.split()[0]
        return script

    def make(self, number: int) -> Conversation:
        script, dice = self.script(number), Dice(self.plan.seed, SALT + 3, number)
        people = self.contacts_of(number)
        writer = people[0]
        created = self.time("created_at", number)
        updated = self._last(created)
        contacts = [
            {"type": "contact", "id": self.people.id_of(person), "external_id": self.people.external_of(person)}
            for person in people
        ]
        quiet = script.outbound and not script.events
        source_type = dice.pick(SOURCES)
        fields: dict[str, Any] = {
            "type": "conversation",
            "id": self.id_of(number),
            "created_at": created,
            "updated_at": self.plan.changed(updated),
            "waiting_since": script.waiting_since,
            "snoozed_until": self.plan.now + 3 * DAY if script.state == "snoozed" else None,
            "source": self._source(number, script, writer, source_type, dice, quiet),
            "contacts": {"type": "contact.list", "contacts": contacts},
            "first_contact_reply": details.first_reply(script, source_type, self.id_of(number)),
            "admin_assignee_id": int(script.admin or 0),
            "team_assignee_id": int(script.team or 0),
            "open": script.state != "closed",
            "state": script.state,
            "read": dice.chance(0.8),
            "tags": {"type": "tag.list", "tags": details.tags(script, updated)},
            "priority": dice.pick(PRIORITIES),
            "sla_applied": details.sla(dice, script),
            "statistics": None if quiet or number % 31 == 12 else details.statistics(script, created),
            "conversation_rating": self._rating(script, contacts[0]),
            "teammates": details.teammates(script),
            "title": None if source_type == "conversation" and dice.chance(0.6) else script.fill(script.topic.subject),
            "company": None,
            "custom_attributes": details.custom_attributes(dice, script),
            "topics": {} if dice.chance(0.5) else details.topics(script),
            "ticket": None,
            "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False},
            "ai_agent": details.ai_agent(script) if script.ai else None,
            "ai_agent_participated": script.ai,
            "sales_agent_participated": False,
            "sales_agent": None,
            "channel": {"initial": source_type, "current": source_type},
            "external_references": [],
        }
        return Conversation(fields, number)

    def parts(self, number: int) -> list[dict[str, Any]]:
        """All generated parts of a conversation, oldest first."""
        script, people = self.script(number), self.contacts_of(number)
        return [self._part(number, place, event, script, people) for place, event in enumerate(script.events)]

    def author(self, person: int) -> dict[str, Any]:
        role = self.people.role_of(person)
        name = self.people.name_parts(person)[1]
        return {"type": role, "id": self.people.id_of(person), "name": name, "email": self.people.email_of(person)}

    def _part(self, number: int, place: int, event: Event, script: Script, people: list[int]) -> dict[str, Any]:
        part_id = (number + 1) * 1_000 + place
        body = None if event.body is None else f"<p>{script.fill(event.body)}</p>"
        author = (
            self.author(people[event.voice % len(people)]) if event.who == "contact" else details.teammate(event.who)
        )
        return {
            "type": "conversation_part",
            # Numbers and words, as in Intercom's own examples.
            "id": part_id if number % 7 == 3 else str(part_id),
            "part_type": event.kind,
            "body": body,
            "created_at": event.at,
            "updated_at": event.at,
            "notified_at": event.at,
            "assigned_to": event.assigned,
            "author": author,
            "attachments": [details.attachment(part_id)] if event.attachment else [],
            "external_id": None,
            "redacted": False,
            "email_message_metadata": None,
            "metadata": {},
            "state": event.state,
            "tags": [],
            "event_details": event.details,
            "app_package_code": None,
        }

    def _source(
        self, number: int, script: Script, writer: int, source_type: str, dice: Dice, quiet: bool
    ) -> dict[str, Any]:
        author = details.teammate(script.admin or "7001") if script.outbound else self.author(writer)
        opening, subject = script.fill(script.opening), script.fill(script.topic.subject)
        return {
            "type": source_type,
            "id": str(403_000_000 + number),
            "delivered_as": "admin_initiated" if script.outbound else "customer_initiated",
            "subject": None if quiet else f"<p>{subject}</p>" if source_type == "email" else "",
            "body": f"<p>{opening}</p>",
            "author": author,
            "attachments": [details.attachment(number)] if dice.chance(0.05) else [],
            "url": "https://app.example/settings" if dice.chance(0.5) else None,
            "redacted": False,
        }

    def _rating(self, script: Script, contact: dict[str, Any]) -> dict[str, Any] | None:
        if script.rating_asked is None:
            return None
        teammate = {"type": "admin", "id": script.admin} if script.admin else None
        return {
            "rating": script.rating,
            "remark": script.remark,
            "created_at": script.rating_asked,
            "updated_at": script.rating_asked + 300,
            "contact": contact,
            "teammate": teammate,
        }
