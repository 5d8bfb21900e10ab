from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from core.contract.types import Partition, Scope
from plugins.intercom.companies import domain_of, map_company
from tests.plugins.intercom.support import URL, Read, Workspace, at, error_list, mocked, read_partition, source

COMPANY = {
    "type": "company",
    "id": "65f0a0b0c0d0e0f0a0b0c0d1",
    "company_id": "acct_1",
    "name": "Quill",
    "website": "https://www.quill.example/about",
    "industry": "Media",
    "size": 12,
    "plan": {"type": "plan", "id": "1", "name": "Gold"},
    "monthly_spend": 99.5,
    "user_count": 3,
    "created_at": 1700000000,
    "updated_at": 1764000000,
    "last_request_at": 1763000000,
    "custom_attributes": {"trial": False},
    "tags": {"type": "tag.list", "tags": [{"type": "tag", "id": "8", "name": "VIP"}]},
    "segments": {"type": "segment.list", "segments": [{"id": "s1", "name": "Big"}]},
}
SCROLL = Partition("company", "scroll", start={}, unbroken=True)


def test_a_company_becomes_an_organization():
    record = map_company(COMPANY)
    assert (record.object, record.remote_id, record.updated_at) == ("company", COMPANY["id"], at(1764000000))
    assert record.values == {
        "name": "Quill",
        "domain": "quill.example",
        "website": "https://www.quill.example/about",
        "industry": "Media",
        "employees": 12,
    }
    assert {key: value for key, value in record.fields.items() if value is not None} == {
        "company_id": "acct_1",
        "plan": "Gold",
        "monthly_spend": 99.5,
        "user_count": 3,
        "last_request_at": 1763000000,
        "segments": ["Big"],
        "custom_trial": False,
    }
    assert record.tags == ("VIP",)


def test_fields_that_intercom_leaves_out_are_empty():
    record = map_company({"id": "c1", "plan": {}, "company_id": None})
    assert set(record.values.values()) == {None}
    assert record.fields["plan"] is None
    assert record.fields["segments"] == []
    assert record.tags == ()


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.quill.example", "quill.example"),
        ("quill.example/shop", "quill.example"),
        ("HTTP://Shop.Quill.example:8080", "shop.quill.example"),
        ("localhost", None),
        ("not a site", None),
        ("http://[broken", None),
        (None, None),
    ],
)
def test_domains(website, domain):
    assert domain_of(website) == domain


def test_every_company_comes_once():
    workspace = Workspace(people=100, companies=230)
    read = workspace.read(["company"])
    assert Counter(read.ids("company")) == Counter(company.fields["id"] for company in workspace.store.companies)
    assert len(read.ids("company")) == 230
    assert read.pages[-1].next is None
    assert not read.refusals


def test_the_scroll_is_one_partition_without_a_pause(workspace):
    account = replace(workspace.account, objects={"company": None})
    assert source.plan_sync(account=account, scope=Scope({"company": at(0)})) == [SCROLL]


def page(ids, scroll="s1"):
    return {"json": {"type": "list", "data": [{"id": key} for key in ids], "pages": None, "scroll_param": scroll}}


def scrolled(*answers):
    mocker, account = mocked()
    mocker.get(f"{URL}/companies/scroll", list(answers))
    read = Read()
    read_partition(account, SCROLL, read)
    return read, mocker


def test_an_empty_page_is_not_always_the_end():
    read, mocker = scrolled(page(["a"]), page([], "s2"), page(["b"], "s3"), page([]), page([]))
    assert read.ids("company") == ["a", "b"]
    assert [request.qs.get("scroll_param") for request in mocker.request_history] == [
        None,
        ["s1"],
        ["s2"],
        ["s3"],
        ["s1"],
    ]


def test_a_scroll_may_end_by_404():
    read, _ = scrolled(page(["a"]), page([]), {"status_code": 404, "json": error_list("not_found")})
    assert read.ids("company") == ["a"]


def test_a_scroll_without_a_handle_is_over():
    read, _ = scrolled(page(["a"], None))
    assert read.ids("company") == ["a"]


@pytest.mark.parametrize(
    "failure",
    [
        {"status_code": 404, "json": error_list("not_found", "scroll parameter not found")},
        {"status_code": 500, "json": error_list("server_error", "Please restart the scroll operation.")},
        {"status_code": 502, "text": "<html>"},
        {"text": ""},
    ],
    ids=["expired", "500", "502", "empty"],
)
def test_a_broken_scroll_begins_again_and_is_not_asked_twice(failure):
    mocker, account = mocked()
    mocker.get(f"{URL}/companies/scroll", **failure)
    with pytest.raises(Restart):
        source.sync(account=account, partition=SCROLL, cursor={"scroll": "s1", "empty": False})
    assert mocker.call_count == 1


@pytest.mark.parametrize(
    ("failure", "kind", "after"),
    [
        (
            {"status_code": 400, "json": error_list("scroll_exists", "scroll already exists for this workspace")},
            Retry,
            60,
        ),
        ({"status_code": 400, "json": error_list("bad_request", "scroll already exists")}, Retry, 60),
        ({"status_code": 500}, Retry, None),
        ({"status_code": 403}, Refused, None),
        ({"status_code": 400}, Refused, None),
        ({"status_code": 404}, Refused, None),
        ({"status_code": 401}, Reauthorise, None),
    ],
)
def test_a_scroll_that_cannot_begin(failure, kind, after):
    mocker, account = mocked()
    mocker.get(f"{URL}/me", status_code=401)
    mocker.get(f"{URL}/companies/scroll", **failure)
    with pytest.raises(kind) as caught:
        source.sync(account=account, partition=SCROLL, cursor={})
    assert getattr(caught.value, "after", None) == after


def test_the_rate_limit_does_not_break_a_scroll():
    mocker, account = mocked()
    mocker.get(f"{URL}/companies/scroll", status_code=429, headers={"Retry-After": "9"})
    with pytest.raises(Retry) as caught:
        source.sync(account=account, partition=SCROLL, cursor={"scroll": "s1"})
    assert caught.value.after == 9


def test_the_sandbox_lets_one_scroll_at_a_time(workspace, scrolls):
    first = source.sync(account=workspace.account, partition=SCROLL, cursor={})
    scrolls.clear()
    with pytest.raises(Retry) as caught:
        source.sync(account=workspace.account, partition=SCROLL, cursor={})
    assert caught.value.after == 60
    workspace.store.advance(61)
    with pytest.raises(Restart):
        source.sync(account=workspace.account, partition=SCROLL, cursor=first.next)
    assert workspace.read(["company"]).ids("company")


def test_a_second_scroll_waits_no_longer_than_the_first_one_lives(workspace, scrolls):
    assert workspace.read(["company"]).ids("company")
    (key,) = scrolls
    scrolls[key] -= 45  # as if it had ended so many seconds ago
    workspace.store.advance(45)
    with pytest.raises(Retry) as caught:
        source.sync(account=workspace.account, partition=SCROLL, cursor={})
    assert caught.value.after
    assert 10 < caught.value.after <= 15
    workspace.store.advance(caught.value.after)
    assert workspace.read(["company"]).ids("company")
    scrolls[key] -= 120
    with pytest.raises(Retry) as caught:
        source.sync(account=workspace.account, partition=SCROLL, cursor={})
    assert caught.value.after == 60
