"""Changes to conversations: started, answered, noted, assigned, closed, opened, snoozed, rated, deleted."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox import items
from plugins.intercom.sandbox.errors import bad_parameter
from plugins.intercom.sandbox.generate.conversations import Conversation
from plugins.intercom.sandbox.state import State, mutator

NEW_PARTS = 700_000_000_000


class ConversationChanges(State):
    @mutator
    def start_conversation(
        self, contact_id: str, body: str, source_type: str = "conversation", subject: str = ""
    ) -> str:
        """A contact writes; returns the conversation's id. Webhook `conversation.user.created`."""
        contact, now = self.contact(contact_id), self.clock.seconds()
        number = self.conversation_maker.count + self.next_number("conversation") - 1
        conversation_id = str(self.conversation_maker.first_id + number)
        reference = {"type": "contact", "id": contact_id, "external_id": contact.fields["external_id"]}
        source: dict[str, Any] = {"type": source_type, "id": str(503_000_000 + number),
                  "delivered_as": "customer_initiated",
                  "subject": subject, "body": f"<p>{body}</p>", "author": self._author(contact_id), "attachments": [],
                  "url": None, "redacted": False}  # fmt: skip
        fields: dict[str, Any] = {
            "type": "conversation", "id": conversation_id, "created_at": now, "updated_at": now, "waiting_since": now,
            "snoozed_until": None, "source": source, "contacts": {"type": "contact.list", "contacts": [reference]},
            "first_contact_reply": None, "admin_assignee_id": 0, "team_assignee_id": 0, "open": True, "state": "open",
            "read": False, "tags": {"type": "tag.list", "tags": []}, "priority": "none", "sla_applied": None,
            "statistics": None, "conversation_rating": None, "teammates": None, "title": None, "company": None,
            "custom_attributes": {}, "topics": {}, "ticket": None,
            "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False}, "ai_agent": None,
            "ai_agent_participated": False, "sales_agent_participated": False, "sales_agent": None,
            "channel": {"initial": source_type, "current": source_type}, "external_references": [],
        }  # fmt: skip
        record = Conversation(fields)
        self.conversations.put(conversation_id, record)
        self._tell("conversation.user.created", record, [])
        return conversation_id

    @mutator
    def reply(self, conversation_id: str, author_id: str, body: str) -> str:
        """A contact or admin answers; returns the part's id.

        Webhook `conversation.user.replied` or `conversation.admin.replied`.
        """
        record = self.conversation(conversation_id)
        by_admin = author_id in self.admins
        record.fields["waiting_since"] = None if by_admin else self.clock.seconds()
        if not by_admin and record.fields["first_contact_reply"] is None:
            kind = record.fields["source"]["type"]
            record.fields["first_contact_reply"] = {"created_at": self.clock.seconds(), "type": kind, "url": None}
        return self._part(
            record, "comment", author_id, f"conversation.{'admin' if by_admin else 'user'}.replied", f"<p>{body}</p>"
        )

    @mutator
    def note(self, conversation_id: str, admin_id: str, body: str) -> str:
        """An internal note. Webhook `conversation.admin.noted`."""
        record = self.conversation(conversation_id)
        return self._part(record, "note", admin_id, "conversation.admin.noted", f"<p>{body}</p>")

    @mutator
    def assign(
        self, conversation_id: str, admin_id: str | None = None, team_id: str | None = None, by: str = "7001"
    ) -> str:
        """Assign to an admin, a team, or (neither) nobody. Webhook `conversation.admin.assigned`."""
        record = self.conversation(conversation_id)
        target: dict[str, Any] = {"type": "nobody_admin", "id": None}
        if admin_id is not None:
            target = {"type": "admin", "id": admin_id}
            record.fields["admin_assignee_id"] = int(admin_id)
        elif team_id is not None:
            target = {"type": "team", "id": team_id}
            record.fields["team_assignee_id"] = int(team_id)
        else:
            record.fields |= {"admin_assignee_id": 0, "team_assignee_id": 0}
        return self._part(record, "assignment", by, "conversation.admin.assigned", assigned=target)

    @mutator
    def close(self, conversation_id: str, by: str = "7001") -> str:
        """Webhook `conversation.admin.closed`."""
        record = self._to_state(conversation_id, "closed")
        return self._part(record, "close", by, "conversation.admin.closed")

    @mutator
    def reopen(self, conversation_id: str, by: str = "7001") -> str:
        """Webhook `conversation.admin.opened`."""
        return self._part(self._to_state(conversation_id, "open"), "open", by, "conversation.admin.opened")

    @mutator
    def snooze(self, conversation_id: str, until: int | None = None, by: str = "7001") -> str:
        """Snooze until a unix time (default: a day from now). Webhook `conversation.admin.snoozed`."""
        record = self._to_state(conversation_id, "snoozed")
        record.fields["snoozed_until"] = until or self.clock.seconds() + 86_400
        return self._part(record, "snoozed", by, "conversation.admin.snoozed")

    @mutator
    def rate(self, conversation_id: str, rating: int, remark: str | None = None, bump: bool = False) -> None:
        """The contact rates 1 to 5. Webhook `conversation.rating.added`.

        Intercom does not promise that ratings move `updated_at`, so they do not unless `bump`.
        """
        record, now = self.conversation(conversation_id), self.clock.seconds()
        if not 1 <= rating <= 5:
            raise bad_parameter("rating is 1 to 5")
        admin = record.fields["admin_assignee_id"]
        record.fields["conversation_rating"] = {
            "rating": rating, "remark": remark, "created_at": now, "updated_at": now,
            "contact": record.fields["contacts"]["contacts"][0],
            "teammate": {"type": "admin", "id": str(admin)} if admin else None,
        }  # fmt: skip
        self._keep(record, bump)
        self._tell("conversation.rating.added", record, [])

    @mutator
    def tag_conversation(self, conversation_id: str, tag_id: str, by: str = "7001") -> None:
        """Webhook `conversation_part.tag.created`."""
        record = self.conversation(conversation_id)
        if tag_id not in self.tags:
            raise bad_parameter(f"tag_id {tag_id} is unknown")
        applied = {"applied_at": self.clock.seconds(), "applied_by": {"type": "admin", "id": by}}
        record.fields["tags"]["tags"].append({**self.tags[tag_id], **applied})
        self._keep(record)
        self._tell("conversation_part.tag.created", record, self.parts(record)[-1:])

    @mutator
    def delete_conversation(self, conversation_id: str, quiet: bool = False) -> None:
        """Gone, but listed at /conversations/deleted. Webhook `conversation.deleted` (without `id`)."""
        self.conversation(conversation_id)
        self.conversations.remove(conversation_id)
        gone = {"type": "conversation", "id": conversation_id, "metrics_retained": True}
        self.deleted_conversations.append({**gone, "deleted_at": self.clock.seconds()})
        if not quiet:
            self.webhooks.emit("conversation.deleted", {"type": "conversation", "conversation_id": conversation_id})

    def _to_state(self, conversation_id: str, state: str) -> Conversation:
        record = self.conversation(conversation_id)
        record.fields |= {"state": state, "open": state != "closed", "waiting_since": None, "snoozed_until": None}
        return record

    def _part(
        self, record: Conversation, kind: str, author_id: str, topic: str, body: str | None = None,
        assigned: dict[str, Any] | None = None,
    ) -> str:  # fmt: skip
        now, part_id = self.clock.seconds(), str(NEW_PARTS + self.next_number("part"))
        part = {
            "type": "conversation_part", "id": part_id, "part_type": kind, "body": body, "created_at": now,
            "updated_at": now, "notified_at": now, "assigned_to": assigned, "author": self._author(author_id),
            "attachments": [], "external_id": None, "redacted": False, "email_message_metadata": None, "metadata": {},
            "state": record.fields["state"], "tags": [], "event_details": None, "app_package_code": None,
        }  # fmt: skip
        record.added.append(part)
        self._keep(record)
        self._tell(topic, record, [part])
        return part_id

    def _author(self, author_id: str) -> dict[str, Any]:
        if author_id in self.admins:
            admin = self.admins[author_id]
            return {"type": "admin", "id": author_id, "name": admin["name"], "email": admin["email"]}
        fields = self.contact(author_id).fields
        return {"type": fields["role"], "id": author_id, "name": fields["name"], "email": fields["email"]}

    def _keep(self, record: Conversation, bump: bool = True) -> None:
        if bump:
            record.fields["updated_at"] = self.clock.seconds()
        self.conversations.put(record.fields["id"], record)

    def _tell(self, topic: str, record: Conversation, parts: list[dict[str, Any]]) -> None:
        self.webhooks.emit(topic, items.conversation(record.fields, parts))
