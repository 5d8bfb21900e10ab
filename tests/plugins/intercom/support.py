"""A sandboxed workspace with the plugin connected to it, as the host would do it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import requests_mock

from core.contract.errors import Retry
from core.contract.types import Account, Connected, Cursor, Page, Partition, Record, Ref, Refusal, Scope
from core.host import Host
from core.kit.account import make_account
from plugins.intercom import plugin
from plugins.intercom.sandbox import Sandbox, SandboxOptions

URL = "https://api.intercom.io"
source: Any = Host([plugin]).source("intercom")


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass
class Read:
    """What a sync brought."""

    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    refusals: list[Refusal] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)
    unchanged: int = 0
    pages: list[Page] = field(default_factory=list)

    def take(self, page: Page) -> None:
        self.pages.append(page)
        self.deleted += page.deleted
        self.unchanged += sum(page.unchanged.values())
        for item in page.records:
            if isinstance(item, Refusal):
                self.refusals.append(item)
            else:
                self.records[item.object].append(item)

    def ids(self, object: str) -> list[str]:
        return [record.remote_id for record in self.records[object]]


def read_partition(
    account: Account, partition: Partition, into: Read, cursor: Cursor = None, patience: int = 0
) -> None:
    """Read a partition to its end, coming back ``patience`` times when Intercom cannot answer."""
    cursor = partition.start if cursor is None else cursor
    while cursor is not None:
        try:
            page = source.sync(account=account, partition=partition, cursor=cursor)
        except Retry:
            patience -= 1
            if patience < 0:
                raise
            continue
        into.take(page)
        cursor = page.next


class Workspace:
    """A sandbox and an account of it."""

    def __init__(self, people: int = 60, seed: int = 1, **options: Any) -> None:
        self.sandbox = Sandbox(SandboxOptions(people=people, seed=seed, **options))
        self.store = self.sandbox.store
        self.draft = make_account(
            plugin.manifest, self.sandbox.app, self.sandbox.environment("http://sandbox.test"), id=0
        )
        connected = source.connect(account=self.draft, answers=self.sandbox.credentials)
        assert isinstance(connected, Connected)
        self.connected = connected
        self.account = replace(
            self.draft, id=1, remote_id=connected.remote_id, settings=connected.settings, secrets=connected.secrets
        )

    def read(
        self,
        objects: Iterable[str],
        since: datetime | None = None,
        horizon: datetime | None = None,
        known: Mapping[str, datetime] | None = None,
    ) -> Read:
        """Plan and read these objects, as a host that holds ``known`` conversations."""
        account = replace(self.account, objects=dict.fromkeys(objects))
        if known is not None:
            account = replace(account, known=holding(known))
        done = Read()
        for partition in source.plan_sync(account=account, scope=Scope(dict.fromkeys(objects, since), horizon)):
            read_partition(account, partition, done)
        return done

    def asked(self, request: str) -> int:
        return self.store.requests[request]

    def everyone(self) -> dict[str, Any]:
        return {contact.fields["id"]: contact for contact in self.store.contacts}


def holding(versions: Mapping[str, datetime]) -> Any:
    """Return what :attr:`Account.known` is on a host that holds these versions."""

    def known(object: str, asked: Mapping[str, datetime]) -> frozenset[str]:
        return frozenset(key for key, version in asked.items() if key in versions and versions[key] >= version)

    return known


def mocked(**overrides: Any) -> tuple[Any, Account]:
    """Return what answers instead of Intercom, and an account of it."""
    given = {"remote_id": "wk9demo1", "settings": {"region": "US"}, "secrets": {"access_token": "tok-1"}, **overrides}
    account = make_account(plugin.manifest, **given)
    mocker = requests_mock.Mocker(session=account.http)
    mocker.start()
    return mocker, account


def error_list(code: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    """Return Intercom's envelope of errors."""
    return {"type": "error.list", "request_id": None, "errors": [{"code": code, "message": message, **more}]}
