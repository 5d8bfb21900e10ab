"""Objects read again by their ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from core.contract.errors import Refused
from core.contract.types import JSON, Account, Page, Record, Ref, Refusal
from plugins.base.client import NotFound
from plugins.base.mapping import remote_id
from plugins.base.pages import dig
from plugins.intercom.articles import article_mapper, map_collection
from plugins.intercom.client import IntercomClient
from plugins.intercom.companies import map_company
from plugins.intercom.contacts import read_contacts
from plugins.intercom.conversations import read_conversations
from plugins.intercom.details import read_each
from plugins.intercom.tickets import TicketMapper

HOPS = 3

Found = tuple[list[Record | Refusal], list[Ref]]
"""Records with refusals, and what is gone."""


@dataclass
class _Contacts:
    """What became of contacts, of which the merged lead to others."""

    found: dict[str, JSON] = field(default_factory=dict)
    refused: list[Record | Refusal] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)
    merged: dict[tuple[Ref, Ref], None] = field(default_factory=dict)


def fetch(account: Account, refs: Iterable[Ref], merged_into: Collection[str] = ()) -> Page:
    """Read objects by their ids, each once, side by side.

    Args:
        account: Whose objects; what is not selected is left out.
        refs: The objects.
        merged_into: Contacts of whom it is to be asked whom they took in.

    Raises:
        Retry: Intercom cannot answer now.
        Reauthorise: The token is dead.
    """
    client = IntercomClient(account)
    wanted: dict[str, dict[str, None]] = {}
    for ref in refs:
        if ref.object in account.objects:
            wanted.setdefault(ref.object, {})[ref.remote_id] = None
    records: list[Record | Refusal] = []
    deleted: list[Ref] = []
    merged: Sequence[tuple[Ref, Ref]] = ()
    for object, keys in wanted.items():
        ids = list(keys)
        try:
            if object == "contact":
                contacts = _contacts(client, ids, merged_into)
                found: Found = (
                    [*read_contacts(client, list(contacts.found.values())), *contacts.refused],
                    contacts.deleted,
                )
                merged = list(contacts.merged)
            else:
                found = READERS[object](client, ids)
        except Refused as error:
            found = [Refusal(object, key, str(error)) for key in ids], []
        records += found[0]
        deleted += found[1]
    return Page(records, merged=merged, deleted=deleted)


def _contacts(client: IntercomClient, ids: Sequence[str], merged_into: Collection[str]) -> _Contacts:
    """Fetch contacts; those that were merged meanwhile (410) lead to their survivors."""
    result = _Contacts()
    outcomes = client.map(lambda key: _contact(client, key, key in merged_into), ids)
    for key, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            result.deleted.append(Ref("contact", key))
        elif isinstance(outcome, Refused):
            result.refused.append(Refusal("contact", key, str(outcome)))
        elif outcome[1].get("archived"):
            result.deleted.append(Ref("contact", key))
        else:
            survivor, contact = outcome
            result.found.setdefault(survivor, contact)
            sources = [remote_id(dig(merge, "source_contact_id")) for merge in contact.get("merge_history") or ()]
            if survivor != key:
                sources.append(key)
            result.merged |= {(Ref("contact", source), Ref("contact", survivor)): None for source in sources if source}
    return result


def _contact(client: IntercomClient, key: str, with_merges: bool) -> tuple[str, dict[str, Any]]:
    """Return a contact and its id, following merges: chains resolve in at most three steps (Intercom API 2.16)."""
    query = {"include_merge_history": "true"} if with_merges else None
    for _ in range(HOPS):
        try:
            return key, client.get(f"/contacts/{quote(key, safe='')}", query)
        except NotFound as error:
            canonical = error.links.get("canonical")
            if error.status != 410 or not canonical:
                raise
            key = canonical.rstrip("/").rpartition("/")[2]
    return key, client.get(f"/contacts/{quote(key, safe='')}", query)


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
