"""Only records that meet conditions come in: asked of the vendor where that can be, judged here in any case (R9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Condition, Conditions, FieldSpec, Page, Partition, Record, Ref, Scope
from core.db.models import Link
from core.pipeline.apply import apply_page
from core.pipeline.shape import Shaper
from core.services.accounts import account_of
from core.services.completeness import completeness, last_report
from core.services.connecting import connect
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.reconfiguring import reconfigure
from core.services.sources import config_of, get_source, now_utc
from tests.services.conftest import CONFIG, counts, emails, rows, run
from tests.services.vendor import LONG_AGO, Vendor, user

PRO = {"field": "plan", "op": "is", "value": "pro"}
FREE = {"field": "plan", "op": "is", "value": "free"}
ANY = {"field": "plan", "op": "has_value"}


class SelectingVendor(Vendor):
    """Narrows users by one plan, and finds them by their ids.

    Attributes:
        narrows: Whether it heeds conditions.
        knows: Whether it counts what meets them.
        fetched: Whom it was asked for by id.
    """

    def __init__(self) -> None:
        super().__init__(selective=True)
        self.fields = [FieldSpec("user", "email", "Email", feeds="email"), FieldSpec("user", "plan", "Plan")]
        self.narrows = self.knows = self.counted = True
        self.fetched: list[str] = []

    def meeting(self, wanted: Conditions) -> list[Any]:
        assert isinstance(wanted, Condition)
        plans = [item.fields["plan"] for item in self.data["user"] if isinstance(item, Record)]
        return [
            item
            for item, plan in zip(self.data["user"], plans, strict=True)
            if wanted.op == "has_value" or plan.lower() == str(wanted.value)
        ]

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        self.data.pop("user/some", None)
        partitions = super().plan_sync(account, scope)
        wanted = scope.selection.get("user")
        if wanted is None or not self.narrows:
            return partitions
        self.data["user/some"] = self.meeting(wanted)
        return [Partition("user", "some", {"page": 0, "since": None}, narrowed=True)]

    @hookimpl
    def count(self, account: Account) -> Mapping[str, int]:
        return {"user": len(self.data["user"])}

    @hookimpl
    def count_selected(self, account: Account, selection: Mapping[str, Conditions]) -> Mapping[str, int]:
        return {key: len(self.meeting(wanted)) for key, wanted in selection.items()} if self.knows else {}

    @hookimpl
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        here = {item.remote_id: item for item in self.data["user"]}
        self.fetched += [ref.remote_id for ref in refs]
        return Page(
            [here[ref.remote_id] for ref in refs if ref.remote_id in here],
            deleted=[ref for ref in refs if ref.remote_id not in here],
        )


def plan(number: int, plan: str, days: int = 0) -> Record:
    return replace(user(number, LONG_AGO + timedelta(days=days)), fields={"plan": plan})


@pytest.fixture
def vendor() -> SelectingVendor:
    vendor = SelectingVendor()
    vendor.data = {"user": [plan(1, "Pro"), plan(2, "free"), plan(3, "Pro"), plan(4, "free")]}
    return vendor


def selecting(mainstem: Mainstem, tree: Any = PRO) -> int:
    return connect(mainstem, "acme", {**CONFIG, "objects": {"user": "all"}, "selection": {"people": tree}}, "ann")


def links(mainstem: Mainstem) -> dict[str, str]:
    """What became of each user."""
    return {
        row["remote_id"]: "gone" if row["deleted_at"] else "left" if row["left_at"] else "here"
        for row in rows(mainstem.engine, Link)
    }


def complete(mainstem: Mainstem, source: int) -> dict[str, Any]:
    found = completeness(mainstem, source)["user"].as_json()
    return {key: found[key] for key in ("expected", "imported", "skipped", "left", "missing") if found[key] != 0}


def told(mainstem: Mainstem, source: int) -> Any:
    with mainstem.engine.connect() as connection:
        return last_report(connection, source).get("vanished", {}).get("user")


@pytest.mark.parametrize("narrows", [True, False])
@pytest.mark.parametrize("knows", [True, False])
def test_what_meets_conditions_comes_in_and_the_numbers_add_up(
    mainstem: Mainstem, vendor: SelectingVendor, narrows: bool, knows: bool
):
    vendor.narrows, vendor.knows = narrows, knows
    source = selecting(mainstem)
    first = run(mainstem, source)
    assert counts(first)["user"]["read"] == (2 if narrows else 4)
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]
    if narrows and not knows:
        # Nobody can tell how many of the two that were not read are not wanted.
        assert complete(mainstem, source) == {"expected": None, "imported": 2, "missing": None}
    else:
        assert complete(mainstem, source) == {"expected": 4, "imported": 2, "skipped": 2}


def test_who_meets_them_no_longer_is_marked_by_a_resync_stays_as_is_and_comes_back(
    mainstem: Mainstem, vendor: SelectingVendor
):
    source = selecting(mainstem)
    run(mainstem, source)
    others = vendor.data["user"][1:]
    vendor.data["user"] = [replace(plan(1, "free", 999), values={"email": "other@example.com"}), *others]
    changed = run(mainstem, source)
    assert "user" not in vendor.scopes[-1].selection
    assert counts(changed)["user"]["skipped"] == 1
    assert links(mainstem) == {"u1": "left", "u3": "here"}
    assert emails(mainstem.engine) == ["u1@example.com", "u3@example.com"]
    assert complete(mainstem, source) == {"expected": 4, "imported": 2, "skipped": 2, "left": 1}
    vendor.data["user"] = [plan(1, "pro", 1_000), *others]
    run(mainstem, source)
    assert links(mainstem) == {"u1": "here", "u3": "here"}
    assert complete(mainstem, source) == {"expected": 4, "imported": 2, "skipped": 2}


def apply(mainstem: Mainstem, source: int, *records: Record) -> Mapping[str, int]:
    """Take in a page as webhooks bring it."""
    with mainstem.engine.connect() as connection:
        row = get_source(connection, source)
        config = config_of(mainstem, row)
        account = account_of(mainstem, row, config)
        policy = policy_of(mainstem, connection, row, config, account, now_utc(), historical=False)
    return apply_page(mainstem.engine, Page(records), Shaper(policy), policy, lambda connection, counts: None)["user"]


def test_of_several_versions_the_newest_decides_in_whatever_order_they_come(
    mainstem: Mainstem, vendor: SelectingVendor
):
    source = selecting(mainstem)
    run(mainstem, source)
    old, left, back = plan(1, "pro", 1), plan(1, "free", 2), plan(1, "pro", 3)
    apply(mainstem, source, left, old, plan(2, "free"))
    assert links(mainstem) == {"u1": "left", "u3": "here"}
    # Whoever has left stays so whatever is told late, and is told of once.
    apply(mainstem, source, plan(1, "Pro"))
    assert apply(mainstem, source, left)["left"] == 1
    assert links(mainstem)["u1"] == "left"
    apply(mainstem, source, left, back)
    assert apply(mainstem, source, left).get("left") == 1
    assert links(mainstem) == {"u1": "here", "u3": "here"}


def test_a_full_run_that_asks_for_what_is_wanted_tells_the_gone_from_those_who_left(
    mainstem: Mainstem, vendor: SelectingVendor
):
    vendor.data["user"] = [*vendor.data["user"], plan(5, "pro")]
    source = selecting(mainstem)
    run(mainstem, source)
    vendor.data["user"] = [plan(1, "free"), plan(2, "free"), plan(5, "pro")]
    full = run(mainstem, source, full=True)
    assert counts(full)["user"]["read"] == 1
    assert links(mainstem) == {"u1": "left", "u3": "gone", "u5": "here"}
    assert told(mainstem, source) == {"checked": 2, "gone": 1, "left": 1}
    assert complete(mainstem, source) == {"expected": 3, "imported": 2, "skipped": 1, "left": 1}
    vendor.fetched.clear()
    run(mainstem, source, full=True)
    assert vendor.fetched == []


def test_one_whose_count_does_not_agree_with_what_was_read_marks_nobody(mainstem: Mainstem, vendor: SelectingVendor):
    source = selecting(mainstem)
    run(mainstem, source)
    vendor.data["user"] = [plan(1, "free"), *(plan(number, "pro") for number in range(3, 50))]
    vendor.before = lambda name, page: vendor.data.update({name: vendor.data[name][:20]})
    vendor.counted = False
    run(mainstem, source, full=True)
    assert "20 were read, but the vendor says that there are 47" in told(mainstem, source)["why"]
    assert links(mainstem)["u1"] == "here"


def test_narrower_conditions_mark_and_wider_ones_bring_in(mainstem: Mainstem, vendor: SelectingVendor):
    source = selecting(mainstem, ANY)
    run(mainstem, source)
    assert set(links(mainstem).values()) == {"here"}
    reconfigure(mainstem, source, {"selection": {"people": PRO}}, "ann")
    run(mainstem, source)
    assert links(mainstem) == {"u1": "here", "u2": "left", "u3": "here", "u4": "left"}
    assert complete(mainstem, source) == {"expected": 4, "imported": 4, "left": 2}
    reconfigure(mainstem, source, {"selection": {"people": FREE}}, "ann")
    run(mainstem, source)
    assert links(mainstem) == {"u1": "left", "u2": "here", "u3": "left", "u4": "here"}
    reconfigure(mainstem, source, {"selection": {}}, "ann")
    run(mainstem, source)
    assert set(links(mainstem).values()) == {"here"}
    assert complete(mainstem, source) == {"expected": 4, "imported": 4}


def test_where_many_may_have_left_everything_is_read_instead_of_each_asked_for(
    mainstem: Mainstem, vendor: SelectingVendor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("core.services.planning.FEW", 1)
    source = selecting(mainstem, ANY)
    run(mainstem, source)
    reconfigure(mainstem, source, {"selection": {"people": PRO}}, "ann")
    read = run(mainstem, source)
    assert counts(read)["user"]["read"] == 4
    assert vendor.scopes[-1].selection == {}
    assert vendor.fetched == []
    assert links(mainstem) == {"u1": "here", "u2": "left", "u3": "here", "u4": "left"}
    # As many are here as meet them now: from here on it is asked of the vendor.
    run(mainstem, source, full=True)
    assert vendor.scopes[-1].selection == {"user": Condition("plan", "text", "is", "pro")}
