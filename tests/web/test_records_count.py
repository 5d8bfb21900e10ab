"""Select records says how many meet the conditions, whatever the vendor does (R9)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.app import create_app
from core.contract.errors import Retry
from core.contract.hookspecs import hookimpl
from core.contract.types import Account, AllOf, Condition, Conditions, Cursor, Page, Partition, Record, Scope
from core.host import Host
from core.services import estimating
from core.services.mainstem import Mainstem
from tests.web.factories import Desk, Factory
from tests.web.helpers import log_in, send, text


class CountingDesk(Desk):
    """Has 4 contacts, and counts as many as a test says."""

    manifest = replace(Desk.manifest, selective=True)

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}
        self.told: list[Mapping[str, int] | Exception] = []
        self.asked: list[Conditions] = []
        self.problem = False
        self.pages_read = 0
        self.open = threading.Event()
        self.open.set()

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        return [Partition(key, start=0) for key in scope.since]

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        if partition.object != "contact" or account.secrets != {"token": "open"}:
            return Page()
        self.open.wait()
        self.pages_read += 1
        if self.problem:
            raise Retry("Front Desk is closed for repairs")
        return Page([Record("contact", str(number), values={"plan": plan}) for number, plan in enumerate("ABBB")])

    @hookimpl
    def count(self, account: Account) -> Mapping[str, int]:
        return self.counts

    @hookimpl
    def count_selected(self, account: Account, selection: Mapping[str, Conditions]) -> Mapping[str, int]:
        self.asked.append(selection["contact"])
        told = self.told.pop(0) if self.told else {}
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture
def desk() -> Iterator[CountingDesk]:
    made = CountingDesk()
    yield made
    made.open.set()


@pytest.fixture
def app(mainstem: Mainstem, desk: CountingDesk) -> Flask:
    return create_app(Mainstem(**{**vars(mainstem), "host": Host([desk])}))


class Step:
    """The step of a draft, as a browser without script has it."""

    def __init__(self, owner: FlaskClient, desk: CountingDesk) -> None:
        self._owner = owner
        response = send(owner, "/sources/new/desk", {"how": "token", "token": "open"})
        self.path = f"/setup/{response.location.rpartition('/')[2]}/records"
        desk.pages_read = 0

    def count(self, plan: str = "b", **more: str) -> str:
        row = {"people.of": "0", "people.0.field": "plan", "people.0.op": "is", "people.0.value": plan}
        form = {"people.mode": "some", "organizations.mode": "all", "do": "count:people", **row, **more}
        response = send(self._owner, self.path, form)
        assert response.status_code == 200
        return text(response)


@pytest.fixture
def step(app: Flask, factory: Factory, desk: CountingDesk) -> Step:
    factory.user()
    return Step(log_in(app, "olga@example.com"), desk)


def test_the_vendor_is_asked_once_for_many_conditions(step: Step, desk: CountingDesk):
    assert desk.pages_read == 0
    desk.counts = {"contact": 4000}
    page = step.count()
    assert "Plan is “b”" in page
    assert "About 3,000 of 4,000 contacts, if all are like the 4 that were looked at: 3 of these do" in page
    assert "About 1,000 of 4,000 contacts" in step.count("A")
    assert desk.pages_read == 1


@pytest.mark.parametrize(
    ("counts", "words"), [({"contact": 4}, "3 of 4 contacts"), ({}, "3 of the 4 contacts that were looked at")]
)
def test_a_sample_that_is_all_is_exact_and_one_of_an_unknown_number_says_so(
    step: Step, desk: CountingDesk, counts: dict[str, int], words: str
):
    desk.counts = counts
    assert words in step.count()


def test_a_vendor_that_can_tell_counts_what_meets_conditions_and_is_asked_once(step: Step, desk: CountingDesk):
    desk.told = [{"contact": 1234}, Retry("Front Desk is busy"), {}]
    for _ in range(2):
        assert "Front Desk counts 1,234 contacts" in step.count()
    assert desk.pages_read == 0
    assert "1 of the 4 contacts that were looked at" in step.count("A")
    assert "0 of the 4 contacts that were looked at" in step.count("C")
    assert desk.asked == [AllOf((Condition("plan", "text", "is", plan),)) for plan in ("b", "A", "C")]


def test_an_incomplete_condition_asks_nobody(step: Step, desk: CountingDesk):
    assert "once the conditions are complete: the value must be a text that is not empty" in step.count("")
    assert desk.pages_read == 0


def test_a_slow_vendor_is_not_waited_for(step: Step, desk: CountingDesk, monkeypatch: pytest.MonkeyPatch):
    desk.open.clear()
    with monkeypatch.context() as patch:
        patch.setattr(estimating, "PATIENCE", 0)
        assert "Front Desk has not answered yet" in step.count()
        assert "Front Desk has not answered yet" in step.count("A")
    desk.open.set()
    assert "3 of the 4" in step.count()
    assert desk.pages_read == 1


def test_what_the_vendor_refuses_is_told_and_asked_again_only_after_a_while(
    step: Step, desk: CountingDesk, monkeypatch: pytest.MonkeyPatch
):
    desk.problem = True
    assert "Not counted: Front Desk is closed for repairs. You can go on" in step.count()
    desk.problem = False
    assert "Not counted" in step.count()
    monkeypatch.setattr(estimating, "KEEP_ERROR", 0)
    assert "3 of the 4" in step.count()


@pytest.mark.parametrize(
    ("found", "sampled", "total", "projected"),
    [(0, 50, 20_000, 0), (3, 50, 20_000, 1_200), (50, 50, 999_999, 1_000_000), (1, 3, 10, 3), (0, 0, 6, None)],
)
def test_a_projection_has_two_digits(found: int, sampled: int, total: int, projected: int | None):
    assert estimating.Estimate("Contacts", found, sampled, total).projected == projected
