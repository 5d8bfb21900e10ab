"""Objects read again by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.contract.errors import Refused
from core.contract.types import Account, Page, Record, Ref, Refusal
from plugins.base.client import NotFound
from plugins.base.mapping import map_each
from plugins.base.source import Found, fetch_by_object
from plugins.zendesk import people, tickets
from plugins.zendesk.client import ZendeskClient
from plugins.zendesk.help_center import PATH, QUERY, mapper_of


def fetch(account: Account, refs: Iterable[Ref]) -> Page:
    """Read objects by their ids, each once; what is not selected is left out, and who is an agent now is not named."""
    client = ZendeskClient(account)
    return fetch_by_object(account, refs, lambda object, ids: _read(client, object, ids))


def _read(client: ZendeskClient, object: str, ids: list[str]) -> Found:
    if object in ("article", "collection"):
        return _pages_of_help(client, object, ids)
    rows = _shown(client, object, ids)
    gone = [Ref(object, key) for key in ids if key not in rows]
    if object == "ticket":
        found, gone_meanwhile = tickets.read_tickets(client, list(rows.values()))
        return found, [*gone, *gone_meanwhile]
    if object == "user":
        customers = [row for row in rows.values() if not people.is_teammate(row)]
        return map_each("user", customers, people.map_user), gone
    return map_each("organization", rows.values(), people.map_organization), gone


def _shown(client: ZendeskClient, object: str, ids: list[str]) -> Mapping[str, Any]:
    """Return rows by id, without those that Zendesk shows although they are deleted."""
    rows = client.show_many(f"/api/v2/{object}s/show_many.json", f"{object}s", ids)
    alive = (row for row in rows if not people.is_deleted(row) and not tickets.is_deleted(row))
    return {str(row["id"]): row for row in alive}


def _pages_of_help(client: ZendeskClient, object: str, ids: list[str]) -> Found:
    """Fetch articles, sections or categories one by one."""
    addresses = [("articles", key) if object == "article" else tuple(key.split(":", 1)) for key in ids]
    outcomes = client.map(lambda address: client.get(f"{PATH}/{address[0]}/{address[1]}.json", QUERY), addresses)
    records: list[Record | Refusal] = []
    gone: list[Ref] = []
    for key, (kind, _), outcome in zip(ids, addresses, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            gone.append(Ref(object, key))
        elif isinstance(outcome, Refused):
            records.append(Refusal(object, key, str(outcome)))
        else:
            records += map_each(object, outcome.values(), mapper_of(kind, client.account))
    return records, gone
