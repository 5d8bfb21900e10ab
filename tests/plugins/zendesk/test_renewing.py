"""Tokens of a consent expire while several workers read; Zendesk takes each refresh token once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from core.contract.types import JSON, SandboxOptions
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource
from core.host import Host
from core.services import drafts, syncing
from core.services.consents import Traveller, Waiting, accept, begin
from core.services.mainstem import Mainstem
from core.services.users import add_user
from plugins.base.sandbox import TokenOffice
from plugins.zendesk import plugin
from plugins.zendesk.sandbox import ZendeskSandbox
from tests.support.serving import served

SOURCE = table_of(DataSource)


class CountingOffice(TokenOffice):
    """Notes with which grants tokens are asked for."""

    grants: ClassVar[list[str]] = []

    def token(self, form: Mapping[str, str]) -> tuple[dict[str, JSON], int]:
        self.grants.append(form["grant_type"])
        return super().token(form)


def consented(mainstem: Mainstem) -> int:
    """Connect by consent, as an admin would; return the id of the data source."""
    admin = Traveller(add_user(mainstem, "ann@example.com", "owner")[0], "browser")
    draft = drafts.create(mainstem, "zendesk", {"retention": {"days": None}}, "ann")
    address = begin(mainstem, "zendesk", Waiting(draft_id=draft), admin, {"subdomain": "acme"})
    back = requests.get(address, allow_redirects=False, timeout=30).headers["Location"]
    _, answers = accept(mainstem, "zendesk", dict(parse_qsl(urlsplit(back).query)), admin)
    drafts.open_with_consent(mainstem, draft, answers)
    return drafts.finish(mainstem, draft, "ann")


def run(mainstem: Mainstem, source: int) -> tuple[str, str | None]:
    started = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, started)
    progress = syncing.progress(mainstem, started)
    return progress.state, progress.error


def test_tokens_that_expire_are_renewed_once_for_all_readers(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("plugins.zendesk.sandbox.TokenOffice", CountingOffice)
    CountingOffice.grants.clear()
    sandbox = ZendeskSandbox(SandboxOptions(people=20, token_seconds=1800))
    with served(sandbox.app) as url:
        environ = {"DATABASE_URL": database_url, "MAINSTEM_INSTANCE": str(tmp_path), **sandbox.environment(url)}
        mainstem = Mainstem.open(environ, Host([plugin]))
        source = consented(mainstem)
        sandbox.office.expire()
        assert run(mainstem, source) == ("succeeded", None)
        assert CountingOffice.grants == ["authorization_code", "refresh_token"]

        # A refresh token that somebody else used up, or whose answer was lost, asks for a new consent.
        with mainstem.engine.connect() as connection:
            sealed = connection.scalar(SOURCE.select().with_only_columns(SOURCE.c.secrets))
        lost = {**mainstem.vault.open(sealed or ""), "refresh_token": "sandbox-refresh-0"}
        with writing(mainstem.engine) as connection:
            connection.execute(SOURCE.update().values(secrets=mainstem.vault.seal(lost)))
        sandbox.office.expire()
        state, error = run(mainstem, source)
        assert (state, "connect again" in str(error)) == ("paused", True)
        mainstem.engine.dispose()
