from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from core.kit.account import make_account
from plugins.base.lookup import Lookup
from tests.plugins.base.vendor import MANIFEST


def test_loaded_once_for_an_account_and_its_session():
    loads: list[int] = []

    def load(account):
        loads.append(account.id)
        return len(loads)

    lookup = Lookup(load)
    one, other = make_account(MANIFEST), make_account(MANIFEST)
    assert [lookup(one), lookup(one), lookup(other), lookup(replace(one, id=2)), lookup(one)] == [1, 1, 2, 3, 1]
    assert loads == [1, 1, 2]
    assert lookup.refresh(one) == 4
    assert lookup(one) == 4


def test_stale_values_are_loaded_again():
    values = iter("ab")
    lookup = Lookup(lambda account: next(values), seconds=0)
    account = make_account(MANIFEST)
    assert [lookup(account), lookup(account)] == ["a", "b"]


def test_nothing_outlives_the_session():
    lookup = Lookup(lambda account: "kept")
    account = make_account(MANIFEST)
    lookup(account)
    assert len(lookup._kept) == 1
    del account
    gc.collect()
    assert len(lookup._kept) == 0


def test_many_that_ask_at_once_make_one_load():
    begun, go_on = threading.Event(), threading.Event()
    loads = []

    def load(account):
        loads.append(account)
        begun.set()
        assert go_on.wait(10)
        return "loaded"

    lookup = Lookup(load)
    account = make_account(MANIFEST)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(lookup, account) for _ in range(4)]
        assert begun.wait(10)
        go_on.set()
        assert [one.result(10) for one in asked] == ["loaded"] * 4
    assert len(loads) == 1
