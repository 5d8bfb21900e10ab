"""Secrets are renewed once for all workers, and what replaces them is kept before it is used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from core.contract.errors import Reauthorise, Retry
from core.contract.types import Account
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Draft
from core.services import connecting, drafts, secrets
from core.services.accounts import account_of, draft_account
from core.services.mainstem import Mainstem
from core.services.sources import config_of, get_source, now_utc
from tests.services.conftest import open_mainstem, rows
from tests.services.vendor import Vendor

SOURCE = table_of(DataSource)
OLD = {"token": "open-sesame"}


class Office:
    """A vendor that takes each token for one renewal; tokens are numbered."""

    def __init__(self) -> None:
        self.used: list[str] = []
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def change(self, stale: Mapping[str, str]) -> Mapping[str, str]:
        if stale["token"] in self.used:
            raise Reauthorise("Acme took this token before")
        self.used.append(stale["token"])
        self.asked.set()
        assert self.answers.wait(30)
        return {"token": f"renewed-{len(self.used)}"}


@pytest.fixture
def office() -> Office:
    return Office()


def account(mainstem: Mainstem, source: int) -> Account:
    """The account in another worker."""
    with mainstem.engine.connect() as connection:
        row = get_source(connection, source)
    return account_of(mainstem, row, config_of(mainstem, row))


def stored(mainstem: Mainstem) -> dict[str, str]:
    (row,) = rows(mainstem.engine, DataSource)
    assert row["renewing_until"] is None
    return mainstem.vault.open(row["secrets"])


def test_of_two_workers_one_asks_and_both_go_on(
    mainstem: Mainstem, source: int, office: Office, database_url: str, tmp_path: Path, vendor: Vendor
):
    office.answers.clear()
    other = open_mainstem(database_url, tmp_path / "instance", vendor)
    workers = [account(mainstem, source), account(mainstem, source), account(other, source)]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(workers[0].renew, OLD, office.change)
        assert office.asked.wait(30)
        others = [pool.submit(worker.renew, OLD, office.change) for worker in (workers[0], *workers[1:])]
        # While the vendor is asked, no transaction is open: others can write.
        connecting.rename(mainstem, source, "Renamed", "ann")
        office.answers.set()
        found = [future.result() for future in (first, *others)]
    other.engine.dispose()
    assert office.used == ["open-sesame"]
    assert found == [{"token": "renewed-1"}] * 4
    assert [dict(worker.secrets) for worker in workers] == [{"token": "renewed-1"}] * 3
    assert stored(mainstem) == {"token": "renewed-1"}


def test_who_comes_late_takes_what_is_kept(mainstem: Mainstem, source: int, office: Office):
    late = account(mainstem, source)
    account(mainstem, source).renew(OLD, office.change)
    assert late.secrets == OLD
    assert late.renew(OLD, office.change) == {"token": "renewed-1"}
    assert late.renew({"token": "renewed-1"}, office.change) == {"token": "renewed-2"}
    assert stored(mainstem) == {"token": "renewed-2"}


@pytest.mark.parametrize("error", [Retry("busy"), Reauthorise("refused"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_all_as_it_was(sqlite_url: str, tmp_path: Path, vendor: Vendor, error: BaseException):
    mainstem = open_mainstem(sqlite_url, tmp_path, vendor)
    source = connecting.connect(mainstem, "acme", {"credentials": OLD}, "test")

    def fail(stale: Mapping[str, str]) -> Mapping[str, str]:
        raise error

    with pytest.raises(type(error)):
        account(mainstem, source).renew(OLD, fail)
    assert stored(mainstem) == OLD
    mainstem.engine.dispose()


class Died(BaseException):
    """The process is gone: not even its last lines run."""


def test_a_worker_that_dies_with_the_vendors_answer_leaves_a_lease_that_lapses(
    mainstem: Mainstem, source: int, office: Office, monkeypatch: pytest.MonkeyPatch
):
    dying = account(mainstem, source)
    with monkeypatch.context() as patch:

        def die(*_: object) -> dict[str, str]:
            raise Died

        patch.setattr(secrets.Secrets, "_store", die)
        with pytest.raises(Died):
            dying.renew(OLD, office.change)
    monkeypatch.setattr(secrets, "PATIENCE", 0)
    with pytest.raises(Retry, match="Another worker"):
        account(mainstem, source).renew(OLD, office.change)
    with writing(mainstem.engine) as connection:
        connection.execute(SOURCE.update().values(renewing_until=now_utc() - timedelta(seconds=1)))
    # The old token is sent again; this vendor refuses it, which only an admin can mend.
    with pytest.raises(Reauthorise, match="took this token before"):
        account(mainstem, source).renew(OLD, office.change)
    assert stored(mainstem) == OLD
    connecting.reconnect(mainstem, source, "ann", {"token": "sesame-2"})
    assert stored(mainstem) == {"token": "sesame-2"}


def test_an_admin_who_connects_anew_meanwhile_has_the_last_word(mainstem: Mainstem, source: int, office: Office):
    def change(stale: Mapping[str, str]) -> Mapping[str, str]:
        connecting.reconnect(mainstem, source, "ann", {"token": "sesame-2"})
        return office.change(stale)

    assert account(mainstem, source).renew(OLD, change) == {"token": "sesame-2"}
    (row,) = rows(mainstem.engine, DataSource)
    assert mainstem.vault.open(row["secrets"]) == {"token": "sesame-2"}


def test_a_disconnected_account_of_another_time_is_not_renewed(mainstem: Mainstem, source: int, office: Office):
    gone = account(mainstem, source)
    for step in (connecting.disconnect, connecting.archive, connecting.delete):
        step(mainstem, source, "ann")
    for nowhere in (gone, draft_account(mainstem, "acme")):
        with pytest.raises(Reauthorise, match="none are kept"):
            nowhere.renew(dict(nowhere.secrets), office.change)
    assert office.used == []


def test_a_draft_keeps_what_was_renewed_for_the_data_source(mainstem: Mainstem, office: Office):
    draft_id = drafts.open_with_credentials(mainstem, "acme", {}, OLD, "ann")
    with mainstem.engine.connect() as connection:
        draft = drafts.get_draft(connection, draft_id)
    drafts.account_of_draft(mainstem, draft).renew(OLD, office.change)
    (row,) = rows(mainstem.engine, Draft)
    assert mainstem.vault.open(row["secrets"]) == {"token": "renewed-1"}
    drafts.finish(mainstem, draft_id, "ann")
    assert stored(mainstem) == {"token": "renewed-1"}


def test_renewed_secrets_are_nowhere_in_the_clear(
    mainstem: Mainstem, source: int, office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    worker = account(mainstem, source)
    worker.renew(OLD, office.change)
    seen = [caplog.text, repr(worker), repr(worker.secrets), str(worker.secrets), f"{worker.renew}"]
    seen += [repr(row) for row in rows(mainstem.engine, DataSource)]
    seen += [file.read_bytes().decode(errors="replace") for file in tmp_path.glob("*.sqlite3*")]
    assert not [text for text in seen if "renewed-1" in text]
