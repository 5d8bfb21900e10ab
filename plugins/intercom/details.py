"""Objects that are read one by one, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from core.contract.errors import Refused
from core.contract.types import JSON, Record, Ref, Refusal
from plugins.base.client import Declined, NotFound, Unavailable
from plugins.base.mapping import map_each
from plugins.intercom.client import IntercomClient

FORBIDDEN = (401, 402, 403)
FEW = 3


def read_each(
    client: IntercomClient, object: str, path: str, ids: Sequence[str], mapper: Callable[[Any], Record]
) -> tuple[list[Record | Refusal], list[Ref]]:
    """Fetch objects by id, side by side, and map them.

    Returns:
        Records and refusals, and what Intercom no longer has.

    Raises:
        Declined: The app's scopes or the plan forbid them all.
        Retry: Intercom cannot answer now.
    """
    found: list[JSON] = []
    refused: dict[str, Refused | Unavailable] = {}
    deleted: list[Ref] = []
    outcomes = client.map(lambda key: get_or_error(client, path.format(quote(key, safe=""))), ids)
    for key, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            deleted.append(Ref(object, key))
        elif isinstance(outcome, Declined) and outcome.status in FORBIDDEN:
            raise outcome
        elif isinstance(outcome, Refused | Unavailable):
            refused[key] = outcome
        else:
            found.append(outcome)
    check_alive(client, [error for error in refused.values() if isinstance(error, Unavailable)])
    refusals = [Refusal(object, key, str(error)) for key, error in refused.items()]
    return [*map_each(object, found, mapper), *refusals], deleted


def get_or_error(client: IntercomClient, path: str, query: Mapping[str, str] | None = None) -> JSON | Unavailable:
    """Return the object, or the error where Intercom stumbles over it: that may be the object's own fault."""
    try:
        return client.get(path, query)
    except Unavailable as error:
        if error.status < 500:
            raise
        return error


def check_alive(client: IntercomClient, errors: Sequence[Unavailable]) -> None:
    """Tell a few objects that Intercom cannot serve, which must not hold up the others, from an outage.

    Raises:
        Retry: It is an outage.
    """
    if len(errors) > FEW:
        raise errors[0]
    if errors:
        client.get("/me")
