from __future__ import annotations

import pytest

from plugins.base.pages import dig, next_cursor, next_link, next_offset, next_page, next_scroll, query_value

LINK = "https://api.example.com/list?page=2&per_page=50&after=a%3Db"


def test_cursor():
    assert next_cursor({"pages": {"next": {"after": "abc"}}}, "pages", "next", "after") == "abc"
    assert next_cursor({"after": 17}, "after") == "17"


@pytest.mark.parametrize("pages", [None, {}, {"next": None}, {"next": {}}, {"next": {"after": None}}, {"next": "text"}])
def test_no_cursor_on_the_last_page(pages):
    assert next_cursor({"pages": pages}, "pages", "next", "after") is None


def test_link():
    assert next_link({"links": {"next": LINK}}, "links", "next") == LINK
    assert next_link({"links": {"next": None}}, "links", "next") is None
    assert next_link({"next": {"page": 2}}, "next") is None
    assert query_value(LINK, "after") == "a=b"
    assert query_value(LINK, "missing") is None


@pytest.mark.parametrize(("page", "total", "following"), [(1, 3, 2), (3, 3, None), (1, 0, None), (1, None, None)])
def test_page(page, total, following):
    assert next_page(page, total) == following


@pytest.mark.parametrize(
    ("received", "total", "following"),
    [(20, None, 60), (19, None, None), (20, 61, 60), (20, 60, None), (0, 90, None), (0, None, None)],
)
def test_offset(received, total, following):
    assert next_offset(40, received, 20, total) == following


def test_scroll():
    assert next_scroll({"data": [1], "scroll": "s2"}, "data", "scroll") == "s2"
    assert next_scroll({"data": [], "scroll": "s2"}, "data", "scroll") is None


def test_dig():
    assert dig({"a": {"b": 1}}, "a", "b") == 1
    assert dig({"a": [1]}, "a", "b") is None
    assert dig([1], "a") is None
