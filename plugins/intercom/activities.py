"""A conversation as activities: its start, each of its parts, its tags, its rating."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from core.contract.types import JSON, Account, Activity, Record, Ref
from plugins.base.mapping import MALFORMED, html_to_text, moment, own_id, remote_id, text, why
from plugins.base.pages import dig
from plugins.intercom import lookups
from plugins.intercom.client import app_url
from plugins.intercom.contacts import add_custom, named, nested

PERSON = frozenset({"user", "lead", "contact"})
TALK = frozenset({"comment", "quick_reply"})
TYPES: Mapping[str, str] = {
    "note": "conversation_noted",
    "note_and_reopen": "conversation_noted",
    "assignment": "conversation_assigned",
    "default_assignment": "conversation_assigned",
    "away_mode_assignment": "conversation_assigned",
    "assign_and_reopen": "conversation_assigned",
    "assign_and_unsnooze": "conversation_assigned",
    "snoozed": "conversation_snoozed",
    "close": "conversation_closed",
    "open": "conversation_reopened",
    "unsnoozed": "conversation_reopened",
    "timer_unsnooze": "conversation_reopened",
}
"""By ``part_type``, which is an open set: what is not here updates the conversation."""

STATISTICS = {
    "first_reply_seconds": "time_to_admin_reply",
    "first_assignment_seconds": "time_to_assignment",
    "first_close_seconds": "time_to_first_close",
    "resolution_seconds": "time_to_last_close",
    "median_reply_seconds": "median_time_to_reply",
    "handling_seconds": "handling_time",
    "reopens": "count_reopens",
    "assignments": "count_assignments",
    "parts": "count_conversation_parts",
}

MOVED_BY = ("last_close_at", "last_contact_reply_at", "last_admin_reply_at", "last_assignment_at")
INSTANT = timedelta(microseconds=1)

Attributes = dict[str, JSON]


class ConversationMapper:
    """Maps conversations as GET /conversations/{id} gives them.

    What changes with the conversation (tags, topics, team, custom attributes) goes to its start, its last close and its
    rating only, so that a change rewrites these and not every activity.
    """

    def __init__(self, account: Account) -> None:
        self._names = lookups.names(account)
        self._inbox = f"{app_url(account)}/a/inbox/{account.remote_id}/inbox/conversation"

    def __call__(self, conversation: dict[str, Any]) -> Record:
        """Map one conversation; a part that cannot be mapped is told as refused, and costs no other."""
        refused: list[str] = []
        return Record(
            "conversation",
            own_id(conversation),
            version(conversation),
            moment(conversation.get("created_at"), "created_at"),
            activities=tuple(self._activities(conversation, refused)),
            refused=tuple(refused),
            payload=conversation,
        )

    def _activities(self, conversation: dict[str, Any], refused: list[str]) -> Iterator[Activity]:
        key = own_id(conversation)
        source = nested(conversation, "source")
        people = _people(conversation, source)
        company = remote_id(nested(conversation, "company").get("id"))
        organization = Ref("company", company) if company else None
        context: Attributes = {
            "conversation_id": key,
            "subject": html_to_text(source.get("subject")) or html_to_text(conversation.get("title")),
            "channel": dig(conversation, "channel", "current") or source.get("type"),
            "url": f"{self._inbox}/{key}",
        }
        now = self._now(conversation)
        created = conversation["created_at"]

        def activity(type: str, id: str, at: Any, attributes: Attributes, first: Ref | None = None) -> Activity:
            when = moment(at, f"{id}: time")
            if when is None:
                raise ValueError(f"{id}: the time is missing")
            whom = people if first is None else tuple(dict.fromkeys((first, *people)))
            given = {name: value for name, value in {**context, **attributes}.items() if value not in (None, "", [])}
            return Activity(type, id, when, whom, organization, given)

        yield activity("conversation_started", f"conversation:{key}", created, {**_source(source), **now})
        parts = nested(conversation, "conversation_parts").get("conversation_parts") or ()
        closes = [part for part in parts if dig(part, "part_type") == "close"]
        for part in parts:
            try:
                attributes = self._part(part)
                if closes and part is closes[-1]:
                    attributes = {**now, **attributes, **_times(conversation)}
                author = _author(part)
                yield activity(type_of(part), f"part:{own_id(part)}", part.get("created_at"), attributes, author)
            except MALFORMED as error:
                refused.append(f"part {dig(part, 'id')}: {why(part, error)}")
        for tag in nested(conversation, "tags").get("tags") or ():
            by = dig(tag, "applied_by", "type")
            id = f"tag:{key}:{own_id(tag)}"
            at = tag.get("applied_at") or created
            yield activity("conversation_tagged", id, at, {"tag": text(tag.get("name")), "author_type": by})
        rating = nested(conversation, "conversation_rating")
        if rating.get("rating") is not None:
            at = rating.get("updated_at") or rating.get("created_at") or created
            attributes = {**now, "rating": rating["rating"], "remark": text(rating.get("remark"))}
            rated = remote_id(dig(rating, "teammate", "id"))
            if rated:
                attributes |= self._teammate(rated)
            rater = remote_id(dig(rating, "contact", "id"))
            yield activity(
                "conversation_rated", f"rating:{key}", at, attributes, Ref("contact", rater) if rater else None
            )

    def _now(self, conversation: dict[str, Any]) -> Attributes:
        """What may change as long as the conversation goes on."""
        attributes: Attributes = {
            "state": conversation.get("state"),
            "priority": conversation.get("priority"),
            "tags": list(named(nested(conversation, "tags").get("tags") or (), {}) or ()),
            "topics": list(named(nested(conversation, "topics").get("topics") or (), {}) or ()),
            **self._team(remote_id(conversation.get("team_assignee_id"))),
            **self._teammate(remote_id(conversation.get("admin_assignee_id"))),
        }
        add_custom(attributes, conversation)
        return attributes

    def _part(self, part: dict[str, Any]) -> Attributes:
        author = nested(part, "author")
        attributes: Attributes = {
            "text": html_to_text(part.get("body")),
            "part_type": part.get("part_type"),
            "author": text(author.get("name")),
            "author_type": author.get("type"),
            "state": part.get("state"),
            "tags": list(named(part.get("tags") or (), {}) or ()),
            "attachments": _attachments(part),
        }
        to = nested(part, "assigned_to")
        assignee = remote_id(to.get("id"))
        if assignee and to.get("type") == "team":
            attributes |= self._team(assignee)
        elif assignee and to.get("type") == "admin":
            attributes |= self._teammate(assignee)
        elif author.get("type") == "admin":
            attributes |= self._teammate(remote_id(author.get("id")))
        details = part.get("event_details")
        if isinstance(details, dict):
            attributes["attribute"] = text(dig(details, "attribute", "name") or dig(details, "action", "name"))
            attributes["value"] = text(dig(details, "value", "name") or dig(details, "action", "result"))
        return attributes

    def _team(self, key: str | None) -> Attributes:
        return {"team_id": key, "team": self._names.teams.get(key)} if key else {}

    def _teammate(self, key: str | None) -> Attributes:
        return {"teammate_id": key, "teammate": self._names.teammates.get(key)} if key else {}


def is_closed(conversation: Mapping[str, Any]) -> bool:
    """Tell whether nothing more is expected of a conversation."""
    return conversation.get("state") == "closed"


def version(conversation: Mapping[str, Any]) -> datetime | None:
    """Return when a conversation changed last, by whatever tells of it, in a search or by itself.

    Ratings, answers and closing do not always move Intercom's ``updated_at``. One that is not closed counts as an
    instant older than it is, so that closing it is a change even where no time tells of it.
    """
    updated = moment(conversation.get("updated_at"), "updated_at")
    if updated is None:
        return None
    statistics, rating = conversation.get("statistics"), conversation.get("conversation_rating")
    times = [dig(statistics, name) for name in MOVED_BY]
    if dig(rating, "rating") is not None:
        times += [dig(rating, "created_at"), dig(rating, "updated_at")]
    latest = max([updated, *(datetime.fromtimestamp(time, UTC) for time in times if type(time) is int)])
    return latest if is_closed(conversation) else latest - INSTANT


def type_of(part: Mapping[str, Any]) -> str:
    """Return the type of activity that a part is: by ``part_type``, and for what was said by who said it."""
    kind = str(part.get("part_type"))
    if kind in TALK:
        author = nested(part, "author")
        if author.get("type") in PERSON:
            return "contact_replied"
        if author.get("type") == "bot" or author.get("from_ai_agent"):
            return "bot_replied"
        return "teammate_replied"
    return TYPES.get(kind, "conversation_updated")


def _people(conversation: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[Ref, ...]:
    contacts: Sequence[Any] = nested(conversation, "contacts").get("contacts") or ()
    people = [Ref("contact", own_id(contact)) for contact in contacts]
    starter = _author(source)
    return tuple(dict.fromkeys([starter, *people] if starter else people))


def _author(part: Mapping[str, Any]) -> Ref | None:
    """Return who wrote it, if that is a contact."""
    author = nested(part, "author")
    key = remote_id(author.get("id")) if author.get("type") in PERSON else None
    return Ref("contact", key) if key else None


def _source(source: Mapping[str, Any]) -> Attributes:
    author = nested(source, "author")
    return {
        "text": html_to_text(source.get("body")),
        "author": text(author.get("name")),
        "author_type": author.get("type"),
        "delivered_as": source.get("delivered_as"),
        "page_url": source.get("url"),
        "attachments": _attachments(source),
    }


def _attachments(part: Mapping[str, Any]) -> list[str]:
    """Return names of files; their addresses are short-lived."""
    names = [text(file.get("name")) for file in part.get("attachments") or ()]
    return [name for name in names if name]


def _times(conversation: Mapping[str, Any]) -> Attributes:
    statistics = nested(conversation, "statistics")
    return {name: statistics.get(theirs) for name, theirs in STATISTICS.items()}
