"""The help center: articles and the collections that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.contract.types import JSON, Account, Cursor, Page, Partition, Record, Ref
from plugins.base.mapping import map_each, record, remote_id, translations
from plugins.base.source import Stream
from plugins.intercom import lookups
from plugins.intercom.client import IntercomClient, following_page, listed, total_of
from plugins.intercom.contacts import named, nested

SIZE = 50
OVERLAP = timedelta(minutes=10)
ARTICLE_TEXTS = {name: name for name in ("title", "description", "body", "url", "state")}
COLLECTION_TEXTS = {name: name for name in ("name", "description", "url")}


class _Pages(Stream):
    """A listing by page numbers, newest change first (Intercom API 2.16): it ends where the last run began."""

    path: str

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """One listing, as far back as ``since``."""
        start = None if since is None else int((since - OVERLAP).timestamp())
        return [Partition(self.object, start={"page": 1, "since": start})]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at ``{"page": number, "since": unix seconds or null}``."""
        client = IntercomClient(account)
        body = client.get(self.path, {"page": cursor["page"], "per_page": SIZE})
        rows = listed(body, "data")
        since, total = cursor["since"], body.get("total_count")
        fresh = rows if since is None else [row for row in rows if _updated(row) >= since]
        following = following_page(body, cursor["page"]) if len(fresh) == len(rows) and rows else None
        return Page(
            records=self.map(account, fresh),
            next=following and {**cursor, "page": following},
            expected=total if since is None and isinstance(total, int) else None,
        )

    def count(self, account: Account) -> int | None:
        """Return how many are listed."""
        return total_of(IntercomClient(account).get(self.path, {"page": 1, "per_page": 1}))

    def map(self, account: Account, rows: Sequence[JSON]) -> Sequence[Any]:
        """Map rows to records."""
        raise NotImplementedError


class Articles(_Pages):
    """Published articles and drafts."""

    object = "article"
    path = "/articles"

    def map(self, account: Account, rows: Sequence[JSON]) -> Sequence[Any]:
        """Map articles."""
        return map_each("article", rows, article_mapper(account)) if rows else []


class Collections(_Pages):
    """Collections; those inside another one are its sections."""

    object = "collection"
    path = "/help_center/collections"

    def map(self, account: Account, rows: Sequence[JSON]) -> Sequence[Any]:
        """Map collections."""
        return map_each("collection", rows, map_collection)


def article_mapper(account: Account) -> Callable[[dict[str, Any]], Record]:
    """Return the mapper of articles, which knows the names of their authors."""
    authors = lookups.names(account).teammates
    return lambda article: map_article(article, authors)


def map_article(article: dict[str, Any], authors: Mapping[str, str]) -> Record:
    """Map one article. Its body stays HTML: the host sanitises it."""
    get = article.get
    parents = get("parent_ids") or ()
    parent = remote_id(parents[0] if parents else get("parent_id"))
    return record(
        "article",
        article,
        values={
            "title": get("title"),
            "description": get("description"),
            "body": get("body"),
            "state": get("state"),
            "locale": get("default_locale"),
            "url": get("url"),
            "author": authors.get(remote_id(get("author_id")) or ""),
            "translations": translations(_texts(article), ARTICLE_TEXTS),
        },
        tags=named(nested(article, "tags").get("tags") or (), {}),
        parent=Ref("collection", parent) if parent else None,
    )


def map_collection(collection: dict[str, Any]) -> Record:
    """Map one collection."""
    get = collection.get
    parent = remote_id(get("parent_id"))
    return record(
        "collection",
        collection,
        values={
            "name": get("name"),
            "description": get("description"),
            "url": get("url"),
            "icon": get("icon"),
            "position": get("order"),
            "locale": get("default_locale"),
            "translations": translations(_texts(collection), COLLECTION_TEXTS),
        },
        parent=Ref("collection", parent) if parent else None,
    )


def _texts(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the texts in each locale; beside the locales stands a ``type``, and a locale may be null."""
    for locale, content in nested(payload, "translated_content").items():
        if isinstance(content, dict):
            yield locale, content


def _updated(row: JSON) -> int:
    updated = row.get("updated_at") if isinstance(row, dict) else None
    return updated if isinstance(updated, int) else 2**62
