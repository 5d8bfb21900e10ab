"""A sandboxed account with the plugin connected to it, as the host would do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import requests_mock

from core.contract.types import Account, Connected, Page, Record, SandboxOptions, Scope
from core.host import Host
from core.kit.account import make_account
from plugins.zendesk import plugin
from plugins.zendesk.sandbox import ZendeskSandbox

source: Any = Host([plugin]).source("zendesk")


class Office:
    """A sandbox and an account of it."""

    def __init__(self, people: int = 20, **options: Any) -> None:
        self.sandbox = ZendeskSandbox(SandboxOptions(people=people, **options))
        self.rows = self.sandbox.data.rows
        environment = self.sandbox.environment("http://sandbox.test")
        self.draft = make_account(plugin.manifest, self.sandbox.app, environment, id=0)
        self.account = opened(self.draft, self.connect())

    def connect(self, answers: Mapping[str, str] | None = None) -> Any:
        return source.connect(account=self.draft, answers=self.sandbox.credentials if answers is None else answers)

    def read(
        self, object: str, since: datetime | None = None, horizon: datetime | None = None, **overrides: Any
    ) -> list[Page]:
        account = replace(self.account, objects={object: None}, **overrides)
        pages: list[Page] = []
        for partition in source.plan_sync(account=account, scope=Scope({object: since}, horizon)):
            cursor = partition.start
            while cursor is not None:
                pages.append(source.sync(account=account, partition=partition, cursor=cursor))
                cursor = pages[-1].next
        return pages

    def records(self, object: str, **given: Any) -> dict[str, Record]:
        found = [item for page in self.read(object, **given) for item in page.records]
        assert all(isinstance(item, Record) for item in found)
        return {item.remote_id: item for item in found if isinstance(item, Record)}


def opened(draft: Account, connected: Any) -> Account:
    assert isinstance(connected, Connected)
    return replace(draft, id=1, remote_id=connected.remote_id, settings=connected.settings, secrets=connected.secrets)


def mocked() -> tuple[Any, Account]:
    """Return what answers instead of Zendesk, and an account of it."""
    account = make_account(
        plugin.manifest, settings={"subdomain": "acme"}, secrets={"authorization": "Basic eDp5"}, remote_id="acme"
    )
    mocker = requests_mock.Mocker(session=account.http)
    mocker.start()
    return mocker, account
