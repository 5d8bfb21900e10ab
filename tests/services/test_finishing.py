"""What is found at the end of a run: what vanished, what had been missed, and what is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.contract.errors import Reauthorise, Refused, Restart, Retry
from core.contract.types import Ref, Refusal
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Link, Person, Run, Seen
from core.services import syncing, vanished
from core.services.completeness import completeness
from core.services.finishing import finish
from core.services.mainstem import Mainstem
from core.services.partitions import advance
from core.services.planning import plan
from core.services.sources import SOURCE, now_utc
from tests.services.asking import AskedVendor
from tests.services.conftest import rows, run
from tests.services.vendor import chat, firm, manifest, user


@pytest.fixture
def vendor() -> AskedVendor:
    objects = [replace(spec, exhaustive=spec.key == "firm") for spec in manifest().objects]
    vendor = AskedVendor(objects=tuple(objects))
    vendor.data = {"user": [user(n) for n in range(1, 7)], "firm": [firm(1)], "chat": [chat(1)]}
    return vendor


def report(mainstem: Mainstem) -> dict[str, Any]:
    """What the last finished run found."""
    done = [row for row in rows(mainstem.engine, Run) if row["finished_at"]]
    found: dict[str, Any] = max(done, key=lambda row: row["id"])["report"]
    return found


def gone(mainstem: Mainstem, object: str = "user") -> list[str]:
    return sorted(row["remote_id"] for row in rows(mainstem.engine, Link, Link.object == object) if row["deleted_at"])


def archived(mainstem: Mainstem) -> list[str]:
    return sorted(row["email"] for row in rows(mainstem.engine, Person) if row["archived_at"])


def seen(mainstem: Mainstem) -> Sequence[Any]:
    with mainstem.engine.connect() as connection:
        return connection.execute(table_of(Seen).select()).all()


def configure(mainstem: Mainstem, source_id: int, **config: Any) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(config=config))


@pytest.mark.parametrize("archive", [True, False])
def test_what_a_full_run_has_not_come_across_and_the_vendor_does_not_have_is_deleted(
    mainstem: Mainstem, vendor: AskedVendor, source: int, archive: bool
):
    run(mainstem, source)
    configure(mainstem, source, options={"archive_deleted": archive})
    vendor.data["user"] = [user(n) for n in (1, 2, 5, 6)]
    full = run(mainstem, source, full=True)
    assert full.state == "succeeded"
    assert gone(mainstem) == ["u3", "u4"]
    assert archived(mainstem) == (["u3@example.com", "u4@example.com"] if archive else [])
    assert report(mainstem)["vanished"]["user"] == {"checked": 2, "gone": 2, "left": 0}
    assert seen(mainstem) == []
    vendor.data["user"] = [user(n) for n in range(1, 7)]
    run(mainstem, source, full=True)
    assert gone(mainstem) == []
    assert archived(mainstem) == []


def test_who_was_not_listed_but_is_there_stays(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    vendor.there = vendor.listed()
    vendor.data["user"] = [user(1)]
    run(mainstem, source, full=True)
    assert [len(refs) for refs in vendor.fetched] == [5]
    assert gone(mainstem) == []
    assert report(mainstem)["vanished"]["user"] == {"checked": 5, "gone": 0, "left": 0}


def test_only_a_full_run_looks(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    vendor.data["user"] = [user(1)]
    assert run(mainstem, source).kind == "incremental"
    assert (vendor.fetched, gone(mainstem)) == ([], [])
    assert "vanished" not in report(mainstem)


def test_a_listing_that_broke_off_says_nothing(mainstem: Mainstem, vendor: AskedVendor, source: int):
    vendor.data = {"user/a": [user(1), user(2)], "user/b": [user(3), user(4)]}
    run(mainstem, source)
    vendor.data = {"user/a": [user(1)], "user/b": []}
    vendor.errors["user/b", 0] = [Refused("Acme is out of order")]
    run(mainstem, source, full=True)
    assert (vendor.fetched, gone(mainstem)) == ([], [])
    assert report(mainstem)["vanished"]["user"] == {"why": "not everything could be read"}


def test_nor_does_one_with_refused_records(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    vendor.data["user"] = [user(1), Refusal("user", "", "without id")]
    run(mainstem, source, full=True)
    assert (vendor.fetched, gone(mainstem)) == ([], [])
    assert report(mainstem)["vanished"]["user"] == {"why": "some records were refused"}


def test_nor_does_one_that_is_shorter_than_the_vendor_says(mainstem: Mainstem, vendor: AskedVendor, source: int):
    vendor.counted = False
    run(mainstem, source)
    vendor.data["user"] = [user(1)]
    vendor.told = {"user": 7}
    run(mainstem, source, full=True)
    assert (vendor.fetched, gone(mainstem)) == ([], [])
    assert report(mainstem)["vanished"]["user"] == {"why": "1 were read, but the vendor says that there are 7"}
    # Of chats it counts those too that are too old to be listed.
    assert report(mainstem)["vanished"]["chat"] == {"why": "the vendor does not say how many there are"}
    vendor.told = {"user": 6}
    run(mainstem, source, full=True)
    assert gone(mainstem) == ["u2", "u3", "u4", "u5", "u6"]


def uncounted(vendor: AskedVendor, *numbers: int) -> None:
    """Let the vendor list these firms, and count none."""
    vendor.counted, vendor.told = False, {"firm": None}
    vendor.data["firm"] = [firm(number) for number in numbers]


def test_an_exhaustive_listing_needs_no_count(mainstem: Mainstem, vendor: AskedVendor, source: int):
    uncounted(vendor, 1, 2, 3)
    run(mainstem, source)
    uncounted(vendor, 1)
    vendor.there = {Ref("firm", "f2"): firm(2)}
    run(mainstem, source, full=True)
    assert gone(mainstem, "firm") == ["f3"]
    assert report(mainstem)["vanished"]["firm"] == {"checked": 2, "gone": 1, "left": 0}


@pytest.mark.parametrize(
    ("left", "error", "why"),
    [
        ((1,), Restart("the scroll is gone"), "the listing broke off and was begun again"),
        ((1,), Refused("Acme is out of order"), "not everything could be read"),
        ((), None, "nothing was listed"),
    ],
)
def test_one_that_is_in_doubt_says_nothing(
    mainstem: Mainstem, vendor: AskedVendor, source: int, left: Sequence[int], error: Exception | None, why: str
):
    uncounted(vendor, 1, 2, 3)
    run(mainstem, source)
    uncounted(vendor, *left)
    vendor.errors["firm", 0] = [error] if error else []
    run(mainstem, source, full=True)
    assert (vendor.fetched, gone(mainstem, "firm")) == ([], [])
    assert report(mainstem)["vanished"]["firm"] == {"why": why}


def test_what_came_in_without_names_is_read_anew_once_they_are_told(
    mainstem: Mainstem, vendor: AskedVendor, source: int
):
    vendor.named = {"user": False}
    run(mainstem, source)
    assert report(mainstem)["unnamed"] == ["user"]
    # No record needed a name: that tells nothing.
    vendor.named = {}
    run(mainstem, source)
    assert (report(mainstem)["unnamed"], queued(mainstem)) == (["user"], [])
    vendor.named = {"user": True}
    run(mainstem, source)
    assert "unnamed" not in report(mainstem)
    assert queued(mainstem) == [("full", {"objects": ["user"]})]
    run(mainstem, source)
    run(mainstem, source)
    assert queued(mainstem) == []


def test_many_are_asked_for_in_batches_and_who_dies_amid_them_goes_on(
    mainstem: Mainstem, vendor: AskedVendor, source: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vanished, "BATCH", 2)
    run(mainstem, source)
    vendor.data["user"] = [user(1)]
    run_id = syncing.start(mainstem, source, full=True)
    assert plan(mainstem, run_id)
    advance(mainstem, run_id)

    def die() -> None:
        if len(vendor.fetched) == 2:
            raise KeyboardInterrupt

    vendor.during = die
    with pytest.raises(KeyboardInterrupt):
        finish(mainstem, run_id)
    assert len(gone(mainstem)) == 2
    assert not finish(mainstem, run_id)
    with writing(mainstem.engine) as connection:
        connection.execute(table_of(Run).update().values(lease_until=now_utc()))
    assert finish(mainstem, run_id)
    assert gone(mainstem) == ["u2", "u3", "u4", "u5", "u6"]
    assert [len(refs) for refs in vendor.fetched] == [2, 2, 2, 1]
    assert syncing.progress(mainstem, run_id).state == "succeeded"
    assert seen(mainstem) == []


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Retry("Acme is busy"), "connected"),
        (RuntimeError("a fault in the plugin"), "connected"),
        (Reauthorise("Acme has revoked the token"), "needs_attention"),
    ],
)
def test_a_run_ends_though_the_vendor_cannot_be_asked(
    mainstem: Mainstem, vendor: AskedVendor, source: int, error: Exception, state: str
):
    run(mainstem, source)
    vendor.data["user"] = [user(1)]

    def fail() -> None:
        raise error

    vendor.during = fail
    assert run(mainstem, source, full=True).state == "succeeded"
    assert gone(mainstem) == []
    assert rows(mainstem.engine, DataSource)[0]["state"] == state


def reconcile(mainstem: Mainstem, source_id: int) -> syncing.RunProgress:
    run_id = syncing.start(mainstem, source_id, reconcile=True)
    syncing.run_inline(mainstem, run_id)
    return syncing.progress(mainstem, run_id)


def queued(mainstem: Mainstem) -> list[tuple[str, Any]]:
    return [(row["kind"], row["scope"]) for row in rows(mainstem.engine, Run) if row["state"] == "queued"]


def test_a_reconciliation_reports_what_it_repaired(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    vendor.data["user"] = [*(user(n) for n in range(2, 7)), user(1, now_utc(), first_name="Ann"), user(7, now_utc())]
    checked = reconcile(mainstem, source)
    assert (checked.kind, checked.state) == ("reconciliation", "succeeded")
    assert report(mainstem)["repaired"] == {"user": {"created": 1, "updated": 1, "deleted": 0}}
    assert queued(mainstem) == []
    # What webhooks or a sync had brought before needs no repair; the next one looks back as far as this one.
    reconcile(mainstem, source)
    assert report(mainstem)["repaired"] == {}
    assert vendor.scopes[-1].since["user"] == checked.started_at


def test_a_reconciliation_has_all_read_of_what_does_not_add_up(mainstem: Mainstem, vendor: AskedVendor, source: int):
    run(mainstem, source)
    vendor.data["user"] = [user(n) for n in (1, 2, 3, 4)]
    reconcile(mainstem, source)
    assert report(mainstem)["reread"] == ["user"]
    assert queued(mainstem) == [("full", {"objects": ["user"]})]
    before = len(vendor.calls)
    following = run(mainstem, source)
    assert (following.kind, gone(mainstem)) == ("full", ["u5", "u6"])
    assert {name for name, _ in vendor.calls[before:]} == {"user"}
    reconcile(mainstem, source)
    assert (report(mainstem)["reread"], queued(mainstem)) == ([], [])


def test_what_adds_up_no_better_after_all_was_read_is_left_at_that(
    mainstem: Mainstem, vendor: AskedVendor, source: int
):
    vendor.told = {"user": 8}
    run(mainstem, source)
    reconcile(mainstem, source)
    assert queued(mainstem) == []
    vendor.told = {"user": 9}
    reconcile(mainstem, source)
    assert queued(mainstem) == [("full", {"objects": ["user"]})]


def test_completeness_says_why_what_is_there_is_not_here(mainstem: Mainstem, vendor: AskedVendor, source: int):
    configure(mainstem, source, merge={"people": {"keys": ["email"]}})
    vendor.data["user"] = [user(1), user(2, email="u1@example.com"), Refusal("user", "u3", "no name"), user(4)]
    vendor.told = {"user": 6, "chat": 10}
    run(mainstem, source)
    found = {key: each.as_json() for key, each in completeness(mainstem, source).items()}
    common = {"merged": 0, "skipped": 0, "refused": 0, "outside": 0, "left": 0}
    assert found["user"] == common | {"expected": 6, "imported": 3, "merged": 1, "refused": 1, "missing": 2}
    assert found["firm"] == common | {"expected": 1, "imported": 1, "missing": 0}
    assert found["chat"] == common | {"expected": 10, "imported": 1, "outside": 9, "missing": 0}
    assert found["text"]["missing"] is None
    assert report(mainstem)["objects"] == found


def test_what_came_in_while_more_was_kept_is_not_left_out_as_well(mainstem: Mainstem, vendor: AskedVendor, source: int):
    said = replace(chat(1).activities[0], occurred_at=now_utc() - timedelta(days=60))
    vendor.data["chat"], vendor.told = [replace(chat(1), activities=(said,))], {"chat": 1}
    configure(mainstem, source, retention={"days": None})
    run(mainstem, source)
    configure(mainstem, source, retention={"days": 30})
    read = run(mainstem, source, full=True).objects["chat"]
    assert read.counts["skipped"] == 1
    found = completeness(mainstem, source)["chat"]
    assert (found.imported, found.skipped, found.missing) == (1, 0, 0)


def test_a_vendor_that_does_not_count_leaves_it_open(mainstem: Mainstem, vendor: AskedVendor, source: int):
    vendor.told = {"user": 6}
    run(mainstem, source)
    first = completeness(mainstem, source)["user"]
    assert (first.expected, first.missing) == (6, 0)
    vendor.plan_errors = [Refused("no")]
    run(mainstem, source)
    assert completeness(mainstem, source)["user"] == first
