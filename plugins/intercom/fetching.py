"""Objects read again by their ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Page, Ref, Refusal
from plugins.base.client import NotFound, Unavailable
from plugins.base.mapping import remote_id
from plugins.base.pages import dig
from plugins.base.source import Found, fetch_by_object
from plugins.intercom.articles import article_mapper, map_collection
from plugins.intercom.client import IntercomClient, listed
from plugins.intercom.companies import map_company
from plugins.intercom.contacts import read_contacts
from plugins.intercom.conversations import read_conversations
from plugins.intercom.details import check_alive, get_or_error, read_each
from plugins.intercom.tickets import TicketMapper

HOPS = 3
CHUNK, SOME = 100, 50
INDEX_LAG = 3_600  # seconds: search shows what was changed within minutes

Shown = tuple[str, dict[str, Any]]
"""A contact's id and the contact."""


@dataclass
class _Contacts:
    """What became of contacts, of which the merged lead to others."""

    found: dict[str, JSON] = field(default_factory=dict)
    refused: dict[str, Refused | Unavailable] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    merged: dict[tuple[Ref, Ref], None] = field(default_factory=dict)


def fetch(account: Account, refs: Iterable[Ref], merged_into: Collection[str] = (), only_listed: bool = False) -> Page:
    """Read objects by their ids, each once, side by side.

    Args:
        account: Whose objects; what is not selected is left out.
        refs: The objects.
        merged_into: Contacts of whom it is to be asked whom they took in.
        only_listed: Contacts that Intercom still shows, but no longer lists, are gone: they were archived or blocked.

    Raises:
        Retry: Intercom cannot answer now.
        Reauthorise: The token is dead.
    """
    client = IntercomClient(account)
    merged: list[tuple[Ref, Ref]] = []

    def read(object: str, ids: list[str]) -> Found:
        if object != "contact":
            return READERS[object](client, ids)
        contacts = _contacts(client, ids, merged_into)
        if only_listed:
            _leave_out_unlisted(client, contacts)
        found = read_contacts(client, list(contacts.found.values()))
        found += [Refusal(object, key, str(error)) for key, error in contacts.refused.items()]
        merged.extend(contacts.merged)
        return found, [Ref(object, key) for key in contacts.gone]

    return replace(fetch_by_object(account, refs, read), merged=merged)


def _contacts(client: IntercomClient, ids: Sequence[str], merged_into: Collection[str]) -> _Contacts:
    """Fetch contacts; those that were merged meanwhile (410) lead to their survivors."""
    result = _Contacts()
    outcomes = client.map(lambda key: _contact(client, key, key in merged_into), ids)
    for key, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            result.gone.append(key)
        elif isinstance(outcome, Refused | Unavailable):
            result.refused[key] = outcome
        elif outcome[1].get("archived"):
            result.gone.append(key)
        else:
            survivor, contact = outcome
            result.found.setdefault(survivor, contact)
            sources = [remote_id(dig(merge, "source_contact_id")) for merge in contact.get("merge_history") or ()]
            if survivor != key:
                sources.append(key)
            result.merged |= {(Ref("contact", source), Ref("contact", survivor)): None for source in sources if source}
    check_alive(client, [error for error in result.refused.values() if isinstance(error, Unavailable)])
    return result


def _contact(client: IntercomClient, key: str, with_merges: bool) -> Shown | Unavailable:
    """Return a contact and its id, following merges: chains resolve in at most three steps (Intercom API 2.16)."""
    query = {"include_merge_history": "true"} if with_merges else None
    for _ in range(HOPS):
        try:
            return _shown(client, key, query)
        except NotFound as error:
            canonical = error.links.get("canonical")
            if error.status != 410 or not canonical:
                raise
            key = canonical.rstrip("/").rpartition("/")[2]
    return _shown(client, key, query)


def _shown(
    client: IntercomClient, key: str, query: Mapping[str, str] | None
) -> tuple[str, dict[str, Any]] | Unavailable:
    outcome = get_or_error(client, f"/contacts/{quote(key, safe='')}", query)
    return outcome if isinstance(outcome, Unavailable) else (key, outcome)


def _leave_out_unlisted(client: IntercomClient, contacts: _Contacts) -> None:
    """Let contacts be gone that search does not show although it had time to.

    Intercom API 2.16: archived and blocked contacts are hidden from lists and search. What GET answers for them is not
    documented. A contact that is listed for sure is searched along with them: where even that one is not found, search
    proves nothing.
    """
    settled = time.time() - INDEX_LAG
    asked = [key for key, contact in contacts.found.items() if _changed_before(contact, settled)]
    try:
        for start in range(0, len(asked), CHUNK):
            chunk = asked[start : start + CHUNK]
            # Not the first one, which may be too new for the index.
            some = listed(client.get("/contacts", {"per_page": SOME}), "data")
            witness = remote_id(dig(some[-1], "id")) if some else None
            query = {"field": "id", "operator": "IN", "value": [*chunk, witness]}
            body = client.search("/contacts/search", {"query": query, "pagination": {"per_page": CHUNK + 1}})
            shown = {remote_id(dig(row, "id")) for row in listed(body, "data")}
            for key in chunk if witness and witness in shown else ():
                if key not in shown:
                    del contacts.found[key]
                    contacts.gone.append(key)
    except Refused as error:
        client.account.log.warning("archived contacts cannot be told from others: %s", error)


def _changed_before(contact: Mapping[str, Any], moment: float) -> bool:
    updated = contact.get("updated_at")
    return type(updated) is int and updated < moment


READERS: Mapping[str, Callable[[IntercomClient, Sequence[str]], Found]] = {
    "company": lambda client, ids: read_each(client, "company", "/companies/{}", ids, map_company),
    "conversation": read_conversations,
    "ticket": lambda client, ids: read_each(client, "ticket", "/tickets/{}", ids, TicketMapper(client.account)),
    "article": lambda client, ids: read_each(client, "article", "/articles/{}", ids, article_mapper(client.account)),
    "collection": lambda client, ids: read_each(
        client, "collection", "/help_center/collections/{}", ids, map_collection
    ),
}
"""How objects other than contacts are read."""
