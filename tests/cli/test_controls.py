"""Commands that control a run and repair what was missed."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Page, Ref
from core.host import Host
from core.services import syncing
from core.services.mainstem import Mainstem
from tests.cli.conftest import Cli
from tests.cli.shop import Shop


class AskedShop(Shop):
    """The shop, of which single customers can be asked for."""

    @hookimpl
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        return Page(deleted=refs)


def test_a_run_is_paused_resumed_and_cancelled(connected: Cli):
    assert "no sync is at work" in connected.error("sources", "pause", "1")
    assert "no sync is paused" in connected.error("sources", "resume", "1")
    mainstem = Mainstem.open(connected.environ, connected.host)
    syncing.start(mainstem, 1)
    mainstem.engine.dispose()
    assert connected.json("sources", "pause", "1") == {"id": 1, "run": 1, "status": "paused"}
    assert connected("sources", "resume", "1").stdout == "Run 1 goes on\n"
    assert connected("sources", "cancel", "1").stdout == "Run 1 is cancelled\n"
    assert connected.json("sources", "show", "1")["last_run"]["status"] == "cancelled"


def test_refused_records_are_asked_for_again(connected: Cli):
    assert "run a full sync" in connected.error("sources", "retry", "1")
    connected.host = Host([AskedShop()])
    assert connected.json("sources", "retry", "1") == {"id": 1, "asked": 0, "settled": 0, "left": 0}
    assert connected("sources", "retry", "1").stdout.startswith("Asked for 0 refused records")


def test_a_reconciliation_says_what_it_repaired(connected: Cli):
    assert connected.json("sources", "reconcile", "1", "--inline")["status"] == "succeeded"
    found = connected.json("sources", "reconcile", "1", "--inline")
    assert (found["repaired"], found["reread"]) == ({}, [])
    assert "give one of them" in connected("sources", "reconcile", "1", "--inline", "--wait", code=2).stderr


def test_a_data_source_shows_how_complete_it_is(connected: Cli):
    assert connected.json("sources", "show", "1")["completeness"] == {}
    connected("sources", "sync", "1", "--inline")
    compared = connected.json("sources", "show", "1")["completeness"]["customer"]
    assert (compared["imported"], compared["expected"], compared["missing"]) == (3, None, None)
    assert "customer" in connected("sources", "show", "1").stdout
