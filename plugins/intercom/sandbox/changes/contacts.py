"""Changes to contacts: created, updated, archived, deleted, merged, tagged, unsubscribed."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox import items
from plugins.intercom.sandbox.errors import ApiError, bad_parameter
from plugins.intercom.sandbox.generate import workspace
from plugins.intercom.sandbox.generate.people import NO_LOCATION, NOTHING, Contact
from plugins.intercom.sandbox.generate.plan import hex_id
from plugins.intercom.sandbox.state import State, _merge, mutator

NEW_SALT = 0x6E657721
EMPTY = (
    "external_id email email_domain phone formatted_phone name avatar owner_id signed_up_at last_seen_at"
    " last_replied_at last_contacted_at last_email_opened_at last_email_clicked_at language_override browser"
    " browser_version browser_language os utm_campaign utm_content utm_medium utm_source utm_term referrer"
    " enabled_push_messaging"
).split()
FALSE = ("has_hard_bounced", "marked_email_as_spam", "unsubscribed_from_emails", "unsubscribed_from_sms")
BLANK: dict[str, Any] = {**dict.fromkeys(EMPTY), **dict.fromkeys(FALSE, False)}
FIXED = {"type", "id", "workspace_id", "created_at", "updated_at"}


class ContactChanges(State):
    @mutator
    def create_contact(self, role: str = "user", lag: float | None = None, **fields: Any) -> str:
        """A new user or lead; returns its id. Webhook `contact.user.created` or `contact.lead.created`.

        Args:
            role: `user` or `lead`.
            lag: seconds until search finds it; None for the fault `lag:…` in force.
            fields: any scalar field of a contact, and `custom_attributes`.
        """
        now, number = self.clock.seconds(), self.plan.people + self.next_number("contact")
        contact_id = hex_id(now, NEW_SALT, number)
        record = Contact(
            {"type": "contact", "id": contact_id, "workspace_id": self.plan.workspace, "role": role, **BLANK,
             "social_profiles": {"type": "list", "data": []}, "location": dict(NO_LOCATION), **NOTHING,
             "created_at": now, "updated_at": now, "custom_attributes": {}}
        )  # fmt: skip
        record.fields["signed_up_at"] = now if role == "user" else None
        self._apply(record, fields)
        delay = self.faults.lag if lag is None else lag
        record.hidden_until = self.clock.now() + delay if delay else 0.0
        self.save_contact(record)
        self.tell_contact(f"contact.{role}.created", record)
        return contact_id

    @mutator
    def update_contact(self, contact_id: str, **fields: Any) -> None:
        """Change fields. Webhook `contact.<role>.updated`, and `contact.email.updated` for a new email."""
        record = self.contact(contact_id)
        old_email = record.fields["email"]
        self._apply(record, fields)
        self.save_contact(record)
        role = record.fields["role"]
        self.tell_contact(f"contact.{role}.updated", record)
        if record.fields["email"] != old_email:
            added = role == "lead" and old_email is None
            self.tell_contact("contact.lead.added_email" if added else "contact.email.updated", record)

    @mutator
    def sign_up_lead(self, contact_id: str, email: str | None = None, external_id: str | None = None) -> None:
        """A lead becomes a user and keeps its id. Webhook `contact.lead.signed_up`."""
        record = self.contact(contact_id)
        if record.fields["role"] != "lead":
            raise bad_parameter("contact is not a lead")
        given = {"email": email, "external_id": external_id}
        self._apply(record, {name: value for name, value in given.items() if value is not None})
        record.fields |= {"role": "user", "signed_up_at": self.clock.seconds()}
        self.save_contact(record)
        self.tell_contact("contact.lead.signed_up", record)

    @mutator
    def archive_contact(self, contact_id: str) -> None:
        """Hide a contact from lists and search; GET still knows it. Webhook `contact.archived`."""
        record = self.contact(contact_id)
        self.archived[contact_id] = record
        self.contacts.remove(contact_id)
        self.webhooks.emit("contact.archived", self._stub(record, archived=True))

    @mutator
    def unarchive_contact(self, contact_id: str) -> None:
        """Undo `archive_contact`. Webhook `contact.unarchived`."""
        record = self.archived.pop(contact_id, None)
        if record is None:
            raise bad_parameter("contact is not archived")
        self.save_contact(record)
        self.tell_contact("contact.unarchived", record)

    @mutator
    def delete_contact(self, contact_id: str, quiet: bool = False) -> None:
        """Delete for good: GET answers 404. Webhook `contact.deleted` unless `quiet` (a lost webhook)."""
        record = self.archived.pop(contact_id, None) or self.contact(contact_id)
        self.contacts.remove(contact_id)
        if not quiet:
            self.webhooks.emit("contact.deleted", self._stub(record, deleted=True))

    @mutator
    def merge_contacts(self, source_id: str, into_id: str) -> None:
        """Merge a lead into a user or lead; the source answers 410. Webhook `contact.merged`."""
        source, into = self.contact(source_id), self.contact(into_id)
        if source.fields["role"] != "lead" or source_id == into_id:
            raise ApiError(400, "invalid_merge", "only a lead can be merged, into another contact")
        for name in ("email", "email_domain", "phone", "formatted_phone", "name"):
            into.fields[name] = into.fields[name] or source.fields[name]
        into.companies = list(dict.fromkeys([*into.companies, *source.companies]))
        known = {tag for tag, _, _ in into.tags}
        into.tags += [tag for tag in source.tags if tag[0] not in known]
        into.merges.insert(0, _merge(source_id, "lead", self.clock.seconds()))
        self.merged[source_id] = into_id
        self.contacts.remove(source_id)
        self.save_contact(into)
        item = items.contact(into) | {"merged_from": {"type": "contact", "id": source_id}}
        self.webhooks.emit("contact.merged", item)

    @mutator
    def tag_contact(self, contact_id: str, tag_id: str, bump: bool = True) -> None:
        """Webhook `contact.<role>.tag.created`. `bump=False` leaves `updated_at`, which Intercom may do."""
        record = self.contact(contact_id)
        if tag_id not in self.tags:
            raise bad_parameter(f"tag_id {tag_id} is unknown")
        if tag_id not in {tag for tag, _, _ in record.tags}:
            record.tags.append((tag_id, self.clock.seconds(), "7001"))
        self.save_contact(record, bump)
        self._tell_tag(record, tag_id, "created")

    @mutator
    def untag_contact(self, contact_id: str, tag_id: str, bump: bool = True) -> None:
        """Webhook `contact.<role>.tag.deleted`."""
        record = self.contact(contact_id)
        record.tags = [tag for tag in record.tags if tag[0] != tag_id]
        self.save_contact(record, bump)
        self._tell_tag(record, tag_id, "deleted")

    @mutator
    def unsubscribe(self, contact_id: str, subscription_id: str = "91", bump: bool = True) -> None:
        """Opt out of one subscription type. Webhook `contact.unsubscribed`."""
        record = self.contact(contact_id)
        record.opted_out = list(dict.fromkeys([*record.opted_out, subscription_id]))
        self.save_contact(record, bump)
        self._tell_subscription("contact.unsubscribed", record, subscription_id)

    @mutator
    def subscribe(self, contact_id: str, subscription_id: str = "91", bump: bool = True) -> None:
        """Undo an opt-out. Webhook `contact.subscribed`."""
        record = self.contact(contact_id)
        record.opted_out = [one for one in record.opted_out if one != subscription_id]
        self.save_contact(record, bump)
        self._tell_subscription("contact.subscribed", record, subscription_id)

    def _apply(self, record: Contact, fields: dict[str, Any]) -> None:
        self.set_fields(record, fields, FIXED)
        email = record.fields["email"]
        record.fields["email_domain"] = email.partition("@")[2] if isinstance(email, str) else None

    def _stub(self, record: Contact, **more: Any) -> dict[str, Any]:
        fields = record.fields
        return {"type": "contact", "id": fields["id"], "external_id": fields["external_id"], **more}

    def _tell_tag(self, record: Contact, tag_id: str, event: str) -> None:
        item = {"type": "contact_tag", "tag": self.tags.get(tag_id), "contact": items.contact(record)}
        self.webhooks.emit(f"contact.{record.fields['role']}.tag.{event}", item)

    def _tell_subscription(self, topic: str, record: Contact, subscription_id: str) -> None:
        types = [one for one in workspace.subscription_list() if one["id"] == subscription_id]
        kind = "contact_unsubscribe" if topic == "contact.unsubscribed" else "contact_subscribe"
        item = {"type": kind, "contact": items.contact(record), "subscription_types": types,
                "created_at": items.iso(self.clock.seconds())}  # fmt: skip
        self.webhooks.emit(topic, item)
