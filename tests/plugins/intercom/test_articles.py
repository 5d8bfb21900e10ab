from __future__ import annotations

from collections import Counter

from core.contract.types import Partition, Ref
from plugins.intercom.articles import map_article, map_collection
from tests.plugins.intercom.payloads import ADMINS, TEAMS
from tests.plugins.intercom.support import URL, at, mocked, source

ARTICLE = {
    "id": "39",
    "type": "article",
    "title": "Refunds",
    "description": "How to",
    "body": "<p>Ask <script>x</script>us</p>",
    "author_id": 7001,
    "state": "published",
    "created_at": 1700000000,
    "updated_at": 1764000000,
    "url": "https://help.acme.example/39",
    "parent_ids": [160, 159],
    "tags": {"type": "tag.list", "tags": [{"id": "1", "name": "money"}]},
    "default_locale": "en",
    "translated_content": {
        "type": "article_translated_content",
        "fr": {"type": "article_content", "title": "Remboursements", "body": "<p>Oui</p>", "author_id": 7002},
        "de": None,
    },
}


def test_an_article():
    record = map_article(ARTICLE, {"7001": "Eve Ops"})
    assert (record.object, record.remote_id, record.updated_at) == ("article", "39", at(1764000000))
    assert record.values == {
        "title": "Refunds",
        "description": "How to",
        "body": "<p>Ask <script>x</script>us</p>",
        "state": "published",
        "locale": "en",
        "url": "https://help.acme.example/39",
        "author": "Eve Ops",
        "translations": {"fr": {"title": "Remboursements", "body": "<p>Oui</p>"}},
    }
    assert record.parent == Ref("collection", "160")
    assert record.tags == ("money",)


def test_an_article_that_stands_alone():
    record = map_article({"id": 40, "title": "Alone", "parent_ids": [], "author_id": None}, {})
    assert record.remote_id == "40"
    assert record.parent is None
    assert record.values["author"] is None
    assert map_article({"id": "41", "parent_id": 7}, {}).parent == Ref("collection", "7")


def test_a_collection_and_a_section():
    record = map_collection({"id": "160", "name": "Money", "order": 1, "icon": "bookmark", "parent_id": "159"})
    assert record.values["name"] == "Money"
    assert record.values["position"] == 1
    assert record.parent == Ref("collection", "159")
    assert map_collection({"id": "159", "name": "All", "parent_id": None}).parent is None


def test_all_articles_and_collections_come_once(workspace):
    read = workspace.read(["article", "collection"])
    assert Counter(read.ids("article")) == Counter(workspace.store.articles.keys())
    assert Counter(read.ids("collection")) == Counter(workspace.store.collections.keys())
    parents = {record.parent.remote_id for record in read.records["article"] if record.parent}
    assert parents <= set(read.ids("collection"))
    assert not read.refusals


def test_later_runs_stop_at_what_is_older(workspace):
    changed = next(iter(workspace.store.articles))
    now = workspace.store.clock.seconds()
    workspace.store.update_article(changed, title="New title")
    read = workspace.read(["article", "collection"], since=at(now))
    assert read.ids("article") == [changed]
    assert read.ids("collection") == []


def test_the_listing_ends_at_the_first_page_with_something_older():
    mocker, account = mocked()
    mocker.get(f"{URL}/admins", json=ADMINS)
    mocker.get(f"{URL}/teams", json=TEAMS)
    rows = [{"id": "1", "updated_at": 900}, {"id": "2"}, {"id": "3", "updated_at": 100}]
    mocker.get(f"{URL}/articles", json={"data": rows, "total_count": 200, "pages": {"page": 1, "total_pages": 4}})
    partition = Partition("article", start={"page": 1, "since": 500})
    page = source.sync(account=account, partition=partition, cursor=partition.start)
    assert [record.remote_id for record in page.records] == ["1", "2"]
    assert page.next is None
    full = source.sync(account=account, partition=partition, cursor={"page": 1, "since": None})
    assert (full.next, full.expected) == ({"page": 2, "since": None}, 200)
