"""Everything that the sandboxed workspace holds, and the helpers that all changes to it share."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, TypeVar, cast

from plugins.intercom.sandbox import items
from plugins.intercom.sandbox.clock import Clock
from plugins.intercom.sandbox.errors import bad_parameter, company_not_found, contact_not_found, not_found
from plugins.intercom.sandbox.faults import Faults
from plugins.intercom.sandbox.generate import articles, workspace
from plugins.intercom.sandbox.generate.companies import Companies, Company, Membership
from plugins.intercom.sandbox.generate.conversations import Conversation, Conversations
from plugins.intercom.sandbox.generate.people import Contact, People, segments
from plugins.intercom.sandbox.generate.plan import Plan, hex_id
from plugins.intercom.sandbox.generate.tickets import Ticket, Tickets
from plugins.intercom.sandbox.shelf import Shelf
from plugins.intercom.sandbox.webhooks import Webhooks

F = TypeVar("F", bound=Callable[..., Any])
MERGED_SALT = 0x6D657267
ZONE = "Europe/Berlin"
REQUESTS_KEPT = 1_000


def mutator(function: F) -> F:
    """Mark a method of the store as a change: atomic, and offered at `POST /_sandbox/<name>`."""

    @functools.wraps(function)
    def locked(self: State, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return function(self, *args, **kwargs)

    locked.is_mutator = True  # type: ignore[attr-defined]
    return cast(F, locked)


class State:
    """The workspace.

    Attributes:
        contacts, companies, conversations, tickets: generated records with their changes.
        admins, teams, tags, articles, collections: by id.
        merged: id of a merged contact → id that it was merged into.
        archived: archived contacts by id.
        deleted_conversations: newest last, as `/conversations/deleted` shows them.
        tokens: access tokens that the API accepts; dead_tokens: those that it once did, with the 401 code.
        writes: every request that tried to write, as {"method", "path", "at"}. Must stay empty.
        requests, statuses: how often each path was asked, and how often each status was given.
        zone: the workspace's time zone, whose days contact searches use.
        hub_version: the API version of requests without `Intercom-Version`.
    """

    def __init__(self, plan: Plan, clock: Clock, faults: Faults, webhooks: Webhooks) -> None:
        self.plan, self.clock, self.faults, self.webhooks = plan, clock, faults, webhooks
        self.lock = threading.RLock()
        company_maker = Companies(plan, Membership(plan))
        people = People(plan, company_maker)
        self.people, self.company_maker = people, company_maker
        self.conversation_maker = Conversations(plan, people)
        self.contacts: Shelf[Contact] = Shelf(people, visible=lambda contact: contact.hidden_until <= clock.now())
        self.companies: Shelf[Company] = Shelf(company_maker)
        self.conversations: Shelf[Conversation] = Shelf(self.conversation_maker)
        self.tickets: Shelf[Ticket] = Shelf(Tickets(plan, people))
        self.admins, self.teams = workspace.admins(plan), workspace.teams()
        self.tags = workspace.tags()
        self.articles, self.collections = articles.articles(plan), articles.collections(plan)
        self.merged: dict[str, str] = {}
        self.archived: dict[str, Contact] = {}
        self.deleted_conversations: list[dict[str, Any]] = []
        self.zone, self.hub_version = ZONE, "2.11"
        self.redirect_uris: list[str] = []
        token = hashlib.sha256(f"sandbox {plan.seed}".encode()).hexdigest()[:40]
        self.token = f"sandbox_{token}"
        self.tokens: set[str] = {self.token}
        self.dead_tokens: dict[str, str] = {}
        self.writes: list[dict[str, Any]] = []
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.recent: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.in_flight = self.most_in_flight = self.api_requests = 0
        self._made = Counter[str]()
        self._merge_at_start()

    def _merge_at_start(self) -> None:
        """Two leads merged in a chain into the first contact, long ago."""
        if not self.plan.people:
            return
        survivor_id = self.people.id_of(0)
        survivor = self.people.make(0)
        at = int(survivor.fields["created_at"]) + 3_600
        first, second = (hex_id(at - 900 + step, MERGED_SALT, step) for step in (0, 1))
        self.merged |= {first: second, second: survivor_id}
        survivor.merges = [_merge(second, "lead", at + 60)]
        survivor.fields["role"] = "user"
        survivor.fields["external_id"] = survivor.fields["external_id"] or "user_1"
        self.contacts.put(survivor_id, survivor)

    def next_number(self, kind: str) -> int:
        """A rising number for new records of a kind."""
        self._made[kind] += 1
        return self._made[kind]

    def contact(self, contact_id: str) -> Contact:
        record = self.contacts.get(contact_id)
        if record is None:
            raise contact_not_found()
        return record

    def company(self, company_id: str) -> Company:
        record = self.companies.get(company_id)
        if record is None:
            raise company_not_found()
        return record

    def conversation(self, conversation_id: str) -> Conversation:
        record = self.conversations.get(str(conversation_id))
        if record is None:
            raise not_found()
        return record

    def parts(self, record: Conversation) -> list[dict[str, Any]]:
        """All parts of a conversation, oldest first."""
        made = [] if record.number is None else self.conversation_maker.parts(record.number)
        return [
            {**part, "author": {**part["author"], "id": self.now_called(part["author"]["id"])}}
            if part["author"]["id"] in self.merged
            else part
            for part in made + record.added
        ]

    def now_called(self, contact_id: str) -> str:
        """The id of a contact after merges: conversations follow the survivor."""
        return self.survivor(contact_id) or contact_id

    def conversation_fields(self, record: Conversation) -> dict[str, Any]:
        """A conversation without parts, with survivors in place of merged contacts."""
        people = record.fields["contacts"]["contacts"]
        if not any(person["id"] in self.merged for person in people):
            return record.fields
        people = [{**person, "id": self.now_called(person["id"])} for person in people]
        return {**record.fields, "contacts": {"type": "contact.list", "contacts": people}}

    def survivor(self, contact_id: str) -> str | None:
        """Whom a merged contact became; chains are followed three steps at most (Intercom API 2.16)."""
        found: str | None = None
        for _ in range(3):
            step = self.merged.get(found or contact_id)
            if step is None:
                break
            found = step
        return found

    def members(self, company_id: str) -> list[str]:
        """Ids of the contacts of a company, oldest first."""
        number = self.company_maker.number_of(company_id)
        base = (
            []
            if number is None
            else [self.people.id_of(one) for one in self.company_maker.membership.people_of(number)]
        )
        kept = [one for one in base if one not in self.contacts.changed and one not in self.contacts.removed]
        kept += [one for one, contact in self.contacts.changed.items() if company_id in contact.companies]
        return sorted(kept)

    def set_fields(self, record: Contact | Company, fields: dict[str, Any], fixed: set[str]) -> None:
        """Change fields of a record, but none that it has not and none that are `fixed`."""
        unknown = set(fields) - set(record.fields) | set(fields) & fixed
        if unknown:
            raise bad_parameter(f"{record.fields['type']} has no field to set named {', '.join(sorted(unknown))}")
        custom = fields.pop("custom_attributes", None)
        record.fields |= fields
        if custom is not None:
            record.fields["custom_attributes"] = record.fields["custom_attributes"] | custom

    def save_contact(self, record: Contact, bump: bool = True) -> None:
        if bump:
            record.fields["updated_at"] = self.clock.seconds()
        record.segments = segments(record.fields, self.plan.now)
        self.contacts.put(record.fields["id"], record)

    def save_company(self, record: Company, bump: bool = True) -> None:
        if bump:
            record.fields["updated_at"] = self.clock.seconds()
        self.companies.put(record.fields["id"], record)

    def tell_contact(self, topic: str, record: Contact) -> None:
        self.webhooks.emit(topic, items.contact(record))


def _merge(source_id: str, role: str, at: int) -> dict[str, Any]:
    return {"type": "merge_history", "source_contact_id": source_id, "source_contact_role": role, "merged_at": at}
