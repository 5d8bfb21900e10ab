from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.contract.errors import Refused, Restart, Retry
from core.contract.types import Page, Partition, Ref, SandboxOptions, Scope
from plugins.base.client import ApiClient
from plugins.zendesk.client import ZendeskClient
from plugins.zendesk.sandbox import ZendeskSandbox
from plugins.zendesk.sandbox.data import FIRST_AGENT, FIRST_USER
from tests.plugins.zendesk.support import Office, mocked, source

API = "https://acme.zendesk.com/api/v2"


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """What clients would have waited, in seconds."""
    made: list[float] = []
    monkeypatch.setattr(ApiClient, "pause", staticmethod(made.append))
    return made


def sync(account, object, cursor, key="all") -> Page:
    page = source.sync(account=account, partition=Partition(object, key), cursor=cursor)
    assert isinstance(page, Page)
    return page


# The client


def test_the_limit_is_read_from_the_headers():
    mocker, account = mocked()
    heard = []

    class Listening:
        def acquire(self) -> None: ...

        def observe(self, *told) -> None:
            heard.append(told)

    headers = {"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "699", "ratelimit-reset": "41"}
    mocker.get(f"{API}/groups.json", json={"groups": []}, headers=headers)
    ZendeskClient(replace(account, limiter=Listening())).get("/api/v2/groups.json")
    ((limit, left, reset),) = heard
    assert (limit, left) == (700, 699)
    assert 40 <= reset - time.time() <= 41


def test_a_429_waits_as_long_as_it_says():
    mocker, account = mocked()
    mocker.get(f"{API}/incremental/users/cursor.json", status_code=429, headers={"Retry-After": "37"})
    with pytest.raises(Retry) as caught:
        sync(account, "user", {"start": 0})
    assert caught.value.after == 37


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "Forbidden", "description": "Ask an admin"}, "Forbidden: Ask an admin"),
        ({"error": {"title": "Forbidden", "message": "No plan"}}, "Forbidden: No plan"),
        ([1], "answered 403"),
    ],
)
def test_errors_are_told_in_zendesks_words(body, said):
    mocker, account = mocked()
    mocker.get(f"{API}/incremental/users/cursor.json", status_code=403, json=body)
    with pytest.raises(Refused, match=said):
        sync(account, "user", {"start": 0})


# Exports


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_cursor_that_zendesk_forgot_begins_again(status):
    mocker, account = mocked()
    mocker.get(f"{API}/incremental/users/cursor.json", status_code=status)
    with pytest.raises(Restart):
        sync(account, "user", {"after": "abc"})
    with pytest.raises(Refused):
        sync(account, "user", {"start": 0})


@pytest.mark.parametrize(
    ("object", "path", "body"),
    [
        ("user", "users/cursor", {"users": [], "end_of_stream": False}),
        ("user", "users/cursor", {"end_of_stream": True}),
        ("organization", "organizations", {"organizations": [], "end_of_stream": False}),
    ],
)
def test_a_page_that_leads_nowhere_is_no_end(object, path, body):
    mocker, account = mocked()
    mocker.get(f"{API}/incremental/{path}.json", json=body)
    with pytest.raises(Retry):
        sync(account, object, {"start": 0})


def test_an_export_by_time_that_stands_still_is_told():
    mocker, account = mocked()
    body = {"organizations": [], "end_of_stream": False, "end_time": 7}
    mocker.get(f"{API}/incremental/organizations.json", json=body)
    with pytest.raises(Refused, match="second 7"):
        sync(account, "organization", {"start": 7})
    assert sync(account, "organization", {"start": 6}).next == {"start": 7}


def test_a_run_begins_before_the_last_one():
    _, account = mocked()
    scope = Scope({"user": datetime(2026, 1, 1, tzinfo=UTC)})
    (partition,) = source.plan_sync(account=replace(account, objects={"user": None}), scope=scope)
    assert partition.start == {"start": int(datetime(2025, 12, 31, 23, 50, tzinfo=UTC).timestamp())}


# Users and organizations


def test_agents_are_no_people_and_deleted_users_are_told(office: Office):
    office.rows["users"][FIRST_USER]["active"] = False
    (page,) = office.read("user")
    assert len(page.records) == 19
    assert page.deleted == [Ref("user", str(FIRST_USER))]


def test_a_user(office: Office):
    office.rows["users"][FIRST_USER + 1] |= {"name": "Ada van Dyk", "email": "ada@example.com", "tags": ["vip"]}
    user = office.records("user")[str(FIRST_USER + 1)]
    assert (user.values["first_name"], user.values["last_name"]) == ("Ada", "van Dyk")
    assert (user.values["email"], user.tags) == ("ada@example.com", ("vip",))
    assert user.organizations == (Ref("organization", "700001"),)
    assert user.fields["custom_score"] == 7.5


def test_deleted_organizations_are_told(office: Office):
    office.rows["organizations"][700_000]["deleted_at"] = "2026-01-01T00:00:00Z"
    (page,) = office.read("organization")
    assert page.deleted == [Ref("organization", "700000")]
    assert len(page.records) == len(office.rows["organizations"]) - 1


def test_inactive_and_system_fields_are_not_offered(office: Office):
    office.rows["user_fields"][500_000]["active"] = False
    keys = {(spec.object, spec.key) for spec in source.field_schema(account=office.account)}
    assert ("user", "custom_plan") not in keys
    assert ("organization", "custom_plan") in keys
    assert ("ticket", "custom_500200") in keys
    assert ("ticket", "custom_500206") not in keys


def test_it_counts_end_users(office: Office):
    assert source.count(account=office.account) == {"user": 20, "organization": len(office.rows["organizations"])}


# Team and help center


def test_a_roster_has_agents_and_their_groups(office: Office):
    roster = source.import_team(account=office.account)
    assert [user.remote_id for user in roster.users] == [str(FIRST_AGENT + n) for n in range(5)]
    assert {team.name: team.members for team in roster.teams}["Success"] == (str(FIRST_AGENT + 2),)


def test_sections_lie_in_categories_or_sections(office: Office):
    found = office.records("collection")
    assert found["sections:610000"].parent == Ref("collection", "categories:600000")
    assert found["sections:610003"].parent == Ref("collection", "sections:610001")
    assert found["categories:600000"].parent is None
    assert found["sections:610000"].values["translations"] == {
        "de": {"name": "Section 0 auf Deutsch", "description": "<p>Text</p>"}
    }


def test_articles_lie_in_sections(office: Office):
    article = office.records("article")["620000"]
    assert (article.parent, article.tags) == (Ref("collection", "sections:610000"), ("howto",))
    assert (article.values["state"], article.values["author"]) == ("draft", "Zoë Agent")


def test_an_account_without_help_center_has_no_articles():
    mocker, account = mocked()
    mocker.get(f"{API}/help_center/articles.json", status_code=404)
    assert sync(account, "article", {}, "articles") == Page()


# By id


def test_objects_are_fetched_by_id(office: Office):
    office.rows["users"][FIRST_USER]["active"] = False
    users = [Ref("user", str(key)) for key in (FIRST_USER, FIRST_USER + 1, FIRST_AGENT, 5)]
    others = [Ref("organization", "700000"), Ref("article", "620001"), Ref("article", "1")]
    collections = [Ref("collection", "sections:610000"), Ref("collection", "categories:9")]
    page = source.fetch(account=office.account, refs=[*users, *others, *collections])
    assert {(item.object, item.remote_id) for item in page.records} == {
        ("user", str(FIRST_USER + 1)),
        ("organization", "700000"),
        ("article", "620001"),
        ("collection", "sections:610000"),
    }
    gone = {Ref("user", str(FIRST_USER)), Ref("user", "5"), Ref("article", "1"), Ref("collection", "categories:9")}
    assert set(page.deleted) == gone


def test_what_is_refused_is_set_aside():
    mocker, account = mocked()
    mocker.get(f"{API}/users/show_many.json", status_code=403)
    mocker.get(f"{API}/help_center/articles/1.json", status_code=403)
    page = source.fetch(account=account, refs=[Ref("user", "1"), Ref("article", "1")])
    assert [(item.object, "403" in item.reason) for item in page.records] == [("user", True), ("article", True)]
    assert page.deleted == []


# The sandbox


def test_the_sandbox_has_a_rate_limit():
    office = Office(rpm=5)
    for _ in range(4):  # connecting was the first
        sync(office.account, "user", {"start": 0})
    with pytest.raises(Retry) as caught:
        sync(office.account, "user", {"start": 0})
    assert caught.value.after is not None


def test_the_sandbox_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="faults"):
        ZendeskSandbox(SandboxOptions(faults="429"))
