from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.contract.errors import Forged, Refused
from core.contract.types import (
    Connected,
    MergePolicy,
    Page,
    Partition,
    Record,
    Ref,
    RetentionRule,
    Roster,
    SandboxOptions,
    Scope,
    WebhookRequest,
)
from core.host import Host
from core.kit.account import make_account
from plugins.base.source import DataSource, Stream
from tests.plugins.base.vendor import MANIFEST


class Customers(Stream):
    object = "customer"

    def read(self, account, partition, cursor):
        return Page([Record("customer", "1")], next=None if cursor else {"page": 2})


class Orders(Stream):
    object = "order"

    def plan(self, account, since, horizon):
        return [Partition("order", f"{since:%Y}-{horizon:%Y}")]

    def read(self, account, partition, cursor):
        return Page([Record("order", partition.key)])


class Acme(DataSource):
    manifest = MANIFEST
    streams = (Customers(), Orders())

    def connect(self, account, answers):
        return Connected("a1", "Acme")


ACCOUNT = make_account(MANIFEST)


@pytest.fixture
def acme():
    return Host([Acme()]).source("acme")


def test_undecorated_overrides_are_hooks(acme):
    assert acme.connect(account=ACCOUNT, answers={}) == Connected("a1", "Acme")


def test_streams_are_asked_by_object(acme):
    scope = Scope({"order": datetime(2025, 1, 1, tzinfo=UTC)}, horizon=datetime(2024, 1, 1, tzinfo=UTC))
    customers, orders = acme.plan_sync(account=ACCOUNT, scope=scope)
    assert customers == Partition("customer", "all", {})
    assert acme.sync(account=ACCOUNT, partition=customers, cursor={}).next == {"page": 2}
    assert acme.sync(account=ACCOUNT, partition=orders, cursor={}).records == [Record("order", "2025-2024")]


def test_what_is_not_selected_is_not_planned(acme):
    account = make_account(MANIFEST, objects={"customer": None})
    assert [p.object for p in acme.plan_sync(account=account, scope=Scope({}))] == ["customer"]


def test_an_object_without_a_stream_is_refused(acme):
    with pytest.raises(Refused, match="Acme has no stream for 'invoice'"):
        acme.sync(account=ACCOUNT, partition=Partition("invoice"), cursor={})


def test_every_other_hook_has_a_default(acme):
    assert acme.field_schema(account=ACCOUNT) == ()
    assert acme.import_team(account=ACCOUNT) == Roster()
    assert acme.merge(account=ACCOUNT, object="customer") == MergePolicy()
    assert acme.retention(account=ACCOUNT) == [RetentionRule(30)]
    assert acme.read_webhooks(account=ACCOUNT, deliveries=[]) == Page()
    with pytest.raises(Forged):
        acme.verify_webhook(request=WebhookRequest({}, b""), environment={})
    with pytest.raises(Refused, match="Acme has no sandbox"):
        acme.sandbox(options=SandboxOptions())


def test_a_subclass_of_a_subclass_is_marked_too():
    class Better(Acme):
        def retention(self, account):
            return [RetentionRule(None)]

    source = Host([Better()]).source("acme")
    assert source.retention(account=ACCOUNT) == [RetentionRule(None)]
    assert source.connect(account=ACCOUNT, answers={}) == Connected("a1", "Acme")


def test_connect_is_left_to_the_author():
    class Mute(DataSource):
        manifest = MANIFEST

    (report,) = Host([Mute()]).report()
    assert report.reason == "the required hooks connect are missing"


def test_a_stream_must_read():
    with pytest.raises(NotImplementedError):
        Stream().read(ACCOUNT, Partition("customer"), {})


def test_nothing_is_fetched_by_id_unless_the_plugin_can(acme):
    with pytest.raises(Refused, match="start a full sync"):
        acme.fetch(account=ACCOUNT, refs=[Ref("customer", "1")])


def test_selected_objects_are_counted_where_the_vendor_counts_them():
    class Counted(Customers):
        def count(self, account):
            return 7

    class Uncounted(Orders):
        def count(self, account):
            raise Refused("the app lacks the scope")

    class Counting(Acme):
        streams = (Counted(), Uncounted())

    assert Host([Counting()]).source("acme").count(account=ACCOUNT) == {"customer": 7}
    nothing = make_account(MANIFEST, objects={})
    assert Host([Counting()]).source("acme").count(account=nothing) == {}
    assert Host([Acme()]).source("acme").count(account=ACCOUNT) == {}
