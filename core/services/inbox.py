"""Webhooks: stored before they are answered, worked off in batches, listed when they cannot be (R15)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, select, update

from core.contract.errors import Forged, Reauthorise, Retry, SourceError
from core.contract.types import Account, Delivery, Page, WebhookRequest
from core.db.bulk import insert_missing, table_of
from core.db.engine import writing
from core.db.models import WebhookDelivery
from core.pipeline.apply import Counts, apply_page
from core.pipeline.policy import Policy
from core.pipeline.shape import Shaper
from core.services.accounts import account_of
from core.services.leases import heartbeat, is_due, is_free, lease_end
from core.services.mainstem import Mainstem
from core.services.policies import policy_of
from core.services.recovery import needs_attention, wait_seconds
from core.services.sources import SOURCE, config_of, get_source, now_utc

DELIVERY = table_of(WebhookDelivery)
BATCH = 150
ATTEMPTS = 5
LARGEST_BODY = 1_000_000

log = logging.getLogger("mainstem.webhooks")

Reception = Literal["stored", "ignored", "unknown_account"]


def receive(mainstem: Mainstem, plugin: str, headers: Mapping[str, str], body: bytes) -> tuple[Reception, int | None]:
    """Store a delivery if it is genuine; the vendor may send it twice.

    Args:
        mainstem: The system.
        plugin: Whose address it came to.
        headers: With lower-case names.
        body: As it arrived.

    Returns:
        What became of it, and the data source it is for.

    Raises:
        core.host.PluginMissing: There is no such plugin.
        Forged: It is not genuine.
    """
    manifest = mainstem.host.manifest(plugin)
    if not manifest.webhooks:
        raise Forged(f"{manifest.title} has no webhooks")
    environment = mainstem.host.environment(plugin, mainstem.environ)
    delivery = mainstem.host.source(plugin).verify_webhook(
        request=WebhookRequest(headers, body), environment=environment
    )
    if delivery.ignorable:
        return "ignored", None
    with writing(mainstem.engine) as connection:
        theirs = select(SOURCE.c.id).where(SOURCE.c.plugin == plugin, SOURCE.c.remote_id == delivery.account)
        # What arrives while credentials are dead is worked off after reconnecting.
        source_id = connection.scalar(theirs.where(SOURCE.c.state.in_(("connected", "needs_attention"))))
        if source_id is None:
            return "unknown_account", None
        row = {
            "source_id": source_id,
            "dedupe_key": delivery.id,
            "topic": delivery.topic,
            "body": delivery.body,
            "state": "pending",
            "received_at": now_utc(),
        }
        insert_missing(connection, DELIVERY, [row])
    return "stored", int(source_id)


def drain(mainstem: Mainstem, source_id: int) -> int:
    """Work off the pending deliveries of a data source, unless somebody else is at it.

    Returns:
        How many were worked off.
    """
    token = uuid4()
    if not _claim(mainstem, source_id, token):
        return 0
    done = 0
    try:
        with mainstem.engine.connect() as connection:
            source = get_source(connection, source_id)
            config = config_of(mainstem, source)
            account = account_of(mainstem, source, config)
            policy = policy_of(mainstem, connection, source, config, account, now_utc(), historical=False)
        drainer = _Drainer(mainstem, source_id, token, account, policy)
        with heartbeat(mainstem, SOURCE, token):
            while batch := drainer.pending():
                done += drainer.work_off(batch)
    except SourceError as error:
        log.warning("%s", error, extra={"source": source_id})
        if isinstance(error, Reauthorise):
            needs_attention(mainstem, source_id, str(error))
    except DrainLost:
        log.info("left the deliveries to others", extra={"source": source_id})
    finally:
        _release(mainstem, source_id, token)
    return done


def _claim(mainstem: Mainstem, source_id: int, token: UUID) -> bool:
    now = now_utc()
    with writing(mainstem.engine) as connection:
        claimed = connection.execute(
            update(SOURCE)
            .where(SOURCE.c.id == source_id, SOURCE.c.state == "connected", is_free(SOURCE, now))
            .values(lease_token=token, lease_until=lease_end(mainstem, now))
        )
    return claimed.rowcount == 1


def _release(mainstem: Mainstem, source_id: int, token: UUID) -> None:
    with writing(mainstem.engine) as connection:
        connection.execute(
            update(SOURCE)
            .where(SOURCE.c.id == source_id, SOURCE.c.lease_token == token)
            .values(lease_token=None, lease_until=None)
        )


class DrainLost(Exception):
    """Somebody else works off these deliveries by now."""


class _Drainer:
    """Works off the deliveries of one data source."""

    def __init__(self, mainstem: Mainstem, source_id: int, token: UUID, account: Account, policy: Policy) -> None:
        self._mainstem = mainstem
        self._source_id = source_id
        self._token = token
        self._account = account
        self._policy = policy
        self._shaper = Shaper(policy)

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
            DrainLost: Somebody else is at it.
        """
        try:
            self._take_in(rows)
            return len(rows)
        except (Reauthorise, Retry, DrainLost):
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
        page: Page = plugin.read_webhooks(account=self._account, deliveries=deliveries)
        ids = [row["id"] for row in rows]
        now = now_utc()

        def settle(connection: Connection, counts: Counts) -> None:
            ours = update(SOURCE).where(
                SOURCE.c.id == self._source_id, SOURCE.c.lease_token == self._token, SOURCE.c.state == "connected"
            )
            if connection.execute(ours.values(lease_until=lease_end(self._mainstem, now))).rowcount != 1:
                raise DrainLost
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


def replay(mainstem: Mainstem, source_id: int) -> int:
    """Give dead deliveries another chance; return how many there are."""
    with writing(mainstem.engine) as connection:
        dead = update(DELIVERY).where(DELIVERY.c.source_id == source_id, DELIVERY.c.state == "dead")
        return connection.execute(dead.values(state="pending", attempts=0, not_before=None)).rowcount
