"""Stored webhooks are worked off in batches: objects are read again at the vendor and taken in like a sync's (R15)."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, exists, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.contract.errors import Reauthorise, Retry, SourceError
from core.contract.types import Delivery
from core.db.engine import writing
from core.pipeline.apply import Counts, apply_page
from core.pipeline.shape import Shaper
from core.services.accounts import account_of
from core.services.inbox import DELIVERY
from core.services.invitations import invite_imported
from core.services.leases import heartbeat, is_due, is_free, lease_end
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.recovery import needs_attention, wait_seconds
from core.services.rosters import store_roster
from core.services.sources import SOURCE, config_of, get_source, now_utc

BATCH = 150
ATTEMPTS = 5
# How long a vendor that cannot answer is left alone: exponential from here on would outlast most outages.
_OUTAGE_ATTEMPTS = 4

log = logging.getLogger("mainstem.webhooks")


def to_drain(mainstem: Mainstem, source_id: int | None = None) -> Sequence[int]:
    """Return the data sources whose deliveries wait and whom nobody is at; of ``source_id`` alone, if given."""
    now = now_utc()
    waiting = exists().where(DELIVERY.c.source_id == SOURCE.c.id, DELIVERY.c.state == "pending", is_due(DELIVERY, now))
    found = select(SOURCE.c.id).where(SOURCE.c.state == "connected", is_free(SOURCE, now), waiting)
    if source_id is not None:
        found = found.where(SOURCE.c.id == source_id)
    with mainstem.engine.connect() as connection:
        return connection.scalars(found).all()


def drain(mainstem: Mainstem, source_id: int, seconds: float | None = None) -> int:
    """Work off the pending deliveries of a data source, unless somebody else is at it.

    Args:
        mainstem: The system.
        source_id: The data source.
        seconds: Stop after the batch at hand when this long at it; None goes on until none is left.

    Returns:
        How many were worked off.

    Raises:
        sqlalchemy.exc.OperationalError: The database is out of reach; the work can be taken up again later.
    """
    token = uuid4()
    source = _claim(mainstem, source_id, token)
    if source is None:
        return 0
    deadline = None if seconds is None else time.monotonic() + seconds
    done, free_from = 0, None
    try:
        drainer = _Drainer(mainstem, source, token)
        with heartbeat(mainstem, SOURCE, token):
            while (deadline is None or time.monotonic() < deadline) and (batch := drainer.pending()):
                done += drainer.work_off(batch)
    except Reauthorise as error:
        log.warning("%s", error, extra={"source": source_id})
        needs_attention(mainstem, source_id, str(error), source["connected_at"])
    except SourceError as error:
        log.warning("%s", error, extra={"source": source_id})
        wait = error if isinstance(error, Retry) else Retry("")
        free_from = now_utc() + timedelta(seconds=wait_seconds(wait, _OUTAGE_ATTEMPTS))
    except DrainLost:
        log.info("left the deliveries to others", extra={"source": source_id})
    finally:
        _release(mainstem, source_id, token, free_from)
    return done


def _claim(mainstem: Mainstem, source_id: int, token: UUID) -> RowMapping | None:
    now = now_utc()
    with writing(mainstem.engine) as connection:
        claimed = connection.execute(
            update(SOURCE)
            .where(SOURCE.c.id == source_id, SOURCE.c.state == "connected", is_free(SOURCE, now))
            .values(lease_token=token, lease_until=lease_end(mainstem, now))
        )
        return get_source(connection, source_id) if claimed.rowcount == 1 else None


def _release(mainstem: Mainstem, source_id: int, token: UUID, free_from: datetime | None) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(
            update(SOURCE)
            .where(SOURCE.c.id == source_id, SOURCE.c.lease_token == token)
            .values(lease_token=None, lease_until=free_from)
        )


class DrainLost(Exception):
    """Somebody else works off these deliveries by now, or the data source is no longer connected."""


class _Drainer:
    """Works off the deliveries of one data source."""

    def __init__(self, mainstem: Mainstem, source: RowMapping, token: UUID) -> None:
        self._mainstem = mainstem
        self._source_id = source["id"]
        self._token = token
        self._config = config_of(mainstem, source)
        self._account = account_of(mainstem, source, self._config)
        with mainstem.engine.connect() as connection:
            self._policy = policy_of(
                mainstem, connection, source, self._config, self._account, now_utc(), historical=False
            )
        self._shaper = Shaper(self._policy)

    def pending(self) -> Sequence[RowMapping]:
        """Return the next deliveries that are due, in order of arrival."""
        theirs = (DELIVERY.c.source_id == self._source_id, DELIVERY.c.state == "pending")
        statement = select(DELIVERY).where(*theirs, is_due(DELIVERY, now_utc())).order_by(DELIVERY.c.id).limit(BATCH)
        with self._mainstem.engine.connect() as connection:
            return connection.execute(statement).mappings().all()

    def work_off(self, rows: Sequence[RowMapping]) -> int:
        """Take in a batch; if it fails, each delivery by itself, so that one bad one holds up nobody.

        Raises:
            SourceError: The vendor cannot be asked at all now: nothing is counted against the deliveries.
            DrainLost: They must not be written.
            sqlalchemy.exc.SQLAlchemyError: The database is out of reach: likewise.
        """
        try:
            self._take_in(rows)
            return len(rows)
        except (Reauthorise, Retry, DrainLost, OperationalError, InterfaceError, PoolTimeout):
            raise
        except Exception as error:
            if len(rows) > 1:
                return sum(self.work_off([row]) for row in rows)
            log.exception("a delivery failed", extra={"source": self._source_id, "delivery": rows[0]["id"]})
            self._note_failure(rows[0], error)
            return 0

    def _take_in(self, rows: Sequence[RowMapping]) -> None:
        deliveries = [Delivery(self._account.remote_id, row["dedupe_key"], row["topic"], row["body"]) for row in rows]
        plugin = self._mainstem.host.source(self._account.plugin)
        page = plugin.read_webhooks(account=self._account, deliveries=deliveries)
        ids = [row["id"] for row in rows]
        now = now_utc()

        def settle(connection: Connection, counts: Counts) -> None:
            ours = update(SOURCE).where(
                SOURCE.c.id == self._source_id, SOURCE.c.lease_token == self._token, SOURCE.c.state == "connected"
            )
            if connection.execute(ours.values(lease_until=lease_end(self._mainstem, now))).rowcount != 1:
                raise DrainLost
            if page.roster is not None:
                store_roster(connection, self._source_id, page.roster, self._config, now)
                invite_imported(self._mainstem, connection)
            settled = update(DELIVERY).where(DELIVERY.c.id.in_(ids))
            connection.execute(settled.values(state="done", processed_at=now, error=None))

        apply_page(self._mainstem.engine, page, self._shaper, self._policy.at(now), settle)

    def _note_failure(self, row: RowMapping, error: Exception) -> None:
        attempts = row["attempts"] + 1
        later = now_utc() + timedelta(seconds=wait_seconds(Retry(""), attempts))
        changes: dict[str, Any] = {
            "attempts": attempts,
            "error": f"{type(error).__name__}: {error}"[:2_000],
            "not_before": later,
            "state": "dead" if attempts >= ATTEMPTS else "pending",
        }
        with writing(self._mainstem.engine) as connection:
            connection.execute(update(DELIVERY).where(DELIVERY.c.id == row["id"]).values(changes))
