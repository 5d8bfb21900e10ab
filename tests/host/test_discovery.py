"""Plugins that are really installed: a distribution's metadata and a module in a folder on the path."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.contract.example import account
from core.contract.types import Scope
from core.host import Host, PluginConfigError, PluginMissing, PluginReport

SHOP = """
from dataclasses import replace
from core.contract.example import Shop

class Plugin(Shop):
    manifest = replace(Shop.manifest, name="{name}", title="Market")

plugin = Plugin()
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install distributions that each hold one module and declare one plugin, beside whatever is installed here."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = []

    def install(name: str, code: str = SHOP, *, distribution: str = "market-plugin", target: str = "plugin") -> None:
        module = distribution.replace("-", "_")
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(code.replace("{name}", name))
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[mainstem.plugins]\n{name} = {module}:{target}\n")

    yield install
    for module in modules:
        sys.modules.pop(module, None)


def reports(host: Host, name: str) -> list[PluginReport]:
    return [report for report in host.report() if report.name == name]


def test_an_installed_plugin_is_found_and_answers(install: Install) -> None:
    install("market")

    host = Host.from_entry_points({})

    assert reports(host, "market") == [PluginReport("market", "Market", "market-plugin", "1.2", "loaded")]
    assert "market" in host.names()
    assert len(host.source("market").plan_sync(account=account(), scope=Scope({}))) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "it cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("plugin = (\n", "it cannot be imported: SyntaxError: '(' was never closed"),
        ("import sys; sys.exit('leave')", "it cannot be imported: SystemExit: leave"),
        ("plug = 1", "it cannot be imported: AttributeError: module 'broken_plugin' has no attribute 'plugin'"),
        ("from core.contract.example import Shop as plugin", "Shop is a class, not a plugin: have you forgotten"),
        ("plugin = None", "it has neither a manifest nor a function marked with @hookimpl"),
    ],
)
def test_a_broken_one_is_reported_and_harms_nobody(
    install: Install, caplog: pytest.LogCaptureFixture, code: str, reason: str
) -> None:
    install("market")
    install("broken", code, distribution="broken-plugin")

    host = Host.from_entry_points({})

    [broken] = reports(host, "broken")
    assert (broken.state, broken.distribution, broken.title) == ("broken", "broken-plugin", "broken")
    assert broken.reason.startswith(reason)
    assert "market" in host.names()
    with pytest.raises(PluginMissing, match=r"^plugin 'broken' is broken: "):
        host.source("broken")
    assert [record.levelname for record in caplog.records if "plugin broken " in record.getMessage()] == ["WARNING"]


def test_two_distributions_of_one_name_are_both_refused_and_neither_is_imported(install: Install) -> None:
    install("market", distribution="market-one")
    install("market", distribution="market-two")

    host = Host.from_entry_points({})

    both = reports(host, "market")
    assert [(report.distribution, report.state) for report in both] == [
        ("market-one", "broken"),
        ("market-two", "broken"),
    ]
    for report in both:
        assert "several plugins are called 'market'" in report.reason
        assert "market-one" in report.reason
        assert "market-two" in report.reason
    assert "market" not in host.names()
    assert not {"market_one", "market_two"} & set(sys.modules)


def test_the_entry_point_and_the_manifest_have_one_name(install: Install) -> None:
    install("market", SHOP.replace("{name}", "bazaar"))

    [report] = reports(Host.from_entry_points({}), "market")

    assert report.reason == "manifest.name is 'bazaar' and the entry point is called 'market': give both one name"


def test_one_object_under_two_names_is_loaded_once(install: Install) -> None:
    code = """
from core.contract.hookspecs import hookimpl

class Plugin:
    @hookimpl
    def run_finished(self):
        pass

plugin = Plugin()
"""
    install("audit", code, distribution="audit-plugin")
    install("review", "from audit_plugin import plugin", distribution="review-plugin")

    host = Host.from_entry_points({})

    assert [report.state for report in reports(host, "audit")] == ["wrapper"]
    assert [report.state for report in reports(host, "review")] == ["broken"]


def test_a_disabled_plugin_is_not_imported(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("market")
    install("crash", "raise RuntimeError", distribution="crash-plugin")

    host = Host.from_entry_points({"MAINSTEM_DISABLED_PLUGINS": "crash, bazaar,"})

    [crash] = reports(host, "crash")
    assert (crash.state, crash.reason) == ("disabled", "named in MAINSTEM_DISABLED_PLUGINS")
    assert "crash_plugin" not in sys.modules
    assert "market" in host.names()
    with pytest.raises(PluginMissing, match="plugin 'crash' is disabled: named in MAINSTEM_DISABLED_PLUGINS"):
        host.source("crash")
    assert "MAINSTEM_DISABLED_PLUGINS names 'bazaar', which is not installed" in caplog.text


def test_safe_mode_imports_none(install: Install) -> None:
    install("market")

    host = Host.from_entry_points({"MAINSTEM_SAFE_MODE": "1"})

    assert host.names() == []
    assert {(report.state, report.reason) for report in host.report()} == {("disabled", "MAINSTEM_SAFE_MODE is set")}
    assert len(reports(host, "market")) == 1
    assert "market_plugin" not in sys.modules


@pytest.mark.parametrize("variable", ["MAINSTEM_SAFE_MODE", "MAINSTEM_TRACE_PLUGINS"])
def test_a_malformed_switch_is_named(variable: str) -> None:
    with pytest.raises(PluginConfigError, match=f"{variable} must be 1 or 0"):
        Host.from_entry_points({variable: "perhaps"})


def test_calls_are_traced_when_the_variable_says_so(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "core.host")
    install("market")

    host = Host.from_entry_points({"MAINSTEM_TRACE_PLUGINS": "1", "MAINSTEM_SAFE_MODE": "0"})
    host.source("market").plan_sync(account=account(), scope=Scope({}))

    assert "market.plan_sync(account: Account, scope: Scope): list after " in caplog.text
