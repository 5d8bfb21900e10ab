"""The help center: articles, and the sections and categories that hold them.

Read whole each time: help centers are small, and their incremental export leaves sections and categories out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.contract.types import Account, Cursor, Page, Partition, Record, Ref
from plugins.base.client import NotFound
from plugins.base.mapping import map_each, own_id, record, remote_id, translations
from plugins.base.source import Stream
from plugins.zendesk.client import ZendeskClient, listed
from plugins.zendesk.team import names

PATH = "/api/v2/help_center"
QUERY: Mapping[str, str | int] = {"include": "translations"}
Mapper = Callable[[dict[str, Any]], Record]


class _Lists(Stream):
    """Lists of the help center, one partition for each.

    Attributes:
        kinds: Names of the lists.
    """

    kinds: tuple[str, ...]

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """One partition for each list."""
        return [Partition(self.object, kind) for kind in self.kinds]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Read the page at ``{"after": Zendesk's cursor}``; an account without a help center has none."""
        kind = partition.key
        try:
            body, after = ZendeskClient(account).list_page(f"{PATH}/{kind}.json", QUERY, cursor.get("after"))
        except NotFound:
            return Page()
        rows = listed(body, kind)
        records = map_each(self.object, rows, mapper_of(kind, account)) if rows else []
        return Page(records, next=after and {"after": after})


class Articles(_Lists):
    """Published articles and drafts."""

    object = "article"
    kinds = ("articles",)


class Collections(_Lists):
    """Categories, and the sections in them."""

    object = "collection"
    kinds = ("categories", "sections")


def mapper_of(kind: str, account: Account) -> Mapper:
    """Return what maps the rows of a list."""
    if kind != "articles":
        return lambda row: map_collection(kind, row)
    authors = names(account).teammates
    return lambda row: map_article(row, authors)


def map_article(article: dict[str, Any], authors: Mapping[str, str]) -> Record:
    """Map one article. Its body stays HTML: the host sanitises it."""
    get = article.get
    section = remote_id(get("section_id"))
    return record(
        "article",
        article,
        values={
            "title": get("title"),
            "body": get("body"),
            "state": "draft" if get("draft") else "published",
            "locale": get("locale"),
            "url": get("html_url"),
            "author": authors.get(remote_id(get("author_id")) or ""),
            "translations": translations(_texts(article), {"title": "title", "body": "body"}),
        },
        tags=tuple(get("label_names") or ()),
        parent=collection("sections", section) if section else None,
    )


def map_collection(kind: str, row: dict[str, Any]) -> Record:
    """Map a section or a category; the parent of a section is another section, or its category."""
    get = row.get
    section, category = remote_id(get("parent_section_id")), remote_id(get("category_id"))
    return record(
        "collection",
        row,
        remote_id=collection(kind, own_id(row)).remote_id,
        values={
            "name": get("name"),
            "description": get("description"),
            "url": get("html_url"),
            "position": get("position"),
            "locale": get("locale"),
            "translations": translations(_texts(row), {"name": "title", "description": "body"}),
        },
        parent=collection("sections", section) if section else collection("categories", category) if category else None,
    )


def collection(kind: str, key: str) -> Ref:
    """Return what a section or a category is called here: their ids might meet."""
    return Ref("collection", f"{kind}:{key}")


def _texts(row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the texts in each locale but the source's own."""
    for found in row.get("translations") or ():
        if found.get("locale") != row.get("locale"):
            yield found["locale"], found
