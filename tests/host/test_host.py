from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.contract.errors import Retry
from core.contract.example import Shop, account
from core.contract.hookspecs import hookimpl
from core.contract.types import EnvVar, Page, Partition, Record, RunSummary, Scope
from core.host import BadAnswer, Host, PluginConfigError, PluginMissing
from tests.host.hostile import GOOD, declaring

PARTITION = Partition("customer", start=0)
RUN = RunSummary(7, 1, "shop", "succeeded", {}, requests=1, seconds=0.1)


class Kiosk(Shop):
    manifest = replace(GOOD, name="kiosk", title="Kiosk")

    @hookimpl
    def sync(self, account, partition, cursor):
        return Page([Record("customer", "zoe@example.com")])


class Count:
    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl(wrapper=True)
    def sync(self, account):
        self.calls.append("before")
        page = yield
        self.calls.append(f"after {len(page.records)}")
        return page


class Listens:
    def __init__(self) -> None:
        self.heard: list[int] = []

    @hookimpl
    def run_finished(self, run):
        self.heard.append(run.run)


class ListeningShop(Listens, Shop):
    """A data source is told as well."""


class Throws:
    @hookimpl
    def run_finished(self, run):
        raise RuntimeError("no mail today")


def ids(page: Page) -> list[str]:
    return [record.remote_id for record in page.records]


def test_only_the_plugin_that_is_asked_answers() -> None:
    host = Host([Shop(), Kiosk()])

    shop = host.source("shop").sync(account=account(), partition=PARTITION, cursor=0)
    kiosk = host.source("kiosk").sync(account=account(), partition=PARTITION, cursor=0)

    assert ids(shop) == ["ann@example.com", "bob@example.com"]
    assert ids(kiosk) == ["zoe@example.com"]


@pytest.mark.parametrize("first", [True, False])
def test_wrappers_surround_every_data_source(first: bool) -> None:
    count = Count()
    sources = [Shop(), Kiosk()]
    host = Host([count, *sources] if first else [*sources, count])

    host.source("shop").sync(account=account(), partition=PARTITION, cursor=0)
    host.source("kiosk").sync(account=account(), partition=PARTITION, cursor=0)

    assert count.calls == ["before", "after 2", "before", "after 1"]


def test_what_a_plugin_raises_comes_through() -> None:
    class Busy(Shop):
        @hookimpl
        def sync(self, account, partition, cursor):
            raise Retry("busy", after=9)

    with pytest.raises(Retry, match="busy") as caught:
        Host([Busy(), Count()]).source("shop").sync(account=account(), partition=PARTITION, cursor=0)
    assert caught.value.after == 9


def test_a_hook_that_the_plugin_lacks_has_no_answer_even_if_another_has_it() -> None:
    class Forgets(Kiosk):
        @hookimpl
        def retention(self):
            return []

    class Curious:
        @hookimpl(wrapper=True)
        def retention(self):
            rules = yield
            return list(rules)

    host = Host([Shop(), Forgets(), Curious()])

    assert host.source("kiosk").retention(account=account()) == []
    with pytest.raises(BadAnswer, match="plugin 'shop' does not implement retention"):
        host.source("shop").retention(account=account())


def test_a_wrapper_that_forgets_the_answer_is_found_out() -> None:
    class Forgetful:
        @hookimpl(wrapper=True)
        def sync(self):
            yield

    source = Host([Shop(), Forgetful()]).source("shop")

    with pytest.raises(BadAnswer, match="gave no answer to sync: it, or what wraps it"):
        source.sync(account=account(), partition=PARTITION, cursor=0)


def test_a_hidden_generator_is_found_out() -> None:
    def partitions() -> Iterator[Partition]:
        yield PARTITION

    class Lazy(Shop):
        @hookimpl
        def plan_sync(self, account, scope):
            return partitions()

    with pytest.raises(BadAnswer, match="answered plan_sync with a generator: it must return a value"):
        Host([Lazy()]).source("shop").plan_sync(account=account(), scope=Scope({}))


def test_an_unknown_plugin_is_answered_with_the_known_ones() -> None:
    host = Host([Shop(), Kiosk(), Count()])

    for ask in (host.manifest, host.source, lambda name: host.environment(name, {})):
        with pytest.raises(PluginMissing, match="unknown plugin 'market': known are kiosk, shop"):
            ask("market")
    with pytest.raises(PluginMissing, match="unknown plugin 'Count'"):
        host.manifest("Count")
    with pytest.raises(PluginMissing, match="unknown plugin 'shop': known are none"):
        Host().manifest("shop")


def test_a_source_has_no_other_attributes_than_its_hooks() -> None:
    source = Host([Shop()]).source("shop")

    assert repr(source) == "<data source plugin shop>"
    with pytest.raises(AttributeError, match="'run_finished' is no hook of a data source"):
        source.run_finished  # type: ignore[attr-defined]  # noqa: B018


def test_all_are_told_though_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    before, after = Listens(), ListeningShop()

    Host([before, Throws(), after, Kiosk()]).tell("run_finished", run=RUN)

    assert (before.heard, after.heard) == ([7], [7])
    assert [record.getMessage() for record in caplog.records] == ["plugin Throws failed in run_finished"]
    assert "no mail today" in caplog.text


def test_telling_with_wrong_arguments_is_the_callers_fault() -> None:
    with pytest.raises(TypeError, match="run"):
        Host([Throws()]).tell("run_finished", source=1)


def test_the_report_tells_what_became_of_each() -> None:
    report = Host([Kiosk(), Count(), Shop]).report()

    assert [(one.name, one.title, one.state) for one in report] == [
        ("Count", "Count", "wrapper"),
        ("kiosk", "Kiosk", "loaded"),
        ("shop", "shop", "broken"),
    ]


VARIABLES = (
    EnvVar("SHOP_URL", "Where.", default="https://shop.example", kind="url"),
    EnvVar("SHOP_SECRET", "What.", secret=True),
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"SHOP_URL": "https://shop.example"}),
        ({"SHOP_URL": "", "SHOP_SECRET": ""}, {"SHOP_URL": "https://shop.example"}),
        ({"SHOP_URL": "http://127.0.0.1:9000/", "HOME": "/root"}, {"SHOP_URL": "http://127.0.0.1:9000/"}),
        ({"SHOP_SECRET": " a,b "}, {"SHOP_URL": "https://shop.example", "SHOP_SECRET": "a,b"}),
    ],
)
def test_variables_have_their_values_or_defaults(environ: dict[str, str], expected: dict[str, str]) -> None:
    assert Host([declaring(environment=VARIABLES)]).environment("shop", environ) == expected


@pytest.mark.parametrize(
    "value",
    ["shop.example", "ftp://shop.example", "https://", "http://shop:port", "http://[::1", "http://a b", "s3cret"],
)
def test_a_malformed_variable_is_named_and_its_value_is_not_shown(value: str) -> None:
    host = Host([declaring(environment=VARIABLES)])

    with pytest.raises(PluginConfigError, match=r"^SHOP_URL is not a URL: set it to") as caught:
        host.environment("shop", {"SHOP_URL": value})
    assert value not in str(caught.value).replace("https://api.example.com", "")


def test_a_trace_shows_types_and_no_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "core.host")
    host = Host([ListeningShop(), Throws()], trace=True)

    host.source("shop").connect(account=account(), answers={"key": "s3cret"})
    host.tell("run_finished", run=RUN)

    connect, *_ = [record.getMessage() for record in caplog.records]
    assert connect.startswith("shop.connect(account: Account, answers: dict): Rejected after ")
    assert "shop.run_finished(run: RunSummary): list after " in caplog.text
    assert "Throws.run_finished(run: RunSummary): raised after " in caplog.text
    assert "s3cret" not in caplog.text


def test_nothing_is_traced_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "core.host")

    Host([Shop()]).source("shop").connect(account=account(), answers={"key": "open"})

    assert caplog.records == []
