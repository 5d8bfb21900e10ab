"""Webhooks from their arrival to the customer database."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from core.contract.errors import Forged, Reauthorise, Refused, Retry
from core.contract.types import Roster, TeamUser
from core.contract.types import Team as VendorsTeam
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Link, Team, User, WebhookDelivery
from core.host import PluginMissing
from core.services import inbox
from core.services.connecting import disconnect, reconnect
from core.services.draining import ATTEMPTS, BATCH, drain, to_drain
from core.services.errors import NotFound
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from tests.services.calling import SECRET, CallingVendor, delivery, sign
from tests.services.conftest import emails, open_mainstem, rows
from tests.services.vendor import LONG_AGO, user

DELIVERY, SOURCE = table_of(WebhookDelivery), table_of(DataSource)
SECRETS = f"{SECRET},old-secret"


@pytest.fixture
def vendor() -> CallingVendor:
    vendor = CallingVendor()
    vendor.users = {number: user(number) for number in range(400)}
    return vendor


@pytest.fixture
def mainstem(database_url: str, tmp_path: Path, vendor: CallingVendor) -> Iterator[Mainstem]:
    mainstem = open_mainstem(database_url, tmp_path / "instance", vendor, ACME_SECRETS=SECRETS)
    yield mainstem
    mainstem.engine.dispose()


def receive(mainstem: Mainstem, body: bytes, **headers: str) -> inbox.Reception:
    return inbox.receive(mainstem, "acme", {"x-acme-signature": sign(body), **headers}, body)[0]


def tell(mainstem: Mainstem, *numbers: int) -> None:
    for number in numbers:
        assert receive(mainstem, delivery(number)) == "stored"


def stored(mainstem: Mainstem) -> list[Mapping[str, Any]]:
    return sorted(rows(mainstem.engine, WebhookDelivery), key=lambda row: row["id"])


def states(mainstem: Mainstem) -> list[str]:
    return [row["state"] for row in stored(mainstem)]


def state_of(mainstem: Mainstem) -> tuple[str, str | None]:
    (source,) = rows(mainstem.engine, DataSource)
    return source["state"], source["error"]


def set_all(mainstem: Mainstem, table: Any, **values: Any) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(table.update().values(values))


# Receiving


def test_a_genuine_delivery_is_stored_in_one_statement(mainstem: Mainstem, source: int):
    statements: list[str] = []
    event.listen(mainstem.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    body = delivery(1, text="Zoë \0")
    assert inbox.receive(mainstem, "acme", {"x-acme-signature": sign(body)}, body) == ("stored", source)
    assert [text.split()[0] for text in statements if not text.startswith("BEGIN")] == ["INSERT"]
    (row,) = stored(mainstem)
    assert (row["source_id"], row["dedupe_key"], row["topic"], row["state"]) == (
        source,
        "e1",
        "user.changed",
        "pending",
    )
    assert row["body"] == {"account": "1", "id": "e1", "topic": "user.changed", "user": 1, "text": "Zoë "}


@pytest.mark.parametrize("secret", SECRETS.split(","))
def test_any_of_the_secrets_signs(mainstem: Mainstem, source: int, secret: str):
    body = delivery(1)
    assert receive(mainstem, body, **{"x-acme-signature": sign(body, secret)}) == "stored"


def test_the_signature_is_over_the_bytes_as_they_came(mainstem: Mainstem, source: int):
    body = delivery(1).replace(b", ", b" ,\n  ")
    assert receive(mainstem, body) == "stored"
    with pytest.raises(Forged):
        receive(mainstem, delivery(2), **{"x-acme-signature": sign(delivery(2).replace(b", ", b","))})


@pytest.mark.parametrize("signature", ["", "0" * 64, sign(delivery(1), "other-secret"), sign(b"another body")])
def test_what_is_forged_or_unsigned_is_refused_and_not_stored(mainstem: Mainstem, source: int, signature: str):
    with pytest.raises(Forged):
        receive(mainstem, delivery(1), **{"x-acme-signature": signature})
    assert stored(mainstem) == []


def test_without_secrets_everything_is_refused(mainstem: Mainstem, source: int):
    deaf = replace(mainstem, environ={})
    with pytest.raises(Forged):
        receive(deaf, delivery(1), **{"x-acme-signature": sign(delivery(1), "")})


def test_duplicates_are_stored_once(mainstem: Mainstem, source: int):
    assert [receive(mainstem, delivery(1, attempt=n)) for n in (1, 2)] == ["stored", "duplicate"]
    drain(mainstem, source)
    assert receive(mainstem, delivery(1, attempt=3)) == "duplicate"
    assert states(mainstem) == ["done"]


def test_many_at_once_are_stored_once_each(mainstem: Mainstem, source: int):
    together = threading.Barrier(8)
    said: list[str] = []

    def call() -> None:
        together.wait()
        said.extend(receive(mainstem, delivery(number)) for number in range(10))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["duplicate"] * 70 + ["stored"] * 10
    assert sorted(row["dedupe_key"] for row in stored(mainstem)) == [f"e{n}" for n in range(10)]


def test_the_account_decides_for_which_data_source_it_is(mainstem: Mainstem, source: int, vendor: CallingVendor):
    assert receive(mainstem, delivery(1, account="2")) == "unknown_account"
    assert stored(mainstem) == []
    set_all(mainstem, SOURCE, remote_id="2")
    assert receive(mainstem, delivery(1, account="2")) == "stored"


@pytest.mark.parametrize("state", ["disconnected", "archived", "deleted"])
def test_nothing_is_stored_for_who_is_not_connected(mainstem: Mainstem, source: int, state: str):
    set_all(mainstem, SOURCE, state=state)
    assert receive(mainstem, delivery(1)) == "unknown_account"
    assert stored(mainstem) == []


def test_what_comes_while_credentials_are_dead_waits(mainstem: Mainstem, source: int):
    set_all(mainstem, SOURCE, state="needs_attention")
    tell(mainstem, 1)
    assert to_drain(mainstem) == []
    assert drain(mainstem, source) == 0
    reconnect(mainstem, source, "test")
    assert to_drain(mainstem) == [source]
    assert drain(mainstem, source) == 1


def test_a_ping_is_not_stored(mainstem: Mainstem, source: int):
    assert receive(mainstem, delivery(1, topic="ping")) == "ignored"
    assert stored(mainstem) == []


def test_plugins_that_are_not_there_or_have_no_webhooks(mainstem: Mainstem, source: int, vendor: CallingVendor):
    with pytest.raises(PluginMissing):
        inbox.receive(mainstem, "nobody", {}, b"")
    object.__setattr__(vendor.manifest, "webhooks", False)
    with pytest.raises(Forged, match="Acme has no webhooks"):
        receive(mainstem, delivery(1))


# Working off


def test_changes_and_deletions_arrive(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, 1, 2, 3)
    assert drain(mainstem, source) == 3
    assert emails(mainstem.engine) == ["u1@example.com", "u2@example.com", "u3@example.com"]
    assert vendor.told == [["e1", "e2", "e3"]]
    assert states(mainstem) == ["done"] * 3
    assert all(row["processed_at"] and row["error"] is None for row in stored(mainstem))
    vendor.users[2] = user(2, now_utc(), email="two@example.com")
    del vendor.users[3]
    for number in (2, 3):
        receive(mainstem, delivery(number, id=f"again-{number}"))
    assert drain(mainstem, source) == 2
    assert emails(mainstem.engine) == ["two@example.com", "u1@example.com", "u3@example.com"]
    assert [link["remote_id"] for link in rows(mainstem.engine, Link, table_of(Link).c.deleted_at.is_not(None))] == [
        "u3"
    ]


def test_an_older_state_after_a_newer_one_changes_nothing(mainstem: Mainstem, source: int, vendor: CallingVendor):
    vendor.users[1] = user(1, now_utc(), email="new@example.com")
    tell(mainstem, 1)
    drain(mainstem, source)
    vendor.users[1] = user(1, LONG_AGO, email="old@example.com")
    receive(mainstem, delivery(1, id="late"))
    assert drain(mainstem, source) == 1
    assert emails(mainstem.engine) == ["new@example.com"]
    assert states(mainstem) == ["done", "done"]


def test_batches(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, *range(2 * BATCH + 5))
    assert drain(mainstem, source) == 2 * BATCH + 5
    assert [len(batch) for batch in vendor.told] == [BATCH, BATCH, 5]
    assert [id for batch in vendor.told for id in batch] == [f"e{n}" for n in range(2 * BATCH + 5)]


def test_it_makes_room_for_others_when_its_time_is_over(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, *range(BATCH + 1))
    assert drain(mainstem, source, seconds=0) == 0
    assert to_drain(mainstem) == [source]
    assert drain(mainstem, source) == BATCH + 1
    assert to_drain(mainstem) == []


def test_what_arrives_meanwhile_is_worked_off_too(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, 1)
    more = iter([2, 3])
    vendor.during = lambda: tell(mainstem, *([number] if (number := next(more, 0)) else []))
    assert drain(mainstem, source) == 3


def test_users_and_teams_are_refreshed(mainstem: Mainstem, source: int, vendor: CallingVendor):
    bea = TeamUser("7", "bea@example.com", "Bea")
    vendor.roster = Roster((bea,), (VendorsTeam("t", "Support", ("7",)),))
    tell(mainstem, 1)
    drain(mainstem, source)
    assert [row["email"] for row in rows(mainstem.engine, User)] == ["bea@example.com"]
    assert [row["name"] for row in rows(mainstem.engine, Team)] == ["Support"]
    vendor.roster = Roster((replace(bea, remote_id="8", email="cyd@example.com"),))
    tell(mainstem, 2)
    drain(mainstem, source)
    assert {row["email"]: row["gone_at"] is None for row in rows(mainstem.engine, User)} == {
        "bea@example.com": False,
        "cyd@example.com": True,
    }


# Failing


def test_a_poisoned_delivery_isolates_itself_and_ends_dead(mainstem: Mainstem, source: int, vendor: CallingVendor):
    vendor.poisoned = {2}
    tell(mainstem, 1, 2, 3)
    assert drain(mainstem, source) == 2
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]
    assert vendor.told == [["e1", "e2", "e3"], ["e1"], ["e2"], ["e3"]]
    for attempt in range(1, ATTEMPTS):
        poisoned = stored(mainstem)[1]
        assert (poisoned["state"], poisoned["attempts"]) == ("pending", attempt)
        assert poisoned["error"] == "RuntimeError: Acme's plugin stumbles"
        assert poisoned["not_before"] > poisoned["received_at"]
        assert to_drain(mainstem) == []
        set_all(mainstem, DELIVERY, not_before=now_utc() - timedelta(seconds=1))
        assert drain(mainstem, source) == 0
    assert states(mainstem) == ["done", "dead", "done"]
    set_all(mainstem, DELIVERY, not_before=None)
    assert to_drain(mainstem) == []


def test_dead_deliveries_are_replayed(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, 1, 2)
    set_all(mainstem, DELIVERY, state="dead", attempts=5, error="bad", not_before=now_utc() + timedelta(days=1))
    assert inbox.replay(mainstem, source, "ann") == 2
    assert drain(mainstem, source) == 2
    assert states(mainstem) == ["done", "done"]
    assert inbox.replay(mainstem, source, "ann") == 0
    with pytest.raises(NotFound):
        inbox.replay(mainstem, source + 1, "ann")


def test_what_the_vendor_refuses_for_good_counts_against_each(mainstem: Mainstem, source: int, vendor: CallingVendor):
    vendor.outage = Refused("never")
    tell(mainstem, 1, 2)
    assert drain(mainstem, source) == 0
    assert [(row["attempts"], row["error"]) for row in stored(mainstem)] == [(1, "Refused: never")] * 2


def test_a_vendor_that_is_down_is_left_alone_for_a_while(mainstem: Mainstem, source: int, vendor: CallingVendor):
    vendor.outage = Retry("Acme is down", after=30)
    tell(mainstem, 1, 2)
    assert drain(mainstem, source) == 0
    assert [(row["state"], row["attempts"]) for row in stored(mainstem)] == [("pending", 0)] * 2
    assert vendor.told == [["e1", "e2"]]
    vendor.outage = None
    assert to_drain(mainstem) == []
    assert drain(mainstem, source) == 0
    (row,) = rows(mainstem.engine, DataSource)
    assert timedelta(seconds=25) < row["lease_until"] - now_utc() <= timedelta(seconds=30)
    set_all(mainstem, SOURCE, lease_until=now_utc() - timedelta(seconds=1))
    assert drain(mainstem, source) == 2


def test_dead_credentials_need_an_admin_and_lose_nothing(mainstem: Mainstem, source: int, vendor: CallingVendor):
    vendor.outage = Reauthorise("Acme revoked the token")
    tell(mainstem, 1)
    assert drain(mainstem, source) == 0
    assert state_of(mainstem) == ("needs_attention", "Acme revoked the token")
    tell(mainstem, 2)
    vendor.outage = None
    assert drain(mainstem, source) == 0
    reconnect(mainstem, source, "ann")
    assert drain(mainstem, source) == 2
    assert emails(mainstem.engine) == ["u1@example.com", "u2@example.com"]


def test_credentials_given_meanwhile_are_not_taken_for_the_dead_ones(
    mainstem: Mainstem, source: int, vendor: CallingVendor
):
    vendor.outage = Reauthorise("Acme revoked the token")
    vendor.during = lambda: reconnect(mainstem, source, "ann")
    tell(mainstem, 1)
    assert drain(mainstem, source) == 0
    assert state_of(mainstem) == ("connected", None)


def test_a_data_source_disconnected_meanwhile_gets_nothing(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, 1)
    vendor.during = lambda: disconnect(mainstem, source, "ann")
    assert drain(mainstem, source) == 0
    assert emails(mainstem.engine) == []
    assert rows(mainstem.engine, Link) == []
    assert states(mainstem) == ["pending"]
    assert state_of(mainstem) == ("disconnected", None)


def test_who_lost_the_lease_writes_nothing(mainstem: Mainstem, source: int, vendor: CallingVendor):
    tell(mainstem, 1)

    def take_over() -> None:
        vendor.during = lambda: None
        set_all(mainstem, SOURCE, lease_until=now_utc() - timedelta(seconds=1))
        assert drain(mainstem, source) == 1

    vendor.during = take_over
    assert drain(mainstem, source) == 0
    assert states(mainstem) == ["done"]
    (row,) = rows(mainstem.engine, DataSource)
    assert (row["lease_token"], row["lease_until"]) == (None, None)


def test_two_workers_neither_lose_nor_double(
    mainstem: Mainstem, source: int, vendor: CallingVendor, database_url: str, tmp_path: Path
):
    other = open_mainstem(database_url, tmp_path / "instance", vendor, ACME_SECRETS=SECRETS)
    numbers, done = range(300), [0, 0]
    told_all = threading.Event()

    def work(index: int, view: Mainstem) -> None:
        while not told_all.is_set() or to_drain(view):
            done[index] += drain(view, source)

    threads = [threading.Thread(target=work, args=(index, view)) for index, view in enumerate((mainstem, other))]
    for thread in threads:
        thread.start()
    tell(mainstem, *numbers)
    told_all.set()
    for thread in threads:
        thread.join()
    # Whoever was turned away at the end leaves it to the one who holds the lease, which has ended by now.
    assert sum(done) == 300
    assert sorted(id for batch in vendor.told for id in batch) == sorted(f"e{n}" for n in numbers)
    assert states(mainstem) == ["done"] * 300
    assert len(emails(mainstem.engine)) == 300
    other.engine.dispose()


# Forgetting


def test_done_deliveries_are_forgotten_after_a_week(mainstem: Mainstem, source: int, monkeypatch: pytest.MonkeyPatch):
    tell(mainstem, *range(7))
    set_all(mainstem, DELIVERY, state="done", processed_at=now_utc() - timedelta(days=8))
    with writing(mainstem.engine) as connection:
        changes: dict[str, dict[str, Any]] = {
            "e1": {"processed_at": now_utc() - timedelta(days=6)},
            "e2": {"state": "dead"},
            "e3": {"state": "pending", "processed_at": None},
        }
        for key, values in changes.items():
            connection.execute(DELIVERY.update().where(DELIVERY.c.dedupe_key == key).values(values))
    monkeypatch.setattr(inbox, "PURGED_AT_ONCE", 3)
    assert [inbox.purge(mainstem) for _ in range(3)] == [2, 2, 0]
    assert [row["dedupe_key"] for row in stored(mainstem)] == ["e1", "e2", "e3"]
