"""Tickets: found by search, which gives their parts too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from core.contract.types import JSON, Account, Activity, Cursor, Page, Partition, Record, Ref
from plugins.base.mapping import html_to_text, map_each, moment, own_id, remote_id, text
from plugins.base.pages import dig
from plugins.intercom import lookups
from plugins.intercom.client import IntercomClient, after, listed
from plugins.intercom.contacts import nested
from plugins.intercom.windows import Windows, in_window

STATE_CHANGE = "ticket_state_updated"


class Tickets(Windows):
    """By windows of their last change. Intercom tells of no deleted ones."""

    object = "ticket"
    path = "/tickets/search"
    names = ("tickets", "data")
    # Each row comes with up to 500 parts.
    size = 50

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at the cursor: of a window with Intercom's cursor as ``after``."""
        body = self.search(IntercomClient(account), cursor)
        rows = [row for row in listed(body, *self.names) if in_window(row, cursor)]
        total, following = body.get("total_count"), after(body)
        return Page(
            records=map_each(self.object, rows, TicketMapper(account)) if rows else [],
            next=following and {**cursor, "after": following},
            named={self.object: lookups.names(account).found} if rows else {},
            expected=total if isinstance(total, int) else None,
        )


class TicketMapper:
    """Maps tickets as search and GET /tickets/{id} give them."""

    def __init__(self, account: Account) -> None:
        self._names = lookups.names(account)

    def __call__(self, ticket: dict[str, Any]) -> Record:
        """Map one ticket."""
        return Record(
            "ticket",
            own_id(ticket),
            version(ticket),
            moment(ticket.get("created_at"), "created_at"),
            activities=tuple(self._activities(ticket)),
            payload=ticket,
        )

    def _activities(self, ticket: dict[str, Any]) -> Iterator[Activity]:
        key = own_id(ticket)
        described = nested(ticket, "ticket_attributes")
        people = tuple(Ref("contact", own_id(c)) for c in nested(ticket, "contacts").get("contacts") or ())
        company = remote_id(ticket.get("company_id"))
        organization = Ref("company", company) if company else None
        context = {
            "ticket_id": key,
            "number": remote_id(ticket.get("ticket_id")),
            "subject": text(described.get("_default_title_")),
            "category": ticket.get("category"),
            "ticket_type": text(dig(ticket, "ticket_type", "name")),
        }

        def activity(type: str, id: str, at: Any, attributes: Mapping[str, JSON]) -> Activity:
            when = moment(at, f"{id}: time")
            if when is None:
                raise ValueError(f"{id}: the time is missing")
            given = {name: value for name, value in {**context, **attributes}.items() if value not in (None, "")}
            return Activity(type, id, when, people, organization, given)

        start = {
            "text": html_to_text(described.get("_default_description_")),
            "state": state_of(ticket.get("ticket_state")),
            **self._assignees(ticket),
        }
        yield activity("ticket_created", f"ticket:{key}", ticket.get("created_at"), start)
        for part in nested(ticket, "ticket_parts").get("ticket_parts") or ():
            yield activity(type_of(part), f"ticket_part:{own_id(part)}", part.get("created_at"), self._part(part))

    def _part(self, part: dict[str, Any]) -> dict[str, JSON]:
        author = nested(part, "author")
        attributes: dict[str, JSON] = {
            "text": html_to_text(part.get("body")),
            "part_type": part.get("part_type"),
            "state": state_of(part.get("ticket_state")),
            "previous_state": state_of(part.get("previous_ticket_state")),
            "author": text(author.get("name")),
            "author_type": author.get("type"),
        }
        to = nested(part, "assigned_to")
        assignee = remote_id(to.get("id"))
        if assignee and to.get("type") == "team":
            attributes |= {"team_id": assignee, "team": self._names.teams.get(assignee)}
        elif assignee and to.get("type") == "admin":
            attributes |= {"teammate_id": assignee, "teammate": self._names.teammates.get(assignee)}
        elif author.get("type") == "admin":
            attributes |= {"teammate_id": remote_id(author.get("id")), "teammate": text(author.get("name"))}
        changed = nested(part, "updated_attribute_data")
        if changed:
            # Of files there are several.
            value = dig(changed, "value", "label")
            values = value if isinstance(value, list) else [value]
            attributes["attribute"] = text(dig(changed, "attribute", "label"))
            attributes["value"] = ", ".join(filter(None, map(text, values)))
        return attributes

    def _assignees(self, ticket: Mapping[str, Any]) -> dict[str, JSON]:
        team, teammate = remote_id(ticket.get("team_assignee_id")), remote_id(ticket.get("admin_assignee_id"))
        return {
            "team_id": team,
            "team": self._names.teams.get(team or ""),
            "teammate_id": teammate,
            "teammate": self._names.teammates.get(teammate or ""),
        }


def version(ticket: Mapping[str, Any]) -> datetime | None:
    """Return when a ticket changed last: its newest part was seen to be younger than its ``updated_at``."""
    parts = nested(ticket, "ticket_parts").get("ticket_parts") or ()
    times = [ticket.get("updated_at"), *(part.get("updated_at") or part.get("created_at") for part in parts)]
    moments = [found for time in times if (found := moment(time, "updated_at")) is not None]
    return max(moments, default=None)


def state_of(state: Any) -> str | None:
    """Return a ticket's state: an object since 2.12, plain text before and in parts."""
    return text(state.get("category") if isinstance(state, dict) else state)


def type_of(part: Mapping[str, Any]) -> str:
    """Return the type of activity that a ticket's part is."""
    if not str(part.get("part_type")).startswith(STATE_CHANGE):
        return "ticket_updated"
    return "ticket_resolved" if state_of(part.get("ticket_state")) == "resolved" else "ticket_state_changed"
