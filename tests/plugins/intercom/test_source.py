"""The plugin as a whole, against its own sandbox."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace

import pytest
import requests

from core.contract.types import SandboxOptions, Scope
from core.kit.wsgi import mount
from plugins.intercom import plugin
from plugins.intercom.activities import version
from tests.plugins.intercom.support import Read, Workspace, at, read_partition, source

EVERYTHING = tuple(spec.key for spec in plugin.manifest.objects)
# A scroll of companies keeps others out for a minute after its end.
SCROLL = 61


def test_nothing_is_ever_written_at_intercom(workspace):
    source.field_schema(account=workspace.account)
    source.import_team(account=workspace.account)
    workspace.read(EVERYTHING)
    workspace.store.advance(SCROLL)
    workspace.read(EVERYTHING, since=at(workspace.store.clock.seconds()))
    assert workspace.store.writes == []
    assert workspace.store.api_requests > 50


def test_cursors_and_payloads_survive_json(workspace):
    account = workspace.account
    for partition in source.plan_sync(account=account, scope=Scope(dict.fromkeys(EVERYTHING))):
        assert json.loads(json.dumps(partition.start)) == partition.start
        page = source.sync(account=account, partition=partition, cursor=partition.start)
        assert json.loads(json.dumps(page.next)) == page.next
        for record in page.records:
            json.dumps([record.payload, dict(record.values), dict(record.fields), record.tags])


def test_two_full_reads_are_equal(workspace):
    first = workspace.read(EVERYTHING)
    workspace.store.advance(SCROLL)
    second = workspace.read(EVERYTHING)
    assert first.records == second.records


def test_partitions_may_be_read_in_any_order(workspace):
    account = workspace.account
    partitions = source.plan_sync(account=account, scope=Scope(dict.fromkeys(EVERYTHING)))
    forth, back = Read(), Read()
    for partition in partitions:
        read_partition(account, partition, forth)
    workspace.store.advance(SCROLL)
    for partition in reversed(partitions):
        read_partition(account, partition, back)
    for object in EVERYTHING:
        assert Counter(forth.ids(object)) == Counter(back.ids(object))


def test_every_type_of_activity_is_declared_and_met():
    read = Workspace(people=300).read(("conversation", "ticket"))
    met = {activity.type for records in read.records.values() for record in records for activity in record.activities}
    assert met == {spec.key for spec in plugin.manifest.activities}


def test_the_rate_limit_is_asked_before_each_request(workspace):
    class Limiter:
        acquired = 0

        def acquire(self):
            self.acquired += 1

        def observe(self, limit, remaining, reset):
            assert limit is not None
            assert limit <= 1_667
            assert remaining is not None
            assert reset is not None

    limiter, before = Limiter(), workspace.store.api_requests
    workspace.account = replace(workspace.account, limiter=limiter)
    workspace.read(EVERYTHING)
    assert limiter.acquired == workspace.store.api_requests - before


@pytest.mark.parametrize("scope", ["companies", "conversations", "tickets", "articles", "admins", "tags"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_scope_leaves_contacts_alone(workspace, scope, status):
    workspace.store.drop_scope(scope, status)
    assert Counter(workspace.read(["contact"]).ids("contact")) == Counter(workspace.everyone().keys())


def test_no_token_in_logs(workspace, caplog):
    caplog.set_level(logging.DEBUG)
    workspace.store.set_faults("500:1,reset:1,empty200:1")
    workspace.read(["contact", "company"])
    token = workspace.account.secrets["access_token"]
    assert "trying again" in caplog.text
    assert token not in caplog.text
    assert token not in repr(workspace.account)


def test_the_plugin_makes_its_own_sandbox():
    sandbox = source.sandbox(options=SandboxOptions(people=7, seed=4))
    assert len(sandbox.store.contacts) == 7
    assert set(sandbox.credentials) == {"access_token"}
    variables = {variable.name for variable in plugin.manifest.environment}
    assert set(sandbox.environment("http://127.0.0.1:9000/")) <= variables
    assert len(source.sandbox(options=SandboxOptions(people=3, rpm=60)).store.contacts) == 3


def test_the_vendor_counts_what_it_lists(workspace):
    store = workspace.store
    counted = source.count(account=workspace.account)
    assert counted == {
        "contact": len(store.contacts),
        "conversation": len(store.conversations),
        "ticket": len(store.tickets),
        "article": len(store.articles),
        "collection": len(store.collections),
    }
    for object, count in counted.items():
        assert len(workspace.read([object]).ids(object)) == count


def test_what_may_not_be_counted_is_left_out(workspace):
    workspace.store.drop_scope("tickets")
    workspace.store.set_plan_restricted()
    assert set(source.count(account=workspace.account)) == {"contact", "article", "collection"}


def test_a_resync_asks_for_little_more_than_what_changed():
    workspace = Workspace(people=4_000, conversations=2_000)
    store = workspace.store
    versions = {c.fields["id"]: version(store.conversation_fields(c)) for c in store.conversations}
    held = {key: moment for key, moment in versions.items() if moment}
    assert held.keys() == versions.keys()
    since = at(store.clock.seconds())
    changed = list(held)[::40]
    for one in changed:
        store.reply(one, "7001", "Changed")
    workspace.account = replace(workspace.account, objects={"contact": None, "conversation": None})
    before = store.api_requests
    source.import_team(account=workspace.account)
    source.field_schema(account=workspace.account)
    # The host hands out a new account, with nothing looked up yet, to whoever reads.
    workspace.account = replace(workspace.account, http=mount(requests.Session(), workspace.sandbox.app))
    read = workspace.read(["contact", "conversation"], since=since, known=held)
    assert Counter(read.ids("conversation")) == Counter(changed)
    assert len(changed) == 50
    assert store.api_requests - before <= 59
