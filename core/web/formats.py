"""How values look on a page: filters and functions of the templates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from flask import Flask, request, url_for
from markupsafe import Markup

from core.db.models import COUNTS
from core.services import organizations, people
from core.services.users import THEMES
from core.web.access import mainstem
from core.web.activities import is_address, told

COLOURS = 8
LONG_TEXT = 60
YEARS = range(1900, 2101)

ROLES = {"owner": "Owner", "admin": "Admin", "standard": "Standard", "agent": "Agent", "read_only": "Read only"}
STATES = {
    "connected": ("Connected", "good"),
    "needs_attention": ("Needs attention", "warn"),
    "disconnected": ("Disconnected", "idle"),
    "archived": ("Archived", "idle"),
    "queued": ("Queued", "busy"),
    "running": ("Running", "busy"),
    "paused": ("Paused", "warn"),
    "succeeded": ("Succeeded", "good"),
    "partial": ("Partly done", "warn"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "idle"),
    "active": ("Active", "good"),
    "invited": ("Invited", "warn"),
    "revoked": ("Revoked", "idle"),
    "gone": ("No longer imported", "idle"),
    "pending": ("Waiting", "busy"),
    "sent": ("Sent", "good"),
    "loaded": ("Loaded", "good"),
    "wrapper": ("Loaded", "good"),
    "broken": ("Broken", "bad"),
    "disabled": ("Disabled", "idle"),
}
"""What a state is called and how much it matters."""
MAIL_STATES = {**STATES, "cancelled": ("Not needed any more", "idle")}
"""The same of mail: what is not sent was an invitation that was accepted, replaced or withdrawn, or a used link."""

TYPES = {
    "text": "Text",
    "integer": "Whole number",
    "decimal": "Number",
    "boolean": "Yes or no",
    "date": "Day",
    "datetime": "Day and time",
    "list": "List",
}
"""What the types of fields are called."""

RUN_KINDS = {"initial": "First sync", "incremental": "Sync", "full": "Full sync", "reconciliation": "Reconciliation"}
COUNT_LABELS = dict(zip(COUNTS, ("Read", "New", "Updated", "Unchanged", "Skipped", "Refused", "Merged"), strict=True))


def number(value: float) -> str:
    """Return a number with separators: ``12,345``."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def limited(value: int, limit: int) -> str:
    """Return a count that was taken up to ``limit``: ``10,000+``."""
    return f"{limit:,}+" if value > limit else f"{value:,}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: ``2 min 5 s``."""
    rest = round(seconds)
    if rest < 1:
        return "under 1 s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2])


def day(value: date) -> str:
    """Return a day as nobody can misread it: ``3 Nov 2026``."""
    return f"{value.day} {value:%b %Y}"


def when(moment: datetime, style: str = "datetime") -> Markup:
    """Return a moment as ``<time>``; in UTC, until the browser rewrites it to its own time zone.

    Args:
        moment: Aware.
        style: ``"date"``, ``"datetime"`` or ``"time"``, which is to the second.
    """
    utc = moment.astimezone(UTC)
    text = {"date": day(utc), "time": f"{utc:%H:%M:%S} UTC"}.get(style, f"{day(utc)}, {utc:%H:%M} UTC")
    stamp = utc.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-format="{}">{}</time>').format(stamp, style, text)


def initials(name: str) -> str:
    """Return at most two letters to stand for a name or an email."""
    words = [word for word in name.partition("@")[0].replace(".", " ").split() if word[0].isalnum()]
    picked = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in picked).upper() or "?"


def colour(id: UUID | int) -> int:
    """Return the number of the colour that stands for an entity: always the same."""
    return (id.int if isinstance(id, UUID) else id) % COLOURS


def value(value: Any, type: str = "text") -> Markup | str:
    """Return a field's value as people read it, by its :data:`core.contract.types.FieldType`."""
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return Markup(" ").join(Markup('<span class="chip">{}</span>').format(item) for item in value)
    if isinstance(value, dict):
        return Markup("<code>{}</code>").format(json.dumps(value, ensure_ascii=False))
    if isinstance(value, int | float):
        # A year is no quantity.
        return str(value) if value in YEARS else f"{value:,}".removesuffix(".0")
    if type in ("date", "datetime"):
        return _moment(str(value))
    text = str(value)
    if is_address(text):
        return Markup('<a href="{}" rel="noopener noreferrer nofollow" target="_blank">{}</a>').format(text, text)
    return text


def _moment(text: str) -> Markup | str:
    try:
        if len(text) == len("2026-11-03"):
            return day(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return when(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def is_long(value: Any) -> bool:
    """Tell whether a value is a text to be read rather than a word to be looked up."""
    return isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value)


def label(key: str) -> str:
    """Return a key as words: ``first_response`` becomes ``First response``."""
    return key.replace("_", " ").capitalize()


def pretty(value: Any) -> str:
    """Return JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def bars(values: Sequence[float], height: int = 100) -> list[float]:
    """Return the heights of a bar chart's bars; what is not nothing can be seen."""
    top = max(values, default=0) or 1
    return [round(max(value / top * height, 2), 1) if value else 0.0 for value in values]


def has_icon(plugin: str) -> bool:
    """Tell whether the plugin is there and brings an icon."""
    host = mainstem().host
    return plugin in host.names() and bool(host.manifest(plugin).icon)


def plugin_title(plugin: str) -> str:
    """Return a plugin's name for people; its own name when it is not there."""
    host = mainstem().host
    return host.manifest(plugin).title if plugin in host.names() else plugin


def sends_mail() -> bool:
    """Tell whether a mail server is set; without one mail is kept in the outbox."""
    return mainstem().settings.smtp_url is not None


def here(**changes: Any) -> str:
    """Return the address of this page with some of its parameters changed; None leaves one out."""
    given = {**request.args.to_dict(), **(request.view_args or {}), **changes}
    return url_for(request.endpoint or "", **{key: value for key, value in given.items() if value is not None})


def install(app: Flask) -> None:
    """Make all of this known to the templates of ``app``."""
    filters = (number, limited, duration, initials, colour, label, pretty, bars, value, told)
    app.jinja_env.filters.update({function.__name__: function for function in filters})
    app.jinja_env.tests["long"] = is_long
    app.jinja_env.globals.update(
        when=when,
        here=here,
        sends_mail=sends_mail,
        has_icon=has_icon,
        plugin_title=plugin_title,
        person_name=people.display_name,
        organization_name=organizations.display_name,
        STATES=STATES,
        MAIL_STATES=MAIL_STATES,
        ROLES=ROLES,
        THEMES=THEMES,
        TYPES=TYPES,
        RUN_KINDS=RUN_KINDS,
        COUNT_LABELS=COUNT_LABELS,
    )
