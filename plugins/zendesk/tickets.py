"""Tickets as activities: what their audits tell, from the first message to the rating."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Activity, Cursor, Page, Partition, Record, Ref, Refusal
from plugins.base.client import NotFound
from plugins.base.mapping import html_to_text, map_each, moment, own_id, record, remote_id, text
from plugins.base.pages import dig
from plugins.zendesk.client import ZendeskClient
from plugins.zendesk.exports import Export
from plugins.zendesk.people import custom
from plugins.zendesk.team import names

Attributes = dict[str, JSON]
Told = tuple[str, str, Attributes]
"""Type, id and attributes of an activity."""
DONE = ("solved", "closed")
COMMENTS = ("Comment", "VoiceComment")


class Tickets(Export):
    """Tickets by their last change, each with its audits, which cost a request of their own."""

    object = "ticket"
    path = "/api/v2/incremental/tickets/cursor.json"
    name = "tickets"
    size = 100

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Nothing happened after the horizon on a ticket that was not changed after it."""
        return super().plan(account, max(filter(None, (since, horizon)), default=None), horizon)

    def page(self, client: ZendeskClient, rows: list[Any], following: Cursor | None) -> Page:
        """Read the tickets that the host does not have as they are."""
        deleted = [Ref("ticket", own_id(row)) for row in rows if is_deleted(row)]
        alive = [row for row in rows if not is_deleted(row)]
        sketches = [sketch for sketch in map_each("ticket", alive, _sketch) if isinstance(sketch, Record)]
        versions = {sketch.remote_id: sketch.updated_at for sketch in sketches if sketch.updated_at}
        held = client.account.known("ticket", versions)
        wanted = [row for row in alive if str(dig(row, "id")) not in held]
        records, gone = read_tickets(client, wanted)
        unchanged = {"ticket": len(held)} if held else {}
        return Page(records, next=following, unchanged=unchanged, deleted=[*deleted, *gone])


def is_deleted(ticket: Any) -> bool:
    """Tell whether a ticket was deleted: exports go on showing it."""
    return bool(dig(ticket, "status") == "deleted")


def _sketch(ticket: dict[str, Any]) -> Record:
    return Record("ticket", own_id(ticket), moment(ticket.get("updated_at"), "updated_at"))


def read_tickets(client: ZendeskClient, tickets: Sequence[Any]) -> tuple[list[Record | Refusal], list[Ref]]:
    """Complete tickets by their audits, and map them; those that are gone meanwhile are told apart."""

    def complete(ticket: Any) -> JSON:
        # What has no id is refused when it is mapped.
        key = dig(ticket, "id")
        audits = list(client.rows(f"/api/v2/tickets/{key}/audits.json", "audits")) if key else []
        return {**ticket, "audits": audits} if isinstance(ticket, dict) else ticket

    outcomes = list(zip(tickets, client.map(complete, tickets), strict=True))
    found = [outcome for _, outcome in outcomes if not isinstance(outcome, Refused)]
    refused: list[Record | Refusal] = [
        Refusal("ticket", own_id(ticket), str(outcome), ticket)
        for ticket, outcome in outcomes
        if isinstance(outcome, Refused) and not isinstance(outcome, NotFound)
    ]
    gone = [Ref("ticket", own_id(ticket)) for ticket, outcome in outcomes if isinstance(outcome, NotFound)]
    mapped = map_each("ticket", found, TicketMapper(client.account)) if found else []
    return [*mapped, *refused], gone


class TicketMapper:
    """Maps tickets with their ``audits``.

    What changes with the ticket (status, tags, custom fields) goes to its creation only, so that a change rewrites this
    and not every activity.
    """

    def __init__(self, account: Account) -> None:
        self._names = names(account)
        self._url = f"https://{account.settings.get('subdomain')}.zendesk.com/agent/tickets"

    def __call__(self, ticket: dict[str, Any]) -> Record:
        """Map one ticket."""
        return record(
            "ticket",
            ticket,
            activities=tuple(self._activities(ticket)),
        )

    def _activities(self, ticket: dict[str, Any]) -> Iterator[Activity]:
        key, requester = own_id(ticket), remote_id(ticket.get("requester_id"))
        organization = remote_id(ticket.get("organization_id"))
        context = {
            "ticket_id": key,
            "subject": text(ticket.get("subject")),
            "channel": text(dig(ticket, "via", "channel")),
            "url": f"{self._url}/{key}",
        }
        for number, audit in enumerate(ticket["audits"]):
            author = remote_id(audit.get("author_id"))
            for type, id, attributes in self._created(ticket, audit) if number == 0 else self._changed(ticket, audit):
                when = moment(audit.get("created_at"), f"{id}: time")
                if when is None:
                    raise ValueError(f"{id}: the time is missing")
                people = [person for person in (author, requester) if person and self._is_customer(ticket, person)]
                given = {
                    name: value for name, value in {**context, **attributes}.items() if value not in (None, "", [])
                }
                yield Activity(
                    type,
                    id,
                    when,
                    tuple(Ref("user", person) for person in dict.fromkeys(people)),
                    Ref("organization", organization) if organization else None,
                    given,
                )

    def _created(self, ticket: dict[str, Any], audit: dict[str, Any]) -> Iterator[Told]:
        """Yield the creation, which holds the first message, and what is true of the ticket now."""
        first = next((event for event in _events(audit) if event.get("type") in COMMENTS), {})
        fields = {str(field["id"]): field.get("value") for field in ticket.get("custom_fields") or ()}
        now: Attributes = {
            "status": ticket.get("status"),
            "priority": ticket.get("priority"),
            "ticket_type": ticket.get("type"),
            "tags": list(ticket.get("tags") or ()),
            **self._assignees(ticket),
            **custom(fields),
        }
        yield "ticket_created", f"ticket:{own_id(ticket)}", {**self._message(ticket, audit, first), **now}

    def _changed(self, ticket: dict[str, Any], audit: dict[str, Any]) -> Iterator[Told]:
        """Yield what one later audit tells: messages, and changes of who is responsible, status, tags, rating."""
        key = own_id(audit)
        for event in _events(audit):
            if event.get("type") in COMMENTS:
                message = self._message(ticket, audit, event)
                by = "contact_replied" if message["author_type"] == "contact" else "teammate_replied"
                yield by if event.get("public") else "ticket_noted", f"comment:{own_id(event)}", message
        changes = {str(event.get("field_name")): event for event in _events(audit) if event.get("type") == "Change"}
        now = {field: change.get("value") for field, change in changes.items()}
        if "assignee_id" in now or "group_id" in now:
            yield "ticket_assigned", f"assignment:{key}", self._assignees(now)
        if "status" in now:
            before = changes["status"].get("previous_value")
            yield (
                _status_type(now["status"], before),
                f"status:{key}",
                {"status": now["status"], "previous_status": before},
            )
        if "tags" in now:
            before = changes["tags"].get("previous_value") or ()
            if added := [tag for tag in now["tags"] or () if tag not in before]:
                yield "ticket_tagged", f"tags:{key}", {"tags": added}
        if now.get("satisfaction_score") in ("good", "bad"):
            rating = {"rating": now["satisfaction_score"], "remark": text(now.get("satisfaction_comment"))}
            yield "ticket_rated", f"rating:{key}", {**rating, **self._assignees(ticket)}

    def _message(self, ticket: dict[str, Any], audit: dict[str, Any], event: dict[str, Any]) -> Attributes:
        author = remote_id(event.get("author_id") or audit.get("author_id"))
        return {
            "text": html_to_text(event.get("html_body") or event.get("body")),
            "author": self._names.teammates.get(author or ""),
            "author_type": "contact" if author and self._is_customer(ticket, author) else "teammate",
            "attachments": [str(file.get("file_name")) for file in event.get("attachments") or ()],
        }

    def _is_customer(self, ticket: dict[str, Any], user: str) -> bool:
        """Tell whether a user is no agent; where agents cannot be listed, only the requester is known for one."""
        if user.startswith("-"):
            return False
        teammates = self._names.teammates
        return user not in teammates if teammates else user == remote_id(ticket.get("requester_id"))

    def _assignees(self, of: Mapping[str, Any]) -> Attributes:
        team, teammate = remote_id(of.get("group_id")), remote_id(of.get("assignee_id"))
        return {
            "team_id": team,
            "team": self._names.teams.get(team or ""),
            "teammate_id": teammate,
            "teammate": self._names.teammates.get(teammate or ""),
        }


def _events(audit: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    return audit.get("events") or ()


def _status_type(now: Any, before: Any) -> str:
    if now == "solved":
        return "ticket_solved"
    return "ticket_reopened" if before in DONE and now not in DONE else "ticket_status_changed"
