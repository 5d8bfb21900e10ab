"""What a run brings, and what becomes of it when something goes wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, FieldSpec, Partition, Record, Refusal, Roster, Scope, Team, TeamUser
from core.db.bulk import table_of
from core.db.models import COUNTS, Activity, DataSource, Organization, RefusedRecord, Run, TeamMember, User
from core.db.models import Partition as PartitionRow
from core.db.models import Team as TeamRow
from core.host import Host
from core.services import partitions, recovery, syncing
from core.services.connecting import connect, disconnect, reconnect
from core.services.errors import NotFound
from core.services.mainstem import Mainstem
from core.services.planning import plan
from core.services.sources import list_sources, now_utc
from tests.services.conftest import CONFIG, counts, emails, rows, run
from tests.services.vendor import Vendor, chat, firm, user

OURS = ("run", "partition", "data_source", "field", "user", "team", "team_member", "audit_entry", "seen")


def customer_writes(statements: Sequence[str]) -> list[str]:
    """The statements that change anything but the books of the sync itself."""
    writes = [text for text in statements if text.startswith(("INSERT", "UPDATE", "DELETE"))]
    return [text for text in writes if re.split(r"[\s\"]+", re.sub("INTO |FROM ", "", text))[1] not in OURS]


def partition_of(mainstem: Mainstem, object: str) -> Any:
    return rows(mainstem.engine, PartitionRow, PartitionRow.object == object)[-1]


def staff(mainstem: Mainstem) -> tuple[Any, ...]:
    """Users, teams and who is in which."""
    with mainstem.engine.connect() as connection:
        members = connection.execute(table_of(TeamMember).select()).all()
    return rows(mainstem.engine, User), rows(mainstem.engine, TeamRow), members


@pytest.fixture
def busy(vendor: Vendor) -> Vendor:
    """A vendor with five users, three firms and three chats."""
    vendor.data = {
        "user": [user(n) for n in range(5)],
        "firm": [firm(n) for n in range(3)],
        "chat": [chat(n) for n in range(3)],
    }
    return vendor


def test_the_first_run_brings_everything(mainstem: Mainstem, source: int, busy: Vendor):
    progress = run(mainstem, source)
    assert (progress.kind, progress.state, progress.status) == ("initial", "succeeded", "succeeded")
    assert counts(progress) == {
        "user": {"read": 5, "created": 5},
        "firm": {"read": 3, "created": 3},
        "chat": {"read": 3, "created": 3},
    }
    assert emails(mainstem.engine) == [f"u{n}@example.com" for n in range(5)]
    assert len(rows(mainstem.engine, Organization)) == 3
    assert len(rows(mainstem.engine, Activity)) == 3
    assert busy.asked() == {("user", n): 1 for n in range(3)} | {(o, n): 1 for o in ("firm", "chat") for n in range(2)}
    assert [told.status for told in busy.finished] == ["succeeded"]
    assert busy.finished[0].objects["user"]["created"] == 5


def test_a_repetition_writes_nothing(mainstem: Mainstem, source: int, busy: Vendor):
    run(mainstem, source)
    statements: list[str] = []
    event.listen(mainstem.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    progress = run(mainstem, source, full=True)
    assert counts(progress) == {key: {"read": n, "unchanged": n} for key, n in (("user", 5), ("firm", 3), ("chat", 3))}
    assert any(text.startswith("UPDATE partition") for text in statements)
    assert customer_writes(statements) == []


def test_a_later_run_asks_for_what_changed_since_the_start_of_the_last_good_one(
    mainstem: Mainstem, source: int, busy: Vendor
):
    busy.errors["firm", 0] = [Refused("Acme does not let this token read firms")]
    first = run(mainstem, source)
    assert first.status == "partial"
    busy.data["user"] = [*busy.data["user"], user(9, now_utc())]
    second = run(mainstem, source)
    assert second.kind == "incremental"
    assert dict(busy.scopes[1].since) == {
        "user": first.started_at,
        "firm": None,
        "chat": first.started_at,
        "text": None,
        "shelf": None,
    }
    assert counts(second)["user"] == {"read": 1, "created": 1}
    assert counts(second)["firm"] == {"read": 3, "created": 3}
    full = run(mainstem, source, full=True)
    assert full.kind == "full"
    assert set(busy.scopes[2].since.values()) == {None}
    assert counts(full)["user"] == {"read": 6, "unchanged": 6}


def test_every_record_read_is_counted_once(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(4)]}
    run(mainstem, source)
    now = now_utc()
    changed = [user(1, now, first_name="Ann"), user(2, now, email="u3@example.com"), user(9, email="u0@example.com")]
    broken: list[Record | Refusal] = [Refusal("user", "b", "name: missing", {"id": "b"}), user(5, email=["no text"])]
    vendor.data = {"user": [user(0), *changed, user(7), *broken]}
    found = counts(run(mainstem, source, full=True))["user"]
    assert found["read"] == 7 == sum(found.get(name, 0) for name in COUNTS if name not in ("read", "merged"))
    assert (found["rejected"], found["unchanged"], found["created"]) == (2, 1, 1)


def test_horizon_and_objects_follow_the_configuration(mainstem: Mainstem, vendor: Vendor):
    config = CONFIG | {"objects": {"user": "all"}, "retention": {"days": 10, "activities": {"said": 20}}}
    source = connect(mainstem, "acme", config, "test")
    vendor.data = {"user": [user(1)], "firm": [firm(1)]}
    assert counts(run(mainstem, source)) == {"user": {"read": 1, "created": 1}}
    (scope,) = vendor.scopes
    assert set(scope.since) == {"user"}
    assert scope.horizon is not None
    assert timedelta(days=19) < now_utc() - scope.horizon < timedelta(days=21)


def test_an_unfinished_run_is_not_begun_twice(mainstem: Mainstem, source: int):
    first = syncing.start(mainstem, source)
    assert syncing.start(mainstem, source) == first
    syncing.run_inline(mainstem, first)
    assert syncing.start(mainstem, source) == first + 1


def test_the_next_run_is_due_when_the_plugin_says(mainstem: Mainstem, source: int):
    finished = run(mainstem, source).finished_at
    assert finished is not None
    (row,) = list_sources(mainstem)
    assert row["next_sync_at"] == finished + timedelta(minutes=60)
    syncing.start(mainstem, source)
    assert list_sources(mainstem)[0]["next_sync_at"] is None


# Errors of the vendor


def test_a_retry_comes_back_at_the_same_page(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["user", 1] = [Retry("Acme is busy", after=0), Retry("Acme is busy", after=0)]
    progress = run(mainstem, source)
    assert progress.status == "succeeded"
    assert [busy.asked()["user", n] for n in range(3)] == [1, 3, 1]
    row = partition_of(mainstem, "user")
    assert (row["attempts"], row["error"], row["pages"]) == (0, None, 3)


def test_a_retry_waits_as_long_as_the_vendor_says(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["user", 1] = [Retry("Acme is busy", after=300)]
    run_id = syncing.start(mainstem, source)
    assert plan(mainstem, run_id)
    before = now_utc()
    assert not partitions.advance(mainstem, run_id)
    assert not partitions.advance(mainstem, run_id)
    row = partition_of(mainstem, "user")
    assert before + timedelta(seconds=300) <= row["not_before"] <= now_utc() + timedelta(seconds=300)
    assert (row["state"], row["attempts"], row["error"]) == ("ready", 1, "Acme is busy")
    assert row["lease_token"] is None
    assert busy.asked()["user", 1] == 1
    progress = syncing.progress(mainstem, run_id)
    user = progress.objects["user"]
    assert (progress.state, user.error, user.waits, user.until) == ("running", None, "Acme is busy", row["not_before"])
    assert progress.until == user.until
    assert progress.objects["firm"].done == 1


def test_without_a_time_the_wait_doubles_within_limits():
    for attempts in range(1, 20):
        whole = min(2.0**attempts, recovery.LONGEST_WAIT)
        waits = [recovery.wait_seconds(Retry("busy"), attempts) for _ in range(20)]
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert len(set(waits)) > 1
    assert recovery.wait_seconds(Retry("busy", after=1e9), 1) == recovery.LONGEST_WAIT
    assert recovery.wait_seconds(Retry("busy", after=-5), 1) == 0


def test_it_gives_up_after_too_many_retries_in_a_row(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["user", 1] = [Retry("Acme is busy", after=0)] * recovery.ATTEMPTS
    progress = run(mainstem, source)
    assert (progress.status, progress.error) == ("partial", "user: Acme is busy")
    assert busy.asked()["user", 1] == recovery.ATTEMPTS
    assert counts(progress)["user"] == {"read": 2, "created": 2}
    assert "user" not in list_sources(mainstem)[0]["since"]


def test_a_page_between_makes_retries_start_anew(mainstem: Mainstem, source: int, busy: Vendor):
    almost = [Retry("Acme is busy", after=0)] * (recovery.ATTEMPTS - 1)
    busy.errors["user", 0], busy.errors["user", 1] = [*almost], [*almost]
    assert run(mainstem, source).status == "succeeded"


def test_a_restart_begins_from_the_start(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["user", 2] = [Restart("The cursor has expired")] * recovery.RESTARTS
    progress = run(mainstem, source)
    assert progress.status == "succeeded"
    assert [busy.asked()["user", n] for n in range(3)] == [4, 4, 4]
    assert len(emails(mainstem.engine)) == 5
    assert counts(progress)["user"] == {"read": 17, "created": 5, "unchanged": 12}


def test_restarts_are_limited(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["user", 1] = [Restart("The cursor has expired")] * (recovery.RESTARTS + 1)
    progress = run(mainstem, source)
    assert (progress.status, progress.error) == ("partial", "user: The cursor has expired")
    assert busy.asked()["user", 1] == recovery.RESTARTS + 1


def test_what_is_refused_fails_alone(mainstem: Mainstem, source: int, busy: Vendor):
    busy.errors["firm", 0] = [Refused("Acme does not let this token read firms")]
    progress = run(mainstem, source)
    assert (progress.status, progress.error) == ("partial", "firm: Acme does not let this token read firms")
    assert progress.objects["firm"].error == "Acme does not let this token read firms"
    assert counts(progress)["user"] == {"read": 5, "created": 5}
    assert counts(progress)["firm"] == {}
    assert set(list_sources(mainstem)[0]["since"]) == {"user", "chat"}


def test_a_bug_in_the_plugin_fails_its_partition_alone(
    mainstem: Mainstem, source: int, busy: Vendor, caplog: pytest.LogCaptureFixture
):
    busy.errors["user", 1] = [KeyError("conversation_parts")]
    progress = run(mainstem, source)
    assert (progress.status, progress.error) == ("partial", "user: KeyError: 'conversation_parts'")
    assert counts(progress)["chat"] == {"read": 3, "created": 3}
    assert "Traceback" in caplog.text


def test_a_run_of_which_nothing_could_be_read_has_failed(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    vendor.errors["user", 0] = [Refused("No")]
    assert run(mainstem, source).status == "failed"


def test_a_malformed_record_is_set_aside_and_the_rest_goes_in(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1), Refusal("user", "u2", "created_at: not a time", {"id": "u2"}), user(3)]}
    progress = run(mainstem, source)
    assert (progress.status, progress.error) == ("partial", None)
    assert counts(progress)["user"] == {"read": 3, "created": 2, "rejected": 1}
    (refused,) = rows(mainstem.engine, RefusedRecord)
    assert (refused["object"], refused["remote_id"]) == ("user", "u2")
    assert (refused["reason"], refused["payload"]) == ("created_at: not a time", {"id": "u2"})
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]


# Planning


@pytest.mark.parametrize(("error", "text"), [(Refused("No"), "No"), (KeyError("x"), "KeyError: 'x'")])
def test_a_run_that_cannot_be_planned_fails_and_the_next_one_is_due(
    mainstem: Mainstem, source: int, vendor: Vendor, error: Exception, text: str
):
    vendor.plan_errors = [error]
    progress = run(mainstem, source)
    assert (progress.state, progress.error, progress.objects) == ("failed", text, {})
    assert list_sources(mainstem)[0]["next_sync_at"] is not None
    assert [told.status for told in vendor.finished] == ["failed"]
    assert run(mainstem, source).status == "succeeded"


def test_planning_is_tried_again_and_says_so(
    mainstem: Mainstem, source: int, busy: Vendor, caplog: pytest.LogCaptureFixture
):
    busy.plan_errors = [Retry("Acme is busy", after=0)] * 3
    assert run(mainstem, source).status == "succeeded"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == ["Acme is busy"] * 3
    busy.plan_errors = [Retry("Acme is busy", after=0)] * 10
    assert (run(mainstem, source).status, len(busy.plan_errors)) == ("failed", 0)


def test_planning_waits_as_long_as_the_vendor_says(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.plan_errors = [Retry("Acme is busy", after=300)]
    run_id = syncing.start(mainstem, source)
    assert not plan(mainstem, run_id)
    assert not plan(mainstem, run_id)
    assert len(vendor.scopes) == 1
    assert syncing.progress(mainstem, run_id).error == "Acme is busy"


def test_partitions_of_one_name_are_a_fault_of_the_plugin(mainstem: Mainstem, source: int):
    class Twice(Vendor):
        @hookimpl
        def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
            return [Partition("user"), Partition("user")]

    progress = run(replace(mainstem, host=Host([Twice()])), source)
    assert progress.state == "failed"
    assert "IntegrityError" in (progress.error or "")


def test_a_partition_without_a_start_has_nothing_to_read(mainstem: Mainstem, source: int):
    class Nothing(Vendor):
        @hookimpl
        def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
            return [Partition("user", start=None)]

    vendor = Nothing()
    empty = replace(mainstem, host=Host([vendor]))
    progress = run(empty, source)
    assert (progress.state, vendor.calls) == ("succeeded", [])
    assert progress.started_at is not None
    assert list_sources(mainstem)[0]["since"] == {"user": progress.started_at.isoformat()}


def test_each_run_reads_fields_and_teams_anew(mainstem: Mainstem, source: int, busy: Vendor):
    from core.db.models import Field

    busy.fields.append(FieldSpec("user", "plan", "Plan"))
    busy.roster = Roster(users=(TeamUser("7", "eve@acme.example", "Eve"),))
    run(mainstem, source)
    assert {field["key"] for field in rows(mainstem.engine, Field)} == {"email", "plan"}
    assert [user["email"] for user in rows(mainstem.engine, User)] == ["eve@acme.example"]


def test_teams_that_may_not_be_read_stay_as_they_were_and_the_rest_goes_on(
    mainstem: Mainstem, source: int, busy: Vendor
):
    busy.roster = Roster(users=(TeamUser("7", "eve@acme.example", "Eve"),), teams=(Team("1", "Support", ("7",)),))
    run(mainstem, source)
    known = staff(mainstem)
    assert all(known)
    busy.team_errors = [Refused("Agents: the scope for it is missing")]
    progress = run(mainstem, source, full=True)
    assert (progress.state, progress.error) == ("partial", "teams: Agents: the scope for it is missing")
    assert counts(progress)["user"]["read"] > 0
    assert staff(mainstem) == known
    assert run(mainstem, source).state == "succeeded"


# Dead credentials


def test_dead_credentials_pause_the_run_and_a_reconnect_goes_on_at_the_cursor(
    mainstem: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {"user": [user(n) for n in range(8)]}
    vendor.errors["user", 2] = [Reauthorise("Acme no longer takes this token")]
    paused = run(mainstem, source)
    assert (paused.state, paused.status, paused.finished) == ("paused", "failed", True)
    assert paused.error == "Acme no longer takes this token"
    (row,) = list_sources(mainstem)
    assert (row["state"], row["error"]) == ("needs_attention", "Acme no longer takes this token")
    assert counts(paused)["user"] == {"read": 4, "created": 4}
    reconnect(mainstem, source, "ann")
    syncing.run_inline(mainstem, paused.run)
    done = syncing.progress(mainstem, paused.run)
    assert (done.state, done.error) == ("succeeded", None)
    assert [vendor.asked()["user", n] for n in range(4)] == [1, 1, 2, 1]
    assert counts(done)["user"] == {"read": 8, "created": 8}
    assert len(rows(mainstem.engine, Run)) == 1


def test_an_error_about_the_old_credentials_does_not_stop_the_new_ones(mainstem: Mainstem, source: int, vendor: Vendor):
    def renew(partition: str, page: int) -> None:
        if not vendor.finished and vendor.asked()["user", 0] == 1:
            reconnect(mainstem, source, "ann", {"token": "sesame-2"})

    vendor.data = {"user": [user(1)]}
    vendor.before = renew
    vendor.errors["user", 0] = [Reauthorise("Acme no longer takes this token")]
    assert run(mainstem, source).state == "succeeded"
    assert list_sources(mainstem)[0]["state"] == "connected"


def test_when_the_webhooks_noticed_first_the_run_pauses_all_the_same(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    vendor.before = lambda partition, page: recovery.needs_attention(mainstem, source, "Dead")
    vendor.errors["user", 0] = [Reauthorise("Dead")]
    assert run(mainstem, source).state == "paused"


# Stopping


def test_nothing_is_written_after_a_disconnect(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(10)]}
    reading, gone_on = threading.Event(), threading.Event()

    def wait_at_the_second(partition: str, page: int) -> None:
        if page == 1:
            reading.set()
            assert gone_on.wait(30)

    vendor.before = wait_at_the_second
    run_id = syncing.start(mainstem, source)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(syncing.run_inline, mainstem, run_id)
        assert reading.wait(30)
        disconnect(mainstem, source, "ann")
        there = emails(mainstem.engine)
        gone_on.set()
        running.result()
    assert emails(mainstem.engine) == there
    assert len(there) <= 2
    progress = syncing.progress(mainstem, run_id)
    assert (progress.state, progress.status) == ("cancelled", "cancelled")
    assert rows(mainstem.engine, DataSource)[0]["since"] == {}
    assert vendor.asked()["user", 3] == 0


def test_progress_that_cannot_be_shown_stops_nothing(
    mainstem: Mainstem, source: int, busy: Vendor, caplog: pytest.LogCaptureFixture
):
    def broken() -> None:
        raise ValueError("the terminal is gone")

    run_id = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, run_id, on_progress=broken)
    assert syncing.progress(mainstem, run_id).status == "succeeded"
    assert "the terminal is gone" in caplog.text


def test_progress_is_told_after_every_page(mainstem: Mainstem, source: int, busy: Vendor):
    told: list[int] = []
    run_id = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, run_id, on_progress=lambda: told.append(1))
    assert len(told) == len(busy.calls) == 7


# Numbers


def test_progress_while_it_runs(mainstem: Mainstem, source: int, vendor: Vendor):
    seen: list[syncing.RunProgress] = []
    vendor.data = {"user": [user(n) for n in range(6)], "firm": [firm(n) for n in range(4)]}
    vendor.counted = True
    vendor.manifest = replace(vendor.manifest, max_parallel=1)
    single = replace(mainstem, host=Host([vendor]))
    run_id = syncing.start(single, source)
    queued = syncing.progress(single, run_id)
    assert (queued.state, queued.finished, queued.seconds, queued.objects) == ("queued", False, 0.0, {})
    assert (queued.records_per_second, queued.seconds_left) == (0.0, None)
    syncing.run_inline(single, run_id, on_progress=lambda: seen.append(syncing.progress(single, run_id)))
    first, third = seen[0], seen[2]
    assert (first.objects["user"].expected, first.objects["user"].counts["read"]) == (6, 2)
    assert (first.objects["user"].partitions, first.objects["user"].done) == (1, 0)
    assert first.objects["firm"].expected is None
    assert first.seconds_left is None
    assert (third.objects["user"].done, third.read) == (1, 6)
    left = seen[3].seconds_left
    assert left is not None
    assert left == pytest.approx(2 * seen[3].seconds / 8)
    done = syncing.progress(single, run_id)
    assert (done.read, done.seconds_left, done.finished) == (10, None, True)
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.seconds == (done.finished_at - done.started_at).total_seconds()


def test_summary_has_the_promised_shape(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(1)]}
    progress = run(mainstem, source)
    summary = progress.summary()
    assert summary.pop("seconds") == round(progress.seconds, 3)
    assert summary == {
        "run": progress.run,
        "status": "succeeded",
        "objects": {"user": {**dict.fromkeys(COUNTS, 0), "read": 1, "created": 1}},
        "requests": 0,
        "error": None,
    }


def test_the_latest_run(mainstem: Mainstem, source: int):
    assert syncing.latest(mainstem, source) is None
    run(mainstem, source)
    second = run(mainstem, source)
    assert syncing.latest(mainstem, source) == second
    with pytest.raises(NotFound, match="There is no run 99"):
        syncing.progress(mainstem, 99)


def test_requests_are_counted_even_where_they_led_to_no_page(mainstem: Mainstem, source: int):
    import requests_mock

    class Caller(Vendor):
        @hookimpl
        def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
            account.http.get("https://acme.example/count")
            return super().plan_sync(account, scope)

        @hookimpl
        def sync(self, account: Account, partition: Partition, cursor: Any) -> Any:
            account.http.get("https://acme.example/page")
            return super().sync(account, partition, cursor)

    vendor = Caller()
    vendor.data = {"user": [user(n) for n in range(4)]}
    vendor.errors["user", 1] = [Refused("No")]
    caller = replace(mainstem, host=Host([vendor]))
    with requests_mock.Mocker() as acme:
        acme.get(requests_mock.ANY, text="")
        progress = run(caller, source)
        assert progress.requests == acme.call_count == 3
