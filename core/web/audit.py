"""The entries of the audit log in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.contract.types import FieldSpec
from core.db.models import AuditEntry, DataSource
from core.host import Host
from core.services import overview
from core.services.errors import Invalid
from core.web.formats import ROLES
from core.web.wording import config_in_words


@dataclass(frozen=True, slots=True)
class Told:
    """What was done to what, and its details as pairs of a term and what is told of it."""

    target: str
    details: list[tuple[str, Any]]


def told(
    session: Session,
    host: Host,
    entry: AuditEntry,
    names: Mapping[str, str],
    schema_of: Callable[[int], list[FieldSpec]],
) -> Told:
    """Return an entry in words.

    Args:
        session: For reading.
        host: Knows the plugins.
        entry: The entry.
        names: What is called how; see :func:`core.services.auditing.names`.
        schema_of: Returns the fields of a data source, those too that it no longer has.
    """
    target = f"{names[entry.target]} ({entry.target})" if entry.target in names else entry.target
    detail = {key: value for key, value in entry.detail.items() if value not in (None, "", [], {})}
    if entry.action == "configure" and "after" in detail:
        return Told(target, _configured(session, host, entry, detail, schema_of))
    if "before" in detail and "after" in detail:
        was, now = (ROLES.get(str(value), value) for value in (detail.pop("before"), detail.pop("after")))
        detail = {"changed": f"{was} → {now}", **detail}
    return Told(target, [(_TERMS.get(key, key), _named(key, value, names)) for key, value in detail.items()])


_TERMS = {"anew": "read again", "moved_to": "moved to", "q": "search"}


def _named(key: str, value: Any, names: Mapping[str, str]) -> Any:
    kind = {"users": "user", "user": "user", "teams": "team", "moved_to": "team"}.get(key)
    if key == "role":
        return ROLES.get(value, value)
    if kind is None:
        return value
    called = [names.get(f"{kind} {id}", f"{kind} {id}") for id in (value if isinstance(value, list) else [value])]
    return called if isinstance(value, list) else called[0]


def _configured(
    session: Session,
    host: Host,
    entry: AuditEntry,
    detail: Mapping[str, Any],
    schema_of: Callable[[int], list[FieldSpec]],
) -> list[tuple[str, Any]]:
    """Return what was chosen before and what after, where that reads differently."""
    source = session.get(DataSource, int(entry.target.rpartition(" ")[2]))
    manifest = overview.manifest_of(host, source) if source else None
    changed = [("changed", detail["changed"]), ("read again", detail.get("anew", []))]
    if source is None or manifest is None:
        return changed
    try:
        was, now = (
            dict(
                config_in_words(
                    DataSource(config=detail.get(key, {}), state="connected"), manifest, schema_of(source.id)
                )
            )
            for key in ("before", "after")
        )
    except Invalid:
        return changed
    differ = [(term, f"{was.get(term) or '–'} → {text or '–'}") for term, text in now.items() if was.get(term) != text]
    return [*(differ or changed[:1]), changed[1]]
