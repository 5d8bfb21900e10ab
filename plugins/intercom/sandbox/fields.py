"""What may be searched, by kind of record, and with which operators (Intercom API 2.16, search endpoints)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    MANY = "many"
    TAG = "tag"


EQUALITY = frozenset({"=", "!=", "IN", "NIN"})
TEXTUAL = EQUALITY | {"~", "!~", "^", "$"}
NUMERIC = EQUALITY | {"<", ">", "<=", ">="}
BY_DAY = frozenset({"=", "<", ">"})
BY_SECOND = frozenset({"=", "!=", "IN", "NIN", "<", ">", "<="})


@dataclass(frozen=True)
class Searchable:
    """The fields of one kind of record that a search takes."""

    fields: Mapping[str, Kind]
    dates: frozenset[str] = BY_SECOND
    custom: str = "custom_attributes."
    custom_kinds: Mapping[str, Kind] = field(default_factory=dict)

    def kind(self, name: str) -> Kind | None:
        """None for a field that Intercom does not search."""
        if name.startswith(self.custom):
            return self.custom_kinds.get(name.removeprefix(self.custom), Kind.TEXT)
        return self.fields.get(name)

    def operators(self, kind: Kind) -> frozenset[str]:
        if kind is Kind.DATE:
            return self.dates
        if kind is Kind.TAG:
            return frozenset({"=", "!="})
        if kind in (Kind.BOOLEAN, Kind.MANY):
            return EQUALITY
        return NUMERIC if kind is Kind.NUMBER else TEXTUAL


def _table(**kinds: str) -> dict[str, Kind]:
    return {name: Kind[kind] for kind, names in kinds.items() for name in names.split()}


CONTACT_CUSTOM = {
    "plan": Kind.TEXT,
    "seats": Kind.NUMBER,
    "lifetime_value": Kind.NUMBER,
    "newsletter": Kind.BOOLEAN,
    "renewal_at": Kind.DATE,
    "Favourite colour": Kind.TEXT,
}

CONTACTS = Searchable(
    _table(
        TEXT="id role name avatar owner_id email email_domain phone formatted_phone external_id language_override"
        " browser browser_language os location.country location.region location.city android_app_name"
        " android_app_version android_device android_os_version android_sdk_version ios_app_name ios_app_version"
        " ios_device ios_os_version ios_sdk_version",
        DATE="created_at signed_up_at updated_at last_seen_at last_contacted_at last_replied_at last_email_opened_at"
        " last_email_clicked_at android_last_seen_at ios_last_seen_at",
        BOOLEAN="unsubscribed_from_emails marked_email_as_spam has_hard_bounced",
        MANY="segment_id",
        TAG="tag_id",
    ),
    dates=BY_DAY,
    custom_kinds=CONTACT_CUSTOM,
)

CONVERSATIONS = Searchable(
    _table(
        TEXT="id source.type source.id source.delivered_as source.subject source.body source.url source.author.id"
        " source.author.type source.author.name source.author.email admin_assignee_id team_assignee_id"
        " channel_initiated state priority statistics.last_closed_by_id conversation_rating.remark"
        " conversation_rating.contact_id conversation_rating.admin_id ai_agent.resolution_state"
        " ai_agent.last_answer_type ai_agent.source_type ai_agent.source_title ai_agent.rating_remark",
        DATE="created_at updated_at waiting_since snoozed_until conversation_rating.requested_at"
        " conversation_rating.replied_at statistics.first_contact_reply_at statistics.first_assignment_at"
        " statistics.first_admin_reply_at statistics.first_close_at statistics.last_assignment_at"
        " statistics.last_assignment_admin_reply_at statistics.last_contact_reply_at statistics.last_admin_reply_at"
        " statistics.last_close_at",
        NUMBER="conversation_rating.score statistics.time_to_assignment statistics.time_to_admin_reply"
        " statistics.time_to_first_close statistics.time_to_last_close statistics.median_time_to_reply"
        " statistics.count_reopens statistics.count_assignments statistics.count_conversation_parts ai_agent.rating",
        BOOLEAN="open read ai_agent_participated",
        MANY="contact_ids teammate_ids tag_ids",
    ),
)

TICKETS = Searchable(
    _table(
        TEXT="id title description category ticket_type_id admin_assignee_id team_assignee_id state",
        DATE="created_at updated_at snoozed_until",
        BOOLEAN="open",
        MANY="contact_ids teammate_ids",
    ),
    custom="ticket_attribute.",
)
