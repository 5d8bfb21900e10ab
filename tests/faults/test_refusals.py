"""What a vendor refuses half way costs nothing of what it gave, and comes once it is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.models import DataSource, Partition
from core.host import Host
from core.services import syncing
from core.services.connecting import connect, reconnect
from core.services.mainstem import Mainstem
from core.services.syncing import RunProgress
from plugins.intercom import plugin
from plugins.intercom.sandbox import Sandbox, SandboxOptions
from tests.services.conftest import rows
from tests.webhooks.conftest import CONFIG, Install
from tests.webhooks.snapshot import differences, snapshot

COMPANIES = 250
# A scroll lives so long after its last page, and keeps others out.
SCROLL = 61


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(SandboxOptions(people=400, companies=COMPANIES, conversations=60, rpm=0))


@pytest.fixture
def mainstem(sandbox: Sandbox, address: str, postgres_url: str, tmp_path: Path) -> Iterator[Mainstem]:
    environ = {"DATABASE_URL": postgres_url, "MAINSTEM_INSTANCE": str(tmp_path / "faults")}
    mainstem = Mainstem.open({**environ, **sandbox.environment(address)}, Host([plugin]))
    yield mainstem
    mainstem.engine.dispose()


@pytest.fixture
def source(mainstem: Mainstem, sandbox: Sandbox) -> int:
    return connect(mainstem, "intercom", {**CONFIG, "credentials": sandbox.credentials}, "test")


def sync(mainstem: Mainstem, source: int) -> RunProgress:
    run_id = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, run_id)
    return syncing.progress(mainstem, run_id)


def read(progress: RunProgress, object: str) -> int:
    return progress.objects[object].counts["read"]


def test_a_token_revoked_half_way(mainstem: Mainstem, source: int, sandbox: Sandbox, install: Install, fresh_url: str):
    store = sandbox.store
    store.set_faults(f"revoke@{store.api_requests + 70}")
    paused = sync(mainstem, source)
    assert paused.state == "paused"
    (row,) = rows(mainstem.engine, DataSource)
    assert (row["state"], row["error"]) == ("needs_attention", "Intercom refused this access token")
    before = {row["id"]: row["pages"] for row in rows(mainstem.engine, Partition)}
    assert paused.read > 0
    assert any(row["state"] == "ready" for row in rows(mainstem.engine, Partition))
    store.advance(SCROLL)
    reconnect(mainstem, source, "ann", {"access_token": store.issue_token()})
    syncing.run_inline(mainstem, paused.run)
    progress = syncing.progress(mainstem, paused.run)
    assert progress.state == "succeeded"
    assert read(progress, "contact") == len(store.contacts)
    assert read(progress, "conversation") == len(store.conversations)
    for row in rows(mainstem.engine, Partition):
        assert row["pages"] >= before[row["id"]]
        assert row["restarts"] == 0
    store.tokens.add(store.token)
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []


@pytest.mark.parametrize(
    ("fault", "object", "reason"),
    [
        ("scope:companies", "company", "read_companies"),
        ("scope401:companies", "company", "the app lacks the scope for it"),
        ("scope:contacts", "contact", "read_contacts"),
        ("plan", "conversation", "api_plan_restricted"),
    ],
)
def test_what_may_not_be_read_fails_alone_and_is_read_whole_when_it_may(
    mainstem: Mainstem,
    source: int,
    sandbox: Sandbox,
    install: Install,
    fresh_url: str,
    fault: str,
    object: str,
    reason: str,
):
    store = sandbox.store
    there = {"company": COMPANIES, "contact": len(store.contacts), "conversation": len(store.conversations)}
    store.set_faults(fault)
    progress = sync(mainstem, source)
    assert progress.state == "partial"
    assert reason in (progress.error or "")
    assert {key: read(progress, key) for key in there} == {**there, object: 0}
    store.set_faults("")
    store.advance(SCROLL)
    progress = sync(mainstem, source)
    assert (progress.state, progress.kind) == ("succeeded", "incremental")
    assert read(progress, object) == there[object]
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []


def test_a_scroll_that_expires_half_way(
    mainstem: Mainstem, source: int, sandbox: Sandbox, install: Install, fresh_url: str
):
    expired: list[object] = []

    def expire() -> None:
        begun = [row for row in rows(mainstem.engine, Partition) if row["object"] == "company" and row["pages"] == 1]
        if begun and not expired:
            expired.append(begun)
            sandbox.store.advance(SCROLL)

    run_id = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, run_id, expire)
    progress = syncing.progress(mainstem, run_id)
    assert progress.state == "succeeded"
    assert [row["restarts"] for row in rows(mainstem.engine, Partition) if row["object"] == "company"] == [1]
    assert COMPANIES < read(progress, "company") < 2 * COMPANIES
    assert progress.objects["company"].counts["created"] == COMPANIES
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []


def test_a_cursor_that_no_longer_works(
    mainstem: Mainstem, source: int, sandbox: Sandbox, install: Install, fresh_url: str
):
    sandbox.store.set_faults("bad_cursor:2")
    progress = sync(mainstem, source)
    assert progress.state == "succeeded"
    assert sum(row["restarts"] for row in rows(mainstem.engine, Partition)) == 2
    assert progress.objects["contact"].counts["created"] == len(sandbox.store.contacts)
    assert differences(snapshot(mainstem.engine), snapshot(install(fresh_url).engine)) == []
