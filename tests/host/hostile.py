"""Plugins that each break one rule, with what the host must say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from core.contract.example import Shop, ShopKey
from core.contract.hookspecs import SourceSpecs, hookimpl
from core.contract.types import (
    ActivitySpec,
    Connected,
    EnvVar,
    ObjectSpec,
    Page,
    Partition,
    RateLimit,
)

GOOD = Shop.manifest
CUSTOMER = GOOD.objects[0]


class Unfinished:
    manifest = GOOD

    @hookimpl
    def connect(self):
        return Connected("1", "Shop")


class Unmarked(Shop):
    def merge(self, account, object):
        return None


class Inherits(SourceSpecs):
    manifest = GOOD


class OwnSync(SourceSpecs):
    manifest = GOOD

    @hookimpl
    def connect(self, account, answers):
        return Connected("1", "Shop")

    @hookimpl
    def plan_sync(self, account, scope):
        return [Partition("customer")]

    def sync(self, account, partition, cursor):
        return Page()


class Intruder:
    @hookimpl
    def sync(self):
        return Page()


class Renamed:
    manifest = GOOD
    connect = Shop.connect
    plan_sync = Shop.plan_sync

    @hookimpl(specname="sync")
    def fetch(self):
        return Page()


class RenamedWrapper:
    @hookimpl(specname="sync", wrapper=True)
    def around(self):
        return (yield)


class Generates(Shop):
    @hookimpl
    def sync(self, account, partition, cursor):
        yield Page()


class Awaits(Shop):
    @hookimpl
    async def sync(self, account, partition, cursor):  # type: ignore[override]
        return Page()


class Misspelt(Shop):
    @hookimpl
    def import_teams(self):
        return None


class Elsewhere:
    @hookimpl
    def render_page(self):
        return None


class WrongArgument(Shop):
    @hookimpl
    def sync(self, account, partition, curser):
        return Page()


class WrapsAndErrs:
    """Its first wrapper is right, its second is not: neither may be in force."""

    @hookimpl(wrapper=True)
    def plan_sync(self):
        yield
        return "spoilt"

    @hookimpl(wrapper=True)
    def sync(self, pages):
        return (yield)


class WrapsWithoutYield:
    @hookimpl(wrapper=True)
    def sync(self):
        return Page()


class OldWrapper:
    @hookimpl(hookwrapper=True)
    def sync(self):
        yield


class WrapsItself(Shop):
    @hookimpl(wrapper=True)
    def retention(self):
        return (yield)


class WrapsTheNews:
    @hookimpl(wrapper=True)
    def run_finished(self):
        return (yield)


class EqualsAll(Shop):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


@dataclass
class Unhashable(Shop):
    page: int = 2


class NoHash(Shop):
    __hash__ = None  # type: ignore[assignment]


class Mute:
    pass


class Explodes:
    @property
    def manifest(self):
        raise RuntimeError("boom")


class NoManifest(Shop):
    manifest: Any = {"name": "shop"}


class Promises(Shop):
    manifest = replace(GOOD, webhooks=True, teams=True)


def declaring(**changes: Any) -> Shop:
    """Return a shop whose manifest is changed."""

    class Declares(Shop):
        manifest = replace(GOOD, **changes)

    return Declares()


BROKEN: dict[str, tuple[object, str]] = {
    "class": (Shop, r"Shop is a class, not a plugin: have you forgotten the \(\)\?"),
    "nothing": (Mute(), "neither a manifest nor a function marked with @hookimpl"),
    "none": (None, "neither a manifest nor"),
    "explodes": (Explodes(), "RuntimeError: boom"),
    "missing hooks": (Unfinished(), "the required hooks plan_sync, sync are missing"),
    "inherited specs": (Inherits(), "the required hooks connect, plan_sync, sync are missing"),
    "unmarked": (Unmarked(), "merge is not marked: put @hookimpl before it"),
    "unmarked required": (OwnSync(), "^sync is not marked: put @hookimpl before it$"),
    "intruder": (Intruder(), r"sync would answer for every data source: mark it with @hookimpl\(wrapper=True\)"),
    "specname": (Renamed(), "fetch has a specname: name the function after its hook"),
    "specname of a wrapper": (RenamedWrapper(), "around has a specname"),
    "generator": (Generates(), "sync is a generator or coroutine function: it must return a value"),
    "coroutine": (Awaits(), "sync is a generator or coroutine function"),
    "misspelt hook": (Misspelt(), r"unknown hook 'import_teams': did you mean 'import_team'\?"),
    "unknown hook": (Elsewhere(), "unknown hook 'render_page': hooks are connect, count, count_selected, fetch, "),
    "wrong argument": (WrongArgument(), r"PluginValidationError: .*'curser'"),
    "half right": (WrapsAndErrs(), r"PluginValidationError: .*'pages'"),
    "wrapper without yield": (WrapsWithoutYield(), "not a generator function"),
    "old wrapper": (OldWrapper(), r"old-style wrapper: mark it with @hookimpl\(wrapper=True\)"),
    "wraps itself": (WrapsItself(), "retention is a wrapper: a data source answers its hooks"),
    "wraps the news": (WrapsTheNews(), "run_finished cannot be wrapped"),
    "equals all": (EqualsAll(), "told apart by identity"),
    "unhashable": (Unhashable(), "told apart by identity"),
    "no hash": (NoHash(), "told apart by identity"),
    "no manifest": (NoManifest(), "manifest must be of type Manifest, not dict"),
    "webhooks": (Promises(), "manifest.webhooks is true: verify_webhook is missing"),
    "webhooks unread": (Promises(), "manifest.webhooks is true: read_webhooks is missing"),
    "teams": (Promises(), "manifest.teams is true: import_team is missing"),
}

MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "Shop-1"}, r"manifest.name must match \[a-z\]\[a-z0-9_\]\*"),
    "name with line break": ({"name": "shop\n"}, "manifest.name must match"),
    "name type": ({"name": 7}, "manifest.name must be of type str, not int"),
    "title": ({"title": " "}, "manifest.title is empty"),
    "description": ({"description": ""}, "manifest.description is empty"),
    "no objects": ({"objects": ()}, "manifest.objects is empty: name at least one object"),
    "objects in a list": ({"objects": [CUSTOMER]}, "manifest.objects must be of type tuple, not list"),
    "not an object": ({"objects": ("customer",)}, r"manifest.objects\[0\] must be of type ObjectSpec, not str"),
    "object twice": ({"objects": (CUSTOMER, CUSTOMER)}, "object 'customer' is declared 2 times"),
    "object key": ({"objects": (replace(CUSTOMER, key="my customer"),)}, "key of object 'my customer' must match"),
    "object label": ({"objects": (replace(CUSTOMER, label=""),)}, "label of object 'customer' is empty"),
    "kind": (
        {"objects": (ObjectSpec("customer", "Customers", "client"),)},  # type: ignore[arg-type]
        r"manifest.objects\[0\].kind is 'client': allowed are 'person', 'organization', ",
    ),
    "required": (
        {"objects": (ObjectSpec("customer", "Customers", "person", required="yes"),)},  # type: ignore[arg-type]
        r"manifest.objects\[0\].required must be of type bool, not str",
    ),
    "auth": ({"auth": "password"}, "manifest.auth is 'password': allowed are 'token', 'oauth', 'oauth_or_token'"),
    "credentials": ({"credentials": dict}, "manifest.credentials must be a subclass of Schema"),
    "credentials made": ({"credentials": ShopKey()}, "manifest.credentials must be a subclass of Schema"),
    "unknown object": (
        {"activities": (ActivitySpec("bought", "Bought", "order"),)},
        r"activity 'bought' belongs to the unknown object 'order': name one of \['customer'\]",
    ),
    "activity twice": (
        {"activities": (ActivitySpec("bought", "Bought", "customer"),) * 2},
        "activity 'bought' is declared 2 times",
    ),
    "attribute type": (
        {"activities": (ActivitySpec("bought", "Bought", "customer", attributes={"price": "money"}),)},  # type: ignore[dict-item]
        r"manifest.activities\[0\].attributes\['price'\] is 'money': allowed are 'text', ",
    ),
    "variable name": (
        {"environment": (EnvVar("shop-url", "Where."),)},
        r"name of variable 'shop-url' must match \[A-Z\]",
    ),
    "step twice": ({"steps": ("merge", "merge")}, "step 'merge' is declared 2 times"),
    "unknown step": ({"steps": ("terms",)}, r"manifest.steps\[0\] is 'terms': allowed are 'fields', "),
    "variable twice": ({"environment": (EnvVar("SHOP", "Where."),) * 2}, "variable 'SHOP' is declared 2 times"),
    "variable help": ({"environment": (EnvVar("SHOP", ""),)}, "help of variable 'SHOP' is empty"),
    "variable kind": (
        {"environment": (EnvVar("SHOP", "Where.", kind="path"),)},  # type: ignore[arg-type]
        r"manifest.environment\[0\].kind is 'path': allowed are 'text', 'url'",
    ),
    "variable default": (
        {"environment": (EnvVar("SHOP", "Where.", default="shop", kind="url"),)},
        "default of variable 'SHOP' is not a URL",
    ),
    "icon": ({"icon": "shop.png"}, "manifest.icon must be SVG markup"),
    "big icon": ({"icon": "<svg>" + "ä" * 2048}, "manifest.icon is longer than 4096 bytes"),
    "channel": (
        {"permission_defaults": {"fax": True}},
        "a key of manifest.permission_defaults is 'fax': allowed are 'email', 'sms'",
    ),
    "accounts": ({"max_accounts": 0}, "manifest.max_accounts must be greater than 0"),
    "accounts type": ({"max_accounts": True}, "manifest.max_accounts must be of type int, not bool"),
    "parallel": ({"max_parallel": 0}, "manifest.max_parallel must be greater than 0"),
    "parallel none": ({"max_parallel": None}, "manifest.max_parallel must be of type int, not NoneType"),
    "retention": ({"retention_days": -1}, "manifest.retention_days must be greater than 0"),
    "resync": ({"resync_minutes": 0}, "manifest.resync_minutes must be greater than 0"),
    "rate": ({"rate_limit": (10, 1)}, "manifest.rate_limit must be of type RateLimit, not tuple"),
    "rate of none": ({"rate_limit": RateLimit(0, 10)}, "manifest.rate_limit.requests must be greater than 0"),
    "rate in no time": ({"rate_limit": RateLimit(10, 0.0)}, "manifest.rate_limit.seconds must be greater than 0"),
}
