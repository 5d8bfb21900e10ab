"""A data source as its plugin sees it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import Engine

from core.contract.types import Account, Known
from core.db.bulk import rows_in, table_of
from core.db.models import DataSource, Draft, Link
from core.pipeline.ids import link_id
from core.services.configuration import SourceConfig
from core.services.limiter import limiter_for
from core.services.mainstem import Mainstem
from core.services.secrets import Secrets

LINK, SOURCE, DRAFT = table_of(Link), table_of(DataSource), table_of(Draft)
_POOL = 256


class Source(Protocol):
    """A row of ``data_source``, stored or to be."""

    def __getitem__(self, column: str, /) -> Any:
        """Return the value of a column."""


class CountingSession(requests.Session):
    """A session that counts what it sends and keeps connections open for many threads."""

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0
        self._lock = threading.Lock()
        # A proxy or .netrc of the operator's shell must not decide where a vendor's token goes.
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=_POOL))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send and count."""
        with self._lock:
            self._sent += 1
        return super().send(request, **kwargs)

    def take_count(self) -> int:
        """Return how many requests were sent since this was asked last."""
        with self._lock:
            count, self._sent = self._sent, 0
        return count


def draft_account(mainstem: Mainstem, plugin: str) -> Account:
    """Return the account that a plugin is asked to connect: no id, no secrets."""
    nothing = Secrets(mainstem, "", DRAFT, 0)
    return Account(
        id=0,
        plugin=plugin,
        remote_id="",
        settings={},
        secrets=nothing,
        renew=nothing.renew,
        environment=mainstem.host.environment(plugin, mainstem.environ),
        objects={},
        redirect_uri=f"{mainstem.settings.public_url}/oauth/{plugin}/callback",
        http=CountingSession(),
        limiter=limiter_for(mainstem, plugin, "connecting"),
        known=_known_of(mainstem.engine, 0),
        log=logging.getLogger(f"mainstem.{plugin}"),
    )


def account_of(
    mainstem: Mainstem, source: Source, config: SourceConfig, anew: Collection[str] = (), draft_id: int | None = None
) -> Account:
    """Return the account of a connected data source.

    Args:
        mainstem: The system.
        source: Its row of ``data_source``.
        config: Its configuration.
        anew: Objects of which everything is to be read, whatever is known of them.
        draft_id: The draft that keeps its secrets, if it is one.
    """
    plugin, source_id = source["plugin"], source["id"]
    keeper = (SOURCE, source_id) if draft_id is None else (DRAFT, draft_id)
    secrets = Secrets(mainstem, source["secrets"], *keeper)
    return Account(
        id=source_id,
        plugin=plugin,
        remote_id=source["remote_id"],
        settings=source["settings"],
        secrets=secrets,
        renew=secrets.renew,
        environment=mainstem.host.environment(plugin, mainstem.environ),
        objects=config.objects,
        redirect_uri=f"{mainstem.settings.public_url}/oauth/{plugin}/callback",
        http=CountingSession(),
        limiter=limiter_for(mainstem, plugin, source["remote_id"]),
        known=_known_of(mainstem.engine, source_id, anew),
        log=logging.getLogger(f"mainstem.{plugin}.{source_id}"),
    )


def _known_of(engine: Engine, source_id: int, anew: Collection[str] = ()) -> Known:
    def known(object: str, versions: Mapping[str, datetime]) -> frozenset[str]:
        if object in anew:
            return frozenset()
        ids = {link_id(source_id, object, remote_id): remote_id for remote_id in versions}
        with engine.connect() as connection:
            rows = rows_in(
                connection,
                [LINK.c.id, LINK.c.remote_updated_at],
                LINK.c.id,
                ids,
                LINK.c.content_hash.is_not(None),
                LINK.c.deleted_at.is_(None),
                LINK.c.left_at.is_(None),
            )
        return frozenset(
            ids[row.id]
            for row in rows
            if row.remote_updated_at is not None and row.remote_updated_at >= versions[ids[row.id]]
        )

    return known
