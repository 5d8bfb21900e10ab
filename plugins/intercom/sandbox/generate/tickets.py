"""Generated tickets: a modest number, with types, states and parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plugins.intercom.sandbox.clock import DAY
from plugins.intercom.sandbox.generate.dice import Dice
from plugins.intercom.sandbox.generate.people import People
from plugins.intercom.sandbox.generate.plan import Plan
from plugins.intercom.sandbox.generate.texts import TOPICS
from plugins.intercom.sandbox.generate.workspace import ADMINS

FIRST_ID = 630
CATEGORIES = {"Customer": "request", "Back-office": "task", "Tracker": "tracker"}
STATES = (
    ("8269", "submitted", "Submitted"), ("8270", "in_progress", "In progress"),
    ("8271", "waiting_on_customer", "Waiting on customer"), ("8272", "resolved", "Resolved"),
)  # fmt: skip
TYPES = (
    ("95", "Return", "Customer", False),
    ("96", "Bug report", "Back-office", False),
    ("97", "Old form", "Tracker", True),
)


@dataclass(slots=True)
class Ticket:
    fields: dict[str, Any]

    def value(self, path: str) -> Any:
        fields = self.fields
        special: dict[str, Any] = {
            "title": fields["ticket_attributes"].get("_default_title_"),
            "description": fields["ticket_attributes"].get("_default_description_"),
            "category": CATEGORIES[fields["category"]],
            "ticket_type_id": fields["ticket_type"]["id"],
            "contact_ids": [contact["id"] for contact in fields["contacts"]["contacts"]],
            "teammate_ids": [str(fields["admin_assignee_id"])],
            "state": fields["ticket_state"]["category"],
        }
        return special[path] if path in special else fields.get(path)


class Tickets:
    """Makes tickets by number."""

    def __init__(self, plan: Plan, people: People) -> None:
        self.plan, self.people, self.count = plan, people, plan.tickets if plan.people else 0

    def time(self, name: str, number: int) -> int:
        created = self.plan.now - int(300 * DAY * (1 - self.plan.place(40, number, self.count))) - 900
        return created if name == "created_at" else self.plan.changed(self._updated(created))

    def _updated(self, created: int) -> int:
        return created + min(3 * DAY, (self.plan.now - created) * 8 // 10)

    def id_of(self, number: int) -> str:
        return f"{FIRST_ID + number:06d}".lstrip("0") if self.count < 370 else str(100_000 + number)

    def number_of(self, record_id: str) -> int | None:
        if not record_id.isascii() or not record_id.isdigit():
            return None
        number = int(record_id) - (FIRST_ID if self.count < 370 else 100_000)
        return number if 0 <= number < self.count and self.id_of(number) == record_id else None

    def make(self, number: int) -> Ticket:
        dice = Dice(self.plan.seed, 41, number)
        created = self.time("created_at", number)
        updated = self._updated(created)
        person = dice.below(self.people.created_before(created))
        kind = ticket_types(self.plan)[dice.below(2)]
        state = STATES[3] if updated < self.plan.now - 20 * DAY else dice.pick(STATES)
        topic = dice.pick(TOPICS)
        admin = dice.pick(ADMINS[:5])
        contact = {"type": "contact", "id": self.people.id_of(person), "external_id": self.people.external_of(person)}
        return Ticket({
            "type": "ticket",
            "id": self.id_of(number),
            "ticket_id": str(number + 1),
            "ticket_attributes": {
                "_default_title_": topic.subject.replace("{order}", f"#{dice.between(10_000, 99_999)}"),
                "_default_description_": dice.pick((None, topic.note.replace("{amount}", "€20.00"))),
            },
            "ticket_state": ticket_state(state),
            "ticket_type": kind,
            "contacts": {"type": "contact.list", "contacts": [contact]},
            "admin_assignee_id": int(admin[0]) if dice.chance(0.8) else 0,
            "team_assignee_id": admin[4][0] if dice.chance(0.8) else 0,
            "created_at": created,
            "updated_at": self.plan.changed(updated),
            "ticket_parts": _parts(number, created, updated, state[1], admin),
            "open": state[1] != "resolved",
            "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False},
            "category": kind["category"],
            "is_shared": True,
        })  # fmt: skip


def _parts(number: int, created: int, updated: int, state: str, admin: tuple[Any, ...]) -> dict[str, Any]:
    author = {"type": "admin", "id": admin[0], "name": admin[1], "email": f"{admin[2]}@mainstem-demo.example"}
    steps = [
        ("note", "<p>Have a look, please.</p>", "submitted", created),
        ("ticket_state_updated_by_admin", None, state, updated),
    ]
    parts: list[dict[str, Any]] = [
        {
            "type": "ticket_part",
            "id": str(900_000 + number * 10 + place),
            "part_type": kind,
            "body": body,
            "ticket_state": reached,
            "previous_ticket_state": "submitted",
            "created_at": at,
            "updated_at": at,
            "author": author,
            "attachments": [],
            "redacted": False,
        }
        for place, (kind, body, reached, at) in enumerate(steps)
    ]
    return {"type": "ticket_part.list", "ticket_parts": parts, "total_count": len(parts)}


def ticket_state(state: tuple[str, str, str]) -> dict[str, Any]:
    state_id, category, label = state
    return {
        "type": "ticket_state",
        "id": state_id,
        "category": category,
        "internal_label": label,
        "external_label": label,
    }


def ticket_types(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "type": "ticket_type",
            "id": type_id,
            "name": name,
            "description": f"{name} form",
            "icon": "🎟️",
            "workspace_id": plan.workspace,
            "archived": archived,
            "created_at": plan.born,
            "updated_at": plan.born,
            "is_internal": category != "Customer",
            "ticket_type_attributes": {"type": "list", "data": _attributes(plan, int(type_id))},
            "category": category,
        }
        for type_id, name, category, archived in TYPES
    ]


def ticket_states(plan: Plan) -> list[dict[str, Any]]:
    types = [
        {key: kind[key] for key in ("type", "id", "name", "description", "icon", "archived", "is_internal", "category")}
        for kind in ticket_types(plan)
    ]
    return [
        {**ticket_state(state), "ticket_types": {"type": "list", "data": types}, "archived": False} for state in STATES
    ]


def _attributes(plan: Plan, type_id: int) -> list[dict[str, Any]]:
    return [
        _attribute(plan, type_id, order, name)
        for order, name in enumerate(("_default_title_", "_default_description_"))
    ]


def _attribute(plan: Plan, type_id: int, order: int, name: str) -> dict[str, Any]:
    return {
        "type": "ticket_type_attribute",
        "id": str(type_id * 2 + order),
        "workspace_id": plan.workspace,
        "name": name,
        "description": "",
        "data_type": "string",
        "input_options": {"multiline": bool(order)},
        "order": order,
        "required_to_create": False,
        "required_to_create_for_contacts": False,
        "visible_on_create": True,
        "visible_to_contacts": True,
        "default": True,
        "ticket_type_id": type_id,
        "archived": False,
        "created_at": plan.born,
        "updated_at": plan.born,
    }
