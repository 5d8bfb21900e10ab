"""What the sandbox holds, made from the seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from core.contract.types import SandboxOptions

SUBDOMAIN = "acme"
DAY, DAYS = 86_400, 60
"""Everything was made in so many days before the last midnight."""
FIRST_USER, FIRST_AGENT, FIRST_FIELD = 1_000_000, 900_000, 500_000
AGENTS, GROUPS = 5, 3
FIRST = "Ada Bo Cleo Dan Edda Finn Gül Hugo Ines Jan Kim Lea Mia Noah Olu Pia Rui Sol Tom Uma Vera Wim Yara Zoë".split()
LAST = (
    "Aydin Berg Costa Diaz Eriksen Fischer Garcia Haas Ito Jansen Kowalski Lund Moreau Novak Okafor Petit Rossi".split()
)
SUBJECTS = ("Invoice is wrong", "Cannot sign in", "Where is my order?", "How do I export?", "Please cancel")
TAGS = ("vip", "billing", "trial", "partner")

Row = dict[str, Any]


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Data:
    """All rows by kind and id; audits by ticket.

    Args:
        options: How many people, from which seed, and whether all was changed in one second.
    """

    def __init__(self, options: SandboxOptions) -> None:
        self._dice = random.Random(options.seed)  # noqa: S311
        self._ties = options.ties
        self.midnight = int(time.time()) // DAY * DAY
        self.born = self.midnight - DAYS * DAY
        self.rows: dict[str, dict[int, Row]] = {}
        self.audits: dict[int, list[Row]] = {}
        self._changes = 0
        people = options.people
        self._add("user_fields", FIRST_FIELD, _fields("user"))
        self._add("organization_fields", FIRST_FIELD + 100, _fields("organization"))
        self._add("ticket_fields", FIRST_FIELD + 200, [*_fields("ticket"), _field("Priority", "priority")])
        self._add("groups", 800_000, [{"name": name} for name in ("Support", "Billing", "Success")])
        memberships = [{"user_id": FIRST_AGENT + n, "group_id": 800_000 + n % GROUPS} for n in range(AGENTS)]
        self._add("group_memberships", 810_000, memberships)
        self._add("organizations", 700_000, [self._organization(n) for n in range(people // 10 + 2)])
        self._add("users", FIRST_AGENT, [self._agent(n) for n in range(AGENTS)])
        self._add("users", FIRST_USER, [self._user(n, people // 10 + 2) for n in range(people)])
        self._add("tickets", 1, [self._ticket(n, people) for n in range(people // 8 + 8 if people else 0)])
        for key, ticket in self.rows["tickets"].items():
            self.audits[key] = list(self._talk(key, ticket))
            ticket["updated_at"] = self.audits[key][-1]["created_at"]
        self._add("categories", 600_000, [_help("Getting started", n) for n in range(2)])
        self._add("sections", 610_000, [{**_help("Section", n), "category_id": 600_000 + n % 2} for n in range(4)])
        self.rows["sections"][610_003]["parent_section_id"] = 610_001
        self._add("articles", 620_000, [self._article(n) for n in range(12)])

    def _add(self, kind: str, first: int, rows: list[Row]) -> None:
        kept = self.rows.setdefault(kind, {})
        step = 0 if self._ties else (DAYS - 1) * DAY // max(1, len(rows))
        for number, row in enumerate(rows):
            at = stamp(self.born + number * step)
            kept[first + number] = {"id": first + number, "created_at": at, "updated_at": at, **row}

    def change(self) -> Iterator[tuple[str, str]]:
        """Change, make and delete something; yield topic and subject of what Zendesk tells of it."""
        self._changes += 1
        at = stamp(self.midnight + self._changes)
        users, tickets = self.rows["users"], self.rows["tickets"]
        first, second = [key for key, row in users.items() if row["role"] == "end-user" and row["active"]][:2]
        users[first] |= {"name": f"Renamed {self._changes}", "updated_at": at}
        yield "user.name_changed", f"user:{first}"
        users[second] |= {"active": False, "updated_at": at}
        yield "user.deleted", f"user:{second}"
        new = max(users) + 1
        users[new] = {**users[first], "id": new, "email": f"new{new}@example.com", "external_id": f"acme-{new}"}
        yield "user.created", f"user:{new}"
        ticket = next(key for key, row in tickets.items() if row["status"] != "deleted")
        tickets[ticket]["updated_at"] = at
        comment = _comment(ticket * 1000 + 900 + self._changes, tickets[ticket]["requester_id"], "One more thing", True)
        self.audits[ticket].append(_audit(ticket * 1000 + 500 + self._changes, at, comment["author_id"], comment))
        yield "ticket.comment_added", f"ticket:{ticket}"
        gone = max(key for key, row in tickets.items() if row["status"] != "deleted")
        tickets[gone] |= {"status": "deleted", "updated_at": at}
        yield "ticket.soft_deleted", f"ticket:{gone}"
        organization = next(iter(self.rows["organizations"]))
        self.rows["organizations"][organization] |= {"name": f"Renamed {self._changes}", "updated_at": at}
        yield "organization.name_changed", f"organization:{organization}"
        article = max(self.rows["articles"])
        self.rows["articles"][article] |= {"draft": True, "updated_at": at}
        yield "article.unpublished", f"article:{article}"

    def _user(self, number: int, organizations: int) -> Row:
        first, last = self._dice.choice(FIRST), self._dice.choice(LAST)
        tags = [tag for tag in TAGS if self._dice.random() < 0.2]
        values = {"plan": self._dice.choice(("free", "team")), "seats": self._dice.randrange(50), "score": 7.5,
                  "beta": number % 2 == 0, "renews": "2026-05-01", "interests": ["news"]}  # fmt: skip
        return {
            "name": f"{first} {last}", "email": f"zd{number}@example.com", "phone": f"+4930{1_000_000 + number}",
            "external_id": f"acme-{number}", "role": "end-user", "active": True, "alias": first, "details": "Likes tea",
            "notes": "Met at the fair" if number % 3 == 0 else "", "locale": "en-US", "time_zone": "Berlin",
            "suspended": False, "verified": number % 5 > 0, "last_login_at": stamp(self.born + number), "tags": tags,
            "organization_id": 700_000 + number % organizations if number % 4 else None,
            "photo": {"content_url": f"https://acme.zendesk.com/photos/{number}.png"} if number % 6 == 0 else None,
            "user_fields": values,
        }  # fmt: skip

    def _agent(self, number: int) -> Row:
        role = "admin" if number == 0 else "agent"
        return {
            "name": f"{FIRST[-1 - number]} Agent",
            "email": f"agent{number}@acme.example",
            "role": role,
            "active": True,
        }

    def _organization(self, number: int) -> Row:
        values = {"plan": "team", "seats": number, "score": 1.5, "beta": True, "renews": None, "interests": []}
        full = {**values, "renews": "2026-05-01", "interests": ["news", "events"]}
        return {
            "name": f"{LAST[number % len(LAST)]} {number} Ltd", "domain_names": [f"company{number}.example"],
            "external_id": f"org-{number}", "details": "Pays late", "notes": "Large", "shared_tickets": number % 2 == 0,
            "tags": ["customer"], "organization_fields": full if number % 2 == 0 else values, "deleted_at": None,
        }  # fmt: skip

    def _ticket(self, number: int, people: int) -> Row:
        values = ("team", number, "2.5", True, "2026-05-01", ["news"])
        return {
            "subject": self._dice.choice(SUBJECTS), "requester_id": FIRST_USER + number % people,
            "organization_id": 700_000 + number % 2, "assignee_id": FIRST_AGENT + number % AGENTS,
            "group_id": 800_000 + number % GROUPS, "status": "open", "priority": "normal", "type": "question",
            "tags": ["billing"], "via": {"channel": "web" if number % 2 else "email"},
            "custom_fields": [{"id": FIRST_FIELD + 200 + n, "value": value} for n, value in enumerate(values)],
        }  # fmt: skip

    def _talk(self, key: int, ticket: Row) -> Iterator[Row]:
        """Yield the audits: the first message, and of some tickets all that can happen to one."""
        requester, agent = ticket["requester_id"], ticket["assignee_id"]
        start = datetime.fromisoformat(ticket["created_at"]).timestamp()

        def audit(number: int, author: int, *events: Row) -> Row:
            numbered = [{"id": key * 1000 + number * 10 + place, **event} for place, event in enumerate(events)]
            at = stamp(start if self._ties else start + number * 600)
            return _audit(key * 1000 + 700 + number, at, author, *numbered)

        yield audit(0, requester, _comment(0, requester, "<p>Please <b>help</b>.</p>", True),
                    {"type": "Create", "field_name": "status", "value": "new"})  # fmt: skip
        yield audit(
            1, agent, _change("assignee_id", str(agent), None), _change("group_id", str(ticket["group_id"]), None)
        )
        yield audit(2, agent, _comment(0, agent, "We look into it.", True), _change("status", "pending", "open"))
        if key % 2:
            yield audit(
                3, agent, _comment(0, agent, "Known to us.", False), _change("tags", ["billing", "bug"], ["billing"])
            )
            yield audit(4, requester, _comment(0, requester, "Thanks!", True), _change("status", "solved", "pending"))
            ticket["status"] = "solved"
        if key % 4 == 1:
            yield audit(5, requester, _change("satisfaction_score", "good", "offered"),
                        _change("satisfaction_comment", "Quick", None))  # fmt: skip
            yield audit(6, requester, _comment(0, requester, "It is back.", True), _change("status", "open", "solved"))
            ticket["status"] = "open"

    def _article(self, number: int) -> Row:
        return {
            **_help("Article", number), "title": f"How to {number}", "body": f"<p>Step {number}</p>",
            "draft": number == 0, "section_id": 610_000 + number % 4, "author_id": FIRST_AGENT,
            "label_names": ["howto"],
        }  # fmt: skip


def _help(name: str, number: int) -> Row:
    german = {"locale": "de", "title": f"{name} {number} auf Deutsch", "body": "<p>Text</p>"}
    english = {"locale": "en-us", "title": f"{name} {number}", "body": "<p>Text</p>"}
    return {
        "name": f"{name} {number}", "description": "About it", "locale": "en-us", "position": number,
        "html_url": f"https://acme.zendesk.com/hc/{number}", "translations": [english, german],
    }  # fmt: skip


def _fields(of: str) -> list[Row]:
    kinds = (("plan", "tagger"), ("seats", "integer"), ("score", "decimal"), ("beta", "checkbox"), ("renews", "date"),
             ("interests", "multiselect"))  # fmt: skip
    return [{**_field(f"{key.title()} of the {of}", kind), "key": key} for key, kind in kinds]


def _field(title: str, kind: str) -> Row:
    options = [{"name": "Team", "value": "team"}, {"name": "Free", "value": "free"}] if kind == "tagger" else []
    return {"title": title, "type": kind, "active": True, "custom_field_options": options}


def _audit(id: int, at: str, author: int, *events: Row) -> Row:
    return {"id": id, "created_at": at, "author_id": author, "events": list(events)}


def _comment(id: int, author: int, html: str, public: bool) -> Row:
    body = {"type": "Comment", "author_id": author, "html_body": html, "public": public, "attachments": []}
    return {"id": id, **body} if id else body


def _change(field: str, value: Any, before: Any) -> Row:
    return {"type": "Change", "field_name": field, "value": value, "previous_value": before}
