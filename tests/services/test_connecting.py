"""The life of a data source."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.contract.errors import Reauthorise, Retry
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, FieldSpec
from core.db.models import AuditEntry, DataSource, Field, Run
from core.host import Host
from core.services import syncing
from core.services.accounts import account_of
from core.services.connecting import archive, connect, delete, disconnect, reconnect, rename, restore
from core.services.errors import Conflict, Invalid, NotFound, ServiceError
from core.services.mainstem import Mainstem
from core.services.retention import to_sweep
from core.services.sources import config_of, get_source, list_sources, now_utc
from tests.services.conftest import CONFIG, counts, emails, rows, run
from tests.services.vendor import Vendor, user

ALREADY = "Data source already connected: disconnect, archive and delete the existing Acme connection first"


def state_of(mainstem: Mainstem, source: int) -> str:
    with mainstem.engine.connect() as connection:
        return str(get_source(connection, source)["state"])


def test_connecting_stores_what_the_vendor_says(mainstem: Mainstem, vendor: Vendor):
    vendor.fields = [FieldSpec("user", "plan", "Plan"), FieldSpec("user", "seats", "Seats", "integer")]
    config = CONFIG | {"name": "Our Acme", "objects": {"user": ["plan"]}}
    source = connect(mainstem, "acme", config, "ann")
    (row,) = list_sources(mainstem)
    assert row["id"] == source
    assert (row["name"], row["state"], row["remote_id"]) == ("Our Acme", "connected", "1")
    assert (row["account_name"], row["settings"]) == ("Acme One", {"region": "eu"})
    assert row["config"] == {"name": "Our Acme", "objects": {"user": ["plan"]}}
    assert {field["key"]: field["selected"] for field in rows(mainstem.engine, Field)} == {"plan": True, "seats": False}
    (entry,) = rows(mainstem.engine, AuditEntry)
    assert (entry["actor"], entry["action"], entry["target"]) == ("ann", "connect", f"data source {source}")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"credentials": {"token": "wrong"}}, "credentials.token: Acme refused this token"),
        ({"credentials": {}}, "credentials.token: is missing"),
        (CONFIG | {"colour": "red"}, "colour: unknown key; allowed: name, credentials"),
        (CONFIG | {"objects": {"user": ["plam"]}}, "objects.user.plam: unknown field; allowed: email"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(mainstem: Mainstem, config: dict[str, Any], message: str):
    with pytest.raises(Invalid) as refused:
        connect(mainstem, "acme", config, "ann")
    assert str(refused.value).startswith(message)
    assert rows(mainstem.engine, DataSource) == []
    assert rows(mainstem.engine, Field) == []
    assert rows(mainstem.engine, AuditEntry) == []


def test_an_unknown_plugin_is_answered_with_the_known_ones(mainstem: Mainstem):
    with pytest.raises(Exception, match="unknown plugin 'zendesk': known are acme"):
        connect(mainstem, "zendesk", CONFIG, "ann")


def test_a_plugin_without_fields_and_merging_can_be_synced(database_url: str, tmp_path: Path):
    from core.contract.example import Shop

    environ = {"DATABASE_URL": database_url, "MAINSTEM_INSTANCE": str(tmp_path / "instance")}
    mainstem = Mainstem.open(environ, Host([Shop()]))
    source = connect(mainstem, "shop", {"credentials": {"key": "open"}}, "ann")
    assert counts(run(mainstem, source)) == {"customer": {"read": 3, "created": 3}}
    assert emails(mainstem.engine) == ["ann@example.com", "bob@example.com", "cid@example.com"]
    mainstem.engine.dispose()


@pytest.mark.parametrize("token", ["open-sesame", "other"])
def test_a_second_account_is_refused(mainstem: Mainstem, source: int, token: str):
    with pytest.raises(Conflict) as refused:
        connect(mainstem, "acme", {"credentials": {"token": token}}, "ann")
    assert str(refused.value) == ALREADY
    assert len(list_sources(mainstem)) == 1


@pytest.mark.parametrize(
    ("allowed", "refusal"), [(1, ALREADY), (None, "The Acme account Acme One is already connected")]
)
def test_of_two_who_connect_at_once_one_is_refused(mainstem: Mainstem, allowed: int | None, refusal: str):
    class Slow(Vendor):
        both_have_asked = threading.Barrier(2)

        @hookimpl
        def field_schema(self, account: Account) -> Sequence[FieldSpec]:
            self.both_have_asked.wait(30)
            return ()

    slow = replace(mainstem, host=Host([Slow(max_accounts=allowed)]))

    def answer(number: int) -> str:
        try:
            connect(slow, "acme", CONFIG, "ann")
        except Conflict as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(answer, range(2))) == ["", refusal]
    assert len(rows(mainstem.engine, DataSource)) == 1


def test_the_same_account_twice_is_refused_where_several_are_allowed(mainstem: Mainstem):
    many = replace(mainstem, host=Host([Vendor(max_accounts=None)]))
    connect(many, "acme", CONFIG, "ann")
    connect(many, "acme", {"credentials": {"token": "other"}}, "ann")
    with pytest.raises(Conflict, match="^The Acme account Acme One is already connected$"):
        connect(many, "acme", {"credentials": {"token": "sesame-2"}}, "ann")
    assert len(list_sources(many)) == 2


Action = Callable[[Mainstem, int, str], None]
WAYS: dict[str, list[Action]] = {
    "connected": [],
    "disconnected": [disconnect],
    "archived": [disconnect, archive],
    "deleted": [disconnect, archive, delete],
}
ALLOWED = {
    ("connected", "disconnect"): "disconnected",
    ("connected", "reconnect"): "connected",
    ("disconnected", "archive"): "archived",
    ("disconnected", "reconnect"): "connected",
    ("archived", "restore"): "disconnected",
    ("archived", "delete"): "deleted",
}
REFUSED = {
    ("connected", "archive"): "Acme is connected and cannot be archived: disconnect it first",
    ("connected", "restore"): "Acme is connected and cannot be restored: it is not archived",
    ("connected", "delete"): "Acme is connected and cannot be deleted: disconnect and archive it first",
    ("disconnected", "disconnect"): "Acme is disconnected and cannot be disconnected: it is not connected",
    ("disconnected", "restore"): "Acme is disconnected and cannot be restored: it is not archived",
    ("disconnected", "delete"): "Acme is disconnected and cannot be deleted: disconnect and archive it first",
    ("archived", "disconnect"): "Acme is archived and cannot be disconnected: it is not connected",
    ("archived", "archive"): "Acme is archived and cannot be archived: disconnect it first",
    ("archived", "reconnect"): "Acme is archived and cannot be reconnected: restore it first",
    **{
        ("deleted", action): "There is no data source 1: see mainstem sources"
        for action in ("disconnect", "archive", "restore", "delete", "reconnect")
    },
}
ACTIONS: dict[str, Action] = {action.__name__: action for action in (disconnect, archive, restore, delete, reconnect)}


def put_into(mainstem: Mainstem, source: int, state: str) -> None:
    for action in WAYS[state]:
        action(mainstem, source, "ann")


@pytest.mark.parametrize(("state", "action"), ALLOWED)
def test_what_is_allowed_leads_to_the_next_state_and_is_written_down(
    mainstem: Mainstem, source: int, state: str, action: str
):
    put_into(mainstem, source, state)
    ACTIONS[action](mainstem, source, "bob")
    (row,) = rows(mainstem.engine, DataSource)
    assert row["state"] == ALLOWED[state, action]
    assert rows(mainstem.engine, AuditEntry, AuditEntry.actor == "bob")[0]["action"] == action


@pytest.mark.parametrize("state", WAYS)
def test_what_is_not_allowed_says_what_to_do_first(mainstem: Mainstem, source: int, state: str):
    put_into(mainstem, source, state)
    refused = {action: text for (before, action), text in REFUSED.items() if before == state}
    assert refused
    for action, text in refused.items():
        with pytest.raises(ServiceError) as told:
            ACTIONS[action](mainstem, source, "bob")
        assert str(told.value) == text
    assert rows(mainstem.engine, DataSource)[0]["state"] == state
    assert rows(mainstem.engine, AuditEntry, AuditEntry.actor == "bob") == []


def test_one_that_needs_attention_can_be_disconnected_or_reconnected(mainstem: Mainstem, source: int, vendor: Vendor):
    for action, state in ((disconnect, "disconnected"), (reconnect, "connected")):
        reconnect(mainstem, source, "ann")
        vendor.plan_errors = [Reauthorise("Acme no longer takes this token")]
        run(mainstem, source)
        assert state_of(mainstem, source) == "needs_attention"
        with pytest.raises(Conflict, match="Acme needs attention: reconnect it first"):
            syncing.start(mainstem, source)
        action(mainstem, source, "ann")
        assert state_of(mainstem, source) == state
        (row,) = rows(mainstem.engine, DataSource)
        assert row["error"] is None


def test_reconnecting_is_followed_by_a_sync(mainstem: Mainstem, source: int):
    disconnect(mainstem, source, "ann")
    assert list_sources(mainstem)[0]["next_sync_at"] is None
    reconnect(mainstem, source, "ann")
    due = list_sources(mainstem)[0]["next_sync_at"]
    assert due is not None
    assert due <= now_utc()


def test_reconnecting_takes_a_new_token_of_the_same_account_alone(mainstem: Mainstem, source: int):
    with pytest.raises(Conflict) as refused:
        reconnect(mainstem, source, "ann", {"token": "other"})
    assert str(refused.value) == (
        "These credentials open Acme Two, but Acme is Acme One: connect the other account as a data source of its own"
    )
    with pytest.raises(Invalid, match="Acme refused this token"):
        reconnect(mainstem, source, "ann", {"token": "wrong"})
    assert secrets_of(mainstem, source) == {"token": "open-sesame"}
    reconnect(mainstem, source, "ann", {"token": "sesame-2"})
    assert secrets_of(mainstem, source) == {"token": "sesame-2"}


def test_stored_credentials_are_proved_again(mainstem: Mainstem, source: int, vendor: Vendor):
    disconnect(mainstem, source, "ann")
    del vendor.tokens["open-sesame"]
    with pytest.raises(Invalid, match="Acme refused this token"):
        reconnect(mainstem, source, "ann")
    assert state_of(mainstem, source) == "disconnected"


def secrets_of(mainstem: Mainstem, source: int) -> dict[str, str]:
    with mainstem.engine.connect() as connection:
        return mainstem.vault.open(get_source(connection, source)["secrets"])


def test_renaming_touches_nothing_else(mainstem: Mainstem, source: int):
    (before,) = rows(mainstem.engine, DataSource)
    rename(mainstem, source, "  Support ", "ann")
    (after,) = rows(mainstem.engine, DataSource)
    assert after == {**before, "name": "Support"}
    (entry,) = rows(mainstem.engine, AuditEntry, AuditEntry.action == "rename")
    assert entry["detail"] == {"before": "Acme", "after": "Support"}
    for name in (" ", "x" * 101):
        with pytest.raises(Invalid, match="name: must have 1 to 100 characters"):
            rename(mainstem, source, name, "ann")
    with pytest.raises(NotFound):
        rename(mainstem, source + 1, "x", "ann")


def test_deleting_keeps_people_and_the_same_account_finds_them_again(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(5)]}
    run(mainstem, source)
    put_into(mainstem, source, "deleted")
    assert list_sources(mainstem) == []
    assert len(emails(mainstem.engine)) == 5
    (row,) = rows(mainstem.engine, DataSource)
    assert (row["secrets"], row["since"]) == ("", {})
    again = connect(mainstem, "acme", CONFIG, "ann")
    assert again == source
    assert to_sweep(mainstem) == [source], "the retention chosen now holds for what is here"
    progress = run(mainstem, again)
    assert progress.kind == "initial"
    assert counts(progress) == {"user": {"read": 5, "unchanged": 5}}
    assert len(emails(mainstem.engine)) == 5


def test_another_account_after_deletion_is_another_data_source(mainstem: Mainstem, source: int, vendor: Vendor):
    vendor.data = {"user": [user(n) for n in range(2)]}
    run(mainstem, source)
    put_into(mainstem, source, "deleted")
    other = connect(mainstem, "acme", {"credentials": {"token": "other"}}, "ann")
    assert other != source
    assert counts(run(mainstem, other)) == {"user": {"read": 2, "updated": 2, "merged": 2}}
    assert len(emails(mainstem.engine)) == 2


def test_disconnecting_cancels_what_is_queued(mainstem: Mainstem, source: int):
    run_id = syncing.start(mainstem, source)
    disconnect(mainstem, source, "ann")
    syncing.run_inline(mainstem, run_id)
    progress = syncing.progress(mainstem, run_id)
    assert (progress.state, progress.error) == ("cancelled", "The data source was disconnected")
    with pytest.raises(Conflict, match="Acme is disconnected: reconnect it first"):
        syncing.start(mainstem, source)


def test_a_run_paused_before_it_was_planned_is_planned_after_reconnecting(
    mainstem: Mainstem, source: int, vendor: Vendor
):
    vendor.data = {"user": [user(1)]}
    vendor.plan_errors = [Reauthorise("Acme no longer takes this token")]
    paused = run(mainstem, source)
    assert (paused.state, paused.status) == ("paused", "failed")
    assert paused.error == "Acme no longer takes this token"
    reconnect(mainstem, source, "ann")
    syncing.run_inline(mainstem, paused.run)
    assert counts(syncing.progress(mainstem, paused.run)) == {"user": {"read": 1, "created": 1}}
    assert len(rows(mainstem.engine, Run)) == 1


def test_what_the_vendor_cannot_answer_comes_through(mainstem: Mainstem, vendor: Vendor):
    class Down(list):
        def __iter__(self):
            raise Retry("Acme is down")

    vendor.fields = Down()
    with pytest.raises(Retry, match="Acme is down"):
        connect(mainstem, "acme", CONFIG, "ann")
    assert rows(mainstem.engine, DataSource) == []


def test_the_token_is_nowhere_in_the_clear(
    mainstem: Mainstem, source: int, vendor: Vendor, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    vendor.data = {"user": [user(1)]}
    vendor.errors["user", 0] = [RuntimeError("a bug")]
    run(mainstem, source)
    reconnect(mainstem, source, "ann", {"token": "sesame-2"})
    with mainstem.engine.connect() as connection:
        row = get_source(connection, source)
    account = account_of(mainstem, row, config_of(mainstem, row))
    seen = [caplog.text, repr(account), repr(mainstem), repr(mainstem.vault)]
    for model in (DataSource, AuditEntry, Run):
        seen += [repr(row) for row in rows(mainstem.engine, model)]
    seen += [file.read_bytes().decode(errors="replace") for file in tmp_path.glob("*.sqlite3*")]
    assert account.secrets == {"token": "sesame-2"}
    assert not [text for text in seen if "sesame" in text]
