"""Intercom's webhook topics, and for each of them a change at the sandbox that makes Intercom send it.

The list is that of the vendor's documentation for API 2.16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from plugins.intercom.sandbox import Sandbox, items

CONTACT = """
user.created user.updated lead.created lead.updated lead.added_email lead.signed_up email.updated archived unarchived
deleted merged subscribed unsubscribed unsubscribed_from_sms user.tag.created user.tag.deleted lead.tag.created
lead.tag.deleted
"""
COMPANY = "created updated deleted contact.attached contact.detached"
CONVERSATION = """
user.created user.replied admin.single.created admin.replied admin.assigned admin.open.assigned admin.closed
admin.opened admin.noted admin.snoozed admin.unsnoozed operator.replied read rating.added priority.updated deleted
contact.attached contact.detached company.updated admin.replied.translated
"""
TICKET = """
created state.updated note.created admin.assigned team.assigned contact.attached contact.detached attribute.updated
admin.replied contact.replied closed resolved rating.provided admin.snoozed admin.unsnoozed admin.replied.translated
"""
ADMIN = """
added_to_workspace removed_from_workspace away_mode_updated activity_log_event.created logged_in logged_out
"""
OTHER = """
event.created visitor.signed_up job.completed call.started call.ended call.transcription_available
call.recording_available content_stat.news_item content_snippet.created granular.subscribe granular.unsubscribe
api.request.completed ping
"""


def _named(prefix: str, names: str) -> Iterator[str]:
    return (f"{prefix}.{name}" for name in names.split())


TOPICS = (
    *_named("contact", CONTACT),
    *_named("company", COMPANY),
    *_named("conversation", CONVERSATION),
    *_named("conversation_part", "tag.created redacted"),
    *_named("ticket", TICKET),
    *_named("admin", ADMIN),
    *_named("article", "created updated published unpublished deleted"),
    *OTHER.split(),
)


class Changes:
    """Changes a sandbox: each topic concerns objects that no other topic does, so that none hides another's."""

    def __init__(self, sandbox: Sandbox) -> None:
        store = self.store = sandbox.store
        plain = [contact for contact in store.contacts if contact.fields["email"]]
        self._users = (contact.fields["id"] for contact in plain[5:] if contact.fields["role"] == "user")
        leads = [contact for contact in store.contacts if contact.fields["role"] == "lead"]
        self._leads = (contact.fields["id"] for contact in leads)
        self._companies = (company.fields["id"] for company in store.companies if store.members(company.fields["id"]))
        # Of a long conversation Intercom shows the newest 500 parts: whoever reads it later sees fewer old ones.
        short = [conversation for conversation in store.conversations if len(store.parts(conversation)) < 400]
        self._conversations = (conversation.fields["id"] for conversation in short[5:])
        self._tickets = (ticket for ticket in list(store.tickets))
        self._articles = iter(list(store.articles))

    def make(self, topic: str) -> None:
        """Change what this topic is about. Its webhook, with those that Intercom sends along, is recorded."""
        special: dict[str, Callable[[], Any]] = {
            "contact.user.created": lambda: self.store.create_contact(name="Nova Star", email="nova@fresh.example"),
            "contact.user.updated": lambda: self.store.update_contact(next(self._users), name="Renamed Person"),
            "contact.lead.created": lambda: self.store.create_contact("lead", email="lea@fresh.example"),
            "contact.lead.updated": lambda: self.store.update_contact(next(self._leads), phone="+4915112345678"),
            "contact.lead.added_email": self._add_email,
            "contact.lead.signed_up": lambda: self.store.sign_up_lead(
                next(self._leads), "signed@fresh.example", "x-77"
            ),
            "contact.email.updated": lambda: self.store.update_contact(next(self._users), email="moved@fresh.example"),
            "contact.archived": lambda: self.store.archive_contact(next(self._users)),
            "contact.unarchived": self._unarchive,
            "contact.deleted": lambda: self.store.delete_contact(next(self._users)),
            "contact.merged": lambda: self.store.merge_contacts(next(self._leads), next(self._users)),
            "contact.subscribed": self._subscribe,
            "contact.unsubscribed": lambda: self.store.unsubscribe(next(self._users), bump=False),
            "contact.unsubscribed_from_sms": self._no_sms,
            "contact.user.tag.created": lambda: self._tag(next(self._users)),
            "contact.user.tag.deleted": lambda: self._untag(next(self._users)),
            "contact.lead.tag.created": lambda: self._tag(next(self._leads)),
            "contact.lead.tag.deleted": lambda: self._untag(next(self._leads)),
            "company.created": lambda: self.store.create_company("Fresh Works", website="https://fresh.example"),
            "company.updated": lambda: self.store.update_company(next(self._companies), name="Renamed Works"),
            "company.deleted": lambda: self.store.delete_company(next(self._companies)),
            "company.contact.attached": self._attach,
            "company.contact.detached": self._detach,
            "conversation.user.created": lambda: self.store.start_conversation(next(self._users), "Hello?"),
            "conversation.user.replied": self._customer_replies,
            "conversation.admin.replied": lambda: self.store.reply(next(self._conversations), "7001", "Hello!"),
            "conversation.admin.assigned": lambda: self.store.assign(next(self._conversations), admin_id="7002"),
            "conversation.admin.closed": lambda: self.store.close(next(self._conversations)),
            "conversation.admin.opened": lambda: self.store.reopen(next(self._conversations)),
            "conversation.admin.noted": lambda: self.store.note(next(self._conversations), "7001", "Nice"),
            "conversation.admin.snoozed": lambda: self.store.snooze(next(self._conversations)),
            "conversation.rating.added": lambda: self.store.rate(next(self._conversations), 5, "Great"),
            "conversation.deleted": lambda: self.store.delete_conversation(next(self._conversations)),
            "conversation_part.tag.created": lambda: self.store.tag_conversation(next(self._conversations), "3"),
            "admin.added_to_workspace": lambda: self.store.add_admin(
                "Ina New", "ina@fresh.example", list(self.store.teams)[:1]
            ),
            "admin.removed_from_workspace": self._remove_admin,
            "article.created": lambda: self.store.create_article("Fresh article", "<p>New</p>"),
            "article.updated": lambda: self.store.update_article(next(self._articles), title="Renamed"),
            "article.published": lambda: self._turn("draft", "published"),
            "article.unpublished": lambda: self._turn("published", "draft"),
            "article.deleted": lambda: self.store.delete_article(next(self._articles)),
            "granular.subscribe": lambda: self._granular("subscribe"),
            "granular.unsubscribe": lambda: self._granular("unsubscribe"),
        }
        if topic in special:
            special[topic]()
        elif topic.startswith("conversation"):
            self._touch_conversation(topic)
        elif topic.startswith("ticket."):
            self._touch_ticket(topic)
        else:
            self.store.webhooks.emit(topic, {"type": topic.partition(".")[0], "id": "1"})

    def _add_email(self) -> None:
        lead = self._quietly("create_contact", "lead", email=None)
        self.store.update_contact(lead, email="added@fresh.example")

    def _unarchive(self) -> None:
        contact = next(self._users)
        self.store.archive_contact(contact)
        self.store.advance(2)
        self.store.unarchive_contact(contact)

    def _subscribe(self) -> None:
        contact = next(self._users)
        self._quietly("unsubscribe", contact)
        self.store.subscribe(contact, bump=False)

    def _no_sms(self) -> None:
        contact = next(self._users)
        self._quietly("update_contact", contact, unsubscribed_from_sms=True)
        self._tell_of("contact.unsubscribed_from_sms", contact, "contact_unsubscribe")

    def _granular(self, kind: str) -> None:
        contact = next(self._users)
        self._quietly(kind, contact)
        self._tell_of(f"granular.{kind}", contact, f"granular_{kind}")

    def _tell_of(self, topic: str, contact: str, type: str) -> None:
        item = {"type": type, "contact": items.contact(self.store.contact(contact)), "subscription_types": []}
        self.store.webhooks.emit(topic, item)

    def _tag(self, contact: str) -> None:
        held = {tag for tag, _, _ in self.store.contact(contact).tags}
        self.store.tag_contact(contact, next(tag for tag in self.store.tags if tag not in held), bump=False)

    def _untag(self, contact: str) -> None:
        if not self.store.contact(contact).tags:
            self._quietly("tag_contact", contact, "4", bump=False)
        self.store.untag_contact(contact, self.store.contact(contact).tags[0][0], bump=False)

    def _attach(self) -> None:
        company = next(self._companies)
        self.store.attach_company(self._outsider(company), company, bump=False)

    def _outsider(self, company: str) -> str:
        found: str = next(one for one in self._users if company not in self.store.contact(one).companies)
        return found

    def _detach(self) -> None:
        company = next(self._companies)
        self.store.detach_company(self.store.members(company)[0], company, bump=False)

    def _customer_replies(self) -> None:
        conversation = next(self._conversations)
        fields = self.store.conversation_fields(self.store.conversation(conversation))
        self.store.reply(conversation, fields["contacts"]["contacts"][0]["id"], "Any news?")

    def _remove_admin(self) -> None:
        newcomer = self._quietly("add_admin", "Gone Soon", "gone@fresh.example", list(self.store.teams)[:1])
        self.store.remove_admin(newcomer)

    def _turn(self, before: str, after: str) -> None:
        article = next(self._articles)
        self._quietly("update_article", article, state=before)
        self.store.update_article(article, state=after)

    def _touch_conversation(self, topic: str) -> None:
        """Topics for which the sandbox has no change of its own: a note stands for what happened."""
        conversation = next(self._conversations)
        self._quietly("note", conversation, "7001", f"about {topic}")
        item: dict[str, Any] = {"type": "conversation", "id": conversation}
        if topic.startswith("conversation.contact."):
            item = {"conversation": {"parts": [], "options": {}, "model": {"id": int(conversation)}}, "contact": {}}
        elif topic == "conversation_part.redacted":
            item = {"type": "conversation_part", "id": "1", "conversation_id": int(conversation)}
        self.store.webhooks.emit(topic, item)

    def _touch_ticket(self, topic: str) -> None:
        ticket = next(self._tickets)
        part = {**ticket.fields["ticket_parts"]["ticket_parts"][-1], "part_type": "note", "body": f"<p>{topic}</p>"}
        part |= {"id": f"{part['id']}9", "created_at": self.store.clock.seconds()}
        ticket.fields["ticket_parts"]["ticket_parts"].append(part)
        ticket.fields["updated_at"] = self.store.clock.seconds()
        self.store.tickets.put(ticket.fields["id"], ticket)
        item = {"type": "ticket", "id": ticket.fields["id"], "ticket_id": ticket.fields["ticket_id"]}
        self.store.webhooks.emit(topic, {"type": "ticket", "ticket": item} if topic == "ticket.closed" else item)

    def _quietly(self, change: str, *arguments: Any, **named: Any) -> Any:
        """Make a change of which no webhook tells."""
        log = list(self.store.webhooks.log)
        result = getattr(self.store, change)(*arguments, **named)
        self.store.webhooks.log.clear()
        self.store.webhooks.log.extend(log)
        return result
