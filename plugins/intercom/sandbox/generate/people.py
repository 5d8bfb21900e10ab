"""Generated contacts: users and leads of many cultures, with the gaps and oddities of real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plugins.intercom.sandbox.clock import DAY
from plugins.intercom.sandbox.generate.companies import Companies
from plugins.intercom.sandbox.generate.dice import mix
from plugins.intercom.sandbox.generate.names import CULTURES, FREEMAIL, Culture
from plugins.intercom.sandbox.generate.plan import Crowd, Plan, hex_id
from plugins.intercom.sandbox.generate.workspace import ADMIN_IDS, CONTACT_TAGS, OPT_IN, OPT_OUT

SHARED_EVERY, SHARED_BACK = 33, 5
BROWSERS = (("chrome", "142.0"), ("safari", "19.1"), ("firefox", "146.0"), ("edge", "141.0"))
SYSTEMS = ("Windows 11", "Mac OS X", "Linux", "iOS", "Android")
PLANS = ("free", "starter", "growth", "enterprise")
COLOURS = ("teal", "rouge", "群青", "gelb", "")
PHONES = {"USA": "+1512555", "GBR": "+44113496", "DEU": "+4930901", "FRA": "+3319900", "JPN": "+8145555"}

NOTHING: dict[str, Any] = {
    f"{system}_{name}": None
    for system in ("android", "ios")
    for name in ("app_name", "app_version", "device", "os_version", "sdk_version", "last_seen_at")
}
NO_LOCATION = {"type": "location", "country": None, "region": None, "city": None, "country_code": None,
               "continent_code": None}  # fmt: skip


@dataclass(slots=True)
class Contact:
    """A contact: Intercom's own fields, and what hangs on it.

    Attributes:
        fields: the scalar part of the REST object.
        tags: (tag id, applied at, admin id).
        companies, opted_out, opted_in: ids.
        notes: note objects, newest first.
        merges: merge history items, newest first.
        hidden_until: when search begins to find it (index lag); 0 for always.
    """

    fields: dict[str, Any]
    tags: list[tuple[str, int, str]] = field(default_factory=list)
    companies: list[str] = field(default_factory=list)
    opted_out: list[str] = field(default_factory=list)
    opted_in: list[str] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    merges: list[dict[str, Any]] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    hidden_until: float = 0.0

    def value(self, path: str) -> Any:
        if path == "tag_id":
            return [tag for tag, _, _ in self.tags]
        if path == "segment_id":
            return self.segments
        if path in self.fields:
            return self.fields[path]
        head, _, tail = path.partition(".")
        return (self.fields.get(head) or {}).get(tail) if tail else None


class People(Crowd):
    """Makes contacts by number. Speed matters here: listing contacts is the floor of the benchmarks."""

    salt, quiet = 10, 0.45

    def __init__(self, plan: Plan, companies: Companies) -> None:
        super().__init__(plan, plan.people)
        self.companies = companies

    def created_before(self, moment: int) -> int:
        """How many contacts were there at a moment (at least one)."""
        share = (moment - self.plan.born) / self._span
        return min(self.count, max(1, int(share * self.count)))

    def role_of(self, number: int) -> str:
        return "lead" if mix(self.plan.seed, 11, number) % 5 == 0 else "user"

    def external_of(self, number: int) -> str | None:
        if self.role_of(number) == "lead":
            return f"{mix(self.plan.seed, 12, number):016x}" if number % 2 else None
        return None if number % 37 == 9 else f"user_{number + 1}"

    def name_parts(self, number: int) -> tuple[Culture, str, str]:
        """Culture, name as written, and name as in an email address."""
        bits = mix(self.plan.seed, 13, number)
        culture = CULTURES[bits % len(CULTURES)]
        given = culture.given[(bits >> 8) % len(culture.given)]
        family = culture.family[(bits >> 16) % len(culture.family)]
        names = (family[0], given[0]) if culture.family_first else (given[0], family[0])
        return culture, " ".join(names), f"{given[1]}.{family[1]}"

    def email_of(self, number: int) -> str | None:
        """Some have none, a few share the one of an earlier contact."""
        if (self.role_of(number) == "lead" and number % 3 == 0) or number % 53 == 50:
            return None
        if number % SHARED_EVERY == 17 and number >= SHARED_BACK:
            shared = self.email_of(number - SHARED_BACK)
            if shared is not None:
                return shared
        local = f"{self.name_parts(number)[2]}{number + 1}"
        rows = self.companies.membership.companies_of(number)
        if rows and number % 4:
            return f"{local}@{self.companies.domain_of(rows[0])}"
        return f"{local}@{FREEMAIL[number % len(FREEMAIL)]}"

    def make(self, number: int) -> Contact:
        seed, now = self.plan.seed, self.plan.now
        a, b = mix(seed, 14, number), mix(seed, 15, number)
        created = self.time("created_at", number)
        updated = self._updated(created)
        contact_id = hex_id(created, self._of_workspace, number)
        culture, name, handle = self.name_parts(number)
        role, email = self.role_of(number), self.email_of(number)
        browser, version = BROWSERS[a % 4]
        city, region = culture.cities[(a >> 4) % len(culture.cities)]
        seen = updated - (a >> 8) % DAY if a >> 5 & 7 else None
        replied = max(created, updated - (a >> 12) % (9 * DAY)) if a >> 3 & 1 else None
        plan = PLANS[(b >> 4) % 4]
        opened = max(created, updated - (b >> 9) % (20 * DAY)) if b >> 3 & 1 and email else None
        fields: dict[str, Any] = {
            "type": "contact",
            "id": contact_id,
            "workspace_id": self.plan.workspace,
            "external_id": self.external_of(number),
            "role": role,
            "email": email,
            "email_domain": None if email is None else email.partition("@")[2],
            "phone": _phone(culture, a),
            "formatted_phone": None,
            "name": _odd_name(number, role, name),
            "avatar": None if a >> 20 & 3 else {"type": "avatar", "image_url": f"https://img.example/{contact_id}.png"},
            "owner_id": ADMIN_IDS[a % len(ADMIN_IDS)] if a >> 22 & 1 else None,
            "social_profiles": {"type": "list", "data": _profiles(a, handle)},
            "has_hard_bounced": a >> 24 & 63 == 0,
            "marked_email_as_spam": a >> 30 & 127 == 0,
            "unsubscribed_from_emails": a >> 37 & 15 == 0,
            "unsubscribed_from_sms": a >> 41 & 7 == 0,
            "created_at": created,
            "updated_at": self.plan.changed(updated),
            "signed_up_at": created if role == "user" else None,
            "last_seen_at": seen if seen is None or seen > created else created,
            "last_replied_at": replied,
            "last_contacted_at": replied and min(now, replied + 600),
            "last_email_opened_at": opened,
            "last_email_clicked_at": opened if b >> 31 & 3 == 0 else None,
            "language_override": culture.language if a >> 50 & 7 == 0 else None,
            "browser": browser,
            "browser_version": version,
            "browser_language": culture.language,
            "os": SYSTEMS[a % 5],
            "location": _location(culture, city, region) if a >> 45 & 7 else NO_LOCATION,
            **NOTHING,
            "custom_attributes": self._custom(number, plan, b, updated),
            "utm_campaign": "autumn" if b & 31 == 3 else None,
            "utm_content": None,
            "utm_medium": "email" if b & 31 == 3 else None,
            "utm_source": "newsletter" if b & 31 == 3 else None,
            "utm_term": None,
            "referrer": "https://search.example/?q=help" if b & 15 == 5 else None,
            "enabled_push_messaging": None,
        }
        if fields["phone"]:
            fields["formatted_phone"] = fields["phone"]
        contact = Contact(fields)
        contact.tags = _tags(number, b, updated)
        contact.companies = [
            self.companies.id_of(company) for company in self.companies.membership.companies_of(number)
        ]
        contact.segments = segments(fields, now)
        if fields["unsubscribed_from_emails"] or b >> 50 & 31 == 0:
            contact.opted_out = [OPT_OUT[b % len(OPT_OUT)]]
        contact.opted_in = [OPT_IN] if b >> 55 & 7 == 0 else []
        if number % 19 == 4:
            contact.notes = [_note(contact_id, number, created)]
        return contact

    def _custom(self, number: int, plan: str, bits: int, updated: int) -> dict[str, Any]:
        if number % 29 == 7:
            return {}
        custom: dict[str, Any] = {"plan": plan, "seats": bits % 60, "newsletter": bool(bits >> 7 & 1)}
        if bits >> 11 & 1:
            custom["lifetime_value"] = (bits >> 13) % 500_000 / 100
        if bits >> 12 & 3 == 0:
            custom["renewal_at"] = updated + (bits >> 20) % (365 * DAY)
        if bits >> 14 & 7 == 0:
            custom["Favourite colour"] = COLOURS[bits % len(COLOURS)]
        if number % 401 == 33:
            custom["notes_from_import"] = "Long line of an old import. " * 60
        return custom


def segments(fields: dict[str, Any], now: int) -> list[str]:
    """Ids of the segments that a contact falls in; see `workspace.SEGMENTS`."""
    found = []
    if (fields["last_seen_at"] or 0) > now - 30 * DAY:
        found.append("5f000000000000000000a001")
    if fields["created_at"] > now - 30 * DAY:
        found.append("5f000000000000000000a002")
    if fields["custom_attributes"].get("plan") == "enterprise":
        found.append("5f000000000000000000a003")
    if fields["role"] == "lead":
        found.append("5f000000000000000000a004")
    if 0 < (fields["last_seen_at"] or 0) < now - 60 * DAY:
        found.append("5f000000000000000000a005")
    return found


def _odd_name(number: int, role: str, name: str) -> str | None:
    if role == "lead" and number % 2:
        return None
    if number % 97 == 12:
        return f"{name} 🚀"
    if number % 211 == 31:
        return f"{name} " * 20
    return name.upper() if number % 89 == 5 else name


def _phone(culture: Culture, bits: int) -> str | None:
    if bits >> 47 & 1:
        return None
    return f"{PHONES.get(culture.country_code, '+35315550')}{bits % 10_000:04d}"


def _profiles(bits: int, handle: str) -> list[dict[str, str]]:
    if bits >> 55 & 15:
        return []
    return [{"type": "social_profile", "name": "Twitter", "url": f"https://social.example/{handle}"}]


def _location(culture: Culture, city: str, region: str) -> dict[str, Any]:
    return {
        "type": "location",
        "country": culture.country,
        "region": region,
        "city": city,
        "country_code": culture.country_code,
        "continent_code": culture.continent,
    }


def _tags(number: int, bits: int, updated: int) -> list[tuple[str, int, str]]:
    if number % 157 == 20:
        chosen = list(CONTACT_TAGS)
    else:
        chosen = [CONTACT_TAGS[(bits >> shift) % len(CONTACT_TAGS)] for shift in (33, 38, 43)[: (bits >> 48) % 4]]
    return [(tag, updated - 60, ADMIN_IDS[0]) for tag in dict.fromkeys(chosen)]


def _note(contact_id: str, number: int, created: int) -> dict[str, Any]:
    return {
        "type": "note",
        "id": str(500_000 + number),
        "created_at": created + 3_600,
        "contact": {"type": "contact", "id": contact_id},
        "author_id": ADMIN_IDS[number % len(ADMIN_IDS)],
        "body": "<p>Met at the trade fair; prefers to be called in the morning.</p>",
    }
