from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from core.contract.example import Shop, account
from core.contract.hookspecs import hookimpl
from core.contract.types import ActivitySpec, EnvVar, ObjectSpec, RateLimit, Scope
from core.host import Host, PluginMissing
from tests.host.hostile import BROKEN, GOOD, MALFORMED, declaring


class Kiosk(Shop):
    """A good neighbour, which no hostile plugin may harm."""

    manifest = replace(GOOD, name="kiosk")


def reason(plugin: object) -> str:
    """Load ``plugin`` beside a good one; return why it is broken, once it is sure that the other works."""
    host = Host([plugin, Kiosk()])
    broken, kiosk = sorted(host.report(), key=lambda report: report.name == "kiosk")
    assert (broken.state, kiosk.state) == ("broken", "loaded")
    assert host.names() == ["kiosk"]
    partitions = host.source("kiosk").plan_sync(account=account(), scope=Scope({}))
    assert [partition.object for partition in partitions] == ["customer"]
    return broken.reason


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_listed_with_the_reason(case: str) -> None:
    plugin, expected = BROKEN[case]

    assert re.search(expected, reason(plugin))


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_manifest_is_the_reason(case: str) -> None:
    changes, expected = MALFORMED[case]

    assert re.fullmatch(f"{expected}.*", reason(declaring(**changes)))


def test_all_faults_are_told_at_once() -> None:
    class Careless(Shop):
        manifest = replace(GOOD, title="", max_parallel=0)

        @hookimpl
        def synch(self):
            return None

    assert reason(Careless()) == (
        "unknown hook 'synch': did you mean 'sync'?; manifest.title is empty; "
        "manifest.max_parallel must be greater than 0"
    )


def test_a_full_manifest_is_good() -> None:
    manifest: dict[str, Any] = {
        "objects": (ObjectSpec("customer", "Customers", "person"), ObjectSpec("till", "Tills", "activity")),
        "activities": (ActivitySpec("bought", "Bought", "till", attributes={"price": "decimal", "goods": "list"}),),
        "environment": (
            EnvVar("SHOP_URL", "Where.", default="https://shop.example/api", kind="url"),
            EnvVar("SHOP_SECRET", "What.", secret=True),
        ),
        "icon": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "auth": "oauth_or_token",
        "needs": ("A shop",),
        "max_accounts": None,
        "rate_limit": RateLimit(10, 1),
        "permission_defaults": {"email": False},
    }

    host = Host([declaring(**manifest)])

    assert [(report.state, report.reason) for report in host.report()] == [("loaded", "")]
    assert host.manifest("shop").auth == "oauth_or_token"


def test_a_hook_of_a_newer_host_may_be_optional() -> None:
    class Modern(Shop):
        @hookimpl(optionalhook=True)
        def translate(self):
            return None

    assert Host([Modern()]).names() == ["shop"]


def test_of_two_plugins_with_one_name_neither_is_loaded() -> None:
    host = Host([Shop(), Shop(), Kiosk()])

    assert host.names() == ["kiosk"]
    assert [(report.name, report.state) for report in host.report()] == [
        ("kiosk", "loaded"),
        ("shop", "broken"),
        ("shop", "broken"),
    ]
    with pytest.raises(PluginMissing, match="plugin 'shop' is broken: several plugins are called 'shop': remove"):
        host.manifest("shop")
