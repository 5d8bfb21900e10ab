"""A few records of an account, to prove what it lets be read and to try out choices. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from core.contract.errors import Refused, Restart, Retry
from core.contract.types import Account, Page, Partition, Record, Ref, Scope
from core.services.mainstem import Mainstem

MOST_FETCHED = 50


def sample(mainstem: Mainstem, account: Account, objects: Sequence[str], pages: int) -> dict[str, list[Page]]:
    """Read the first pages of each of ``objects``.

    An object that must be read without a pause is not begun, since some vendors allow one reader at a time and the
    first sync would have to wait: those of its records are read to which the other samples refer.

    Args:
        mainstem: The system.
        account: Opened.
        objects: Keys, in the order in which they are read.
        pages: How many of each, at most.

    Raises:
        core.contract.errors.SourceError: The vendor does not let one be read, or cannot answer.
    """
    plugin = mainstem.host.source(account.plugin)
    account = replace(account, objects={key: account.objects.get(key) for key in objects})
    partitions: dict[str, list[Partition]] = {key: [] for key in objects}
    for partition in plugin.plan_sync(account=account, scope=Scope(dict.fromkeys(objects))):
        if partition.object in partitions and partition.start is not None:
            partitions[partition.object].append(partition)
    found = {
        key: _first_pages(mainstem, account, parts, pages)
        for key, parts in partitions.items()
        if not any(partition.unbroken for partition in parts)
    }
    unread = [key for key in objects if key not in found]
    return found | _referred(mainstem, account, found, unread)


def _first_pages(mainstem: Mainstem, account: Account, partitions: Sequence[Partition], pages: int) -> list[Page]:
    plugin = mainstem.host.source(account.plugin)
    found: list[Page] = []
    for partition in partitions:
        cursor = partition.start
        while cursor is not None and len(found) < pages:
            try:
                page = plugin.sync(account=account, partition=partition, cursor=cursor)
            except Restart as error:
                raise Retry(str(error)) from error
            found.append(page)
            cursor = page.next
        if len(found) >= pages:
            break
    return found


def _referred(
    mainstem: Mainstem, account: Account, found: dict[str, list[Page]], unread: Sequence[str]
) -> dict[str, list[Page]]:
    refs: dict[str, dict[Ref, None]] = {key: {} for key in unread}
    for pages in found.values():
        for page in pages:
            for record in page.records:
                for ref in (record.organizations or ()) if isinstance(record, Record) else ():
                    if ref.object in refs:
                        refs[ref.object][ref] = None
    return {key: [_fetched(mainstem, account, list(islice(wanted, MOST_FETCHED)))] for key, wanted in refs.items()}


def _fetched(mainstem: Mainstem, account: Account, refs: Sequence[Ref]) -> Page:
    """Read some records by their ids; none where the plugin cannot."""
    if not refs or not mainstem.host.implements(account.plugin, "fetch"):
        return Page()
    try:
        return mainstem.host.source(account.plugin).fetch(account=account, refs=refs)
    except Refused:
        return Page()
