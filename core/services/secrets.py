"""The secrets of an account, which workers renew while they sync: one of them asks the vendor, the others wait for it.

A vendor may take a refresh token once. So whoever renews first leases the row that keeps the secrets, then asks the
vendor, outside of any transaction, and stores the answer before it is used. Whoever comes second finds the lease,
waits, and takes what is stored by then. A worker that dies before it asked leaves nothing but a lease that lapses. One
that dies between the vendor's answer and the commit loses what the answer held, which nothing here can undo: the next
one sends the old refresh token again. A vendor that takes it again for a while gives new tokens; any other refuses it,
and an admin is asked to consent again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, select

from core.contract.errors import Reauthorise, Retry
from core.db.engine import writing
from core.services.mainstem import Mainstem
from core.services.sources import now_utc

LEASE = timedelta(seconds=90)
"""For how long one worker may ask the vendor; longer than any request of :mod:`plugins.base` takes to fail."""

PATIENCE = 20.0
"""Seconds to wait for another worker before the work is given back."""

_PAUSE = 0.1


class Secrets(Mapping[str, str]):
    """Secrets that a row keeps sealed, as they are now.

    Args:
        mainstem: The system.
        sealed: As the row keeps them.
        table: Of the row, with columns ``secrets`` and ``renewing_until``.
        row_id: Its id; 0 while there is none.
    """

    def __init__(self, mainstem: Mainstem, sealed: str, table: Table, row_id: int) -> None:
        self._mainstem, self._table, self._row_id = mainstem, table, row_id
        self._secrets = mainstem.vault.open(sealed)
        self._lock = threading.Lock()

    def __getitem__(self, key: str) -> str:
        return self._secrets[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __len__(self) -> int:
        return len(self._secrets)

    def renew(
        self, stale: Mapping[str, str], change: Callable[[Mapping[str, str]], Mapping[str, str]]
    ) -> Mapping[str, str]:
        """See :class:`core.contract.types.Renew`."""
        # Of the threads of this process one waits in the database.
        with self._lock:
            if self._secrets == stale:
                self._secrets = self._renewed(dict(stale), change)
            return self._secrets

    def _renewed(
        self, stale: dict[str, str], change: Callable[[Mapping[str, str]], Mapping[str, str]]
    ) -> dict[str, str]:
        """Return what replaces ``stale``, by this worker or another one."""
        deadline = time.monotonic() + PATIENCE
        while (kept := self._lease(stale)) is None:
            if time.monotonic() > deadline:
                raise Retry("Another worker is renewing the credentials", after=_PAUSE)
            time.sleep(_PAUSE)
        if kept != stale:
            return kept
        try:
            found = dict(change(stale))
        except BaseException:
            self._store(stale, stale)
            raise
        return self._store(stale, found)

    def _lease(self, stale: dict[str, str]) -> dict[str, str] | None:
        """Return what is kept, leased if that is ``stale``; None while another worker renews it."""
        with writing(self._mainstem.engine) as connection:
            kept, leased_until = self._kept(connection)
            if kept != stale:
                return kept
            now = now_utc()
            if leased_until is not None and leased_until > now:
                return None
            self._update(connection, renewing_until=now + LEASE)
        return kept

    def _store(self, stale: dict[str, str], found: dict[str, str]) -> dict[str, str]:
        """Store what replaces ``stale`` and end the lease; return what is kept then."""
        with writing(self._mainstem.engine) as connection:
            kept, _ = self._kept(connection)
            # An admin who connected anew meanwhile has the last word.
            if kept != stale:
                return kept
            sealed = {} if found == stale else {"secrets": self._mainstem.vault.seal(found)}
            self._update(connection, renewing_until=None, **sealed)
        return found

    def _kept(self, connection: Connection) -> tuple[dict[str, str], datetime | None]:
        columns = self._table.c
        row = connection.execute(
            select(columns.secrets, columns.renewing_until).where(columns.id == self._row_id).with_for_update()
        ).one_or_none()
        if row is None or not row.secrets:
            raise Reauthorise("The vendor refuses the credentials, and none are kept that could be renewed")
        return self._mainstem.vault.open(row.secrets), row.renewing_until

    def _update(self, connection: Connection, **values: object) -> None:
        connection.execute(self._table.update().where(self._table.c.id == self._row_id).values(values))
