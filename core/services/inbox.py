"""Webhooks: stored before they are answered, listed when they cannot be worked off, forgotten after a week (R15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import BindParameter, literal, select, update

from core.contract.errors import Forged
from core.contract.types import Delivery, WebhookRequest
from core.db.bulk import insert_from, table_of
from core.db.engine import writing
from core.db.models import WebhookDelivery
from core.pipeline.shape import storable
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, audit, get_source, now_utc

DELIVERY = table_of(WebhookDelivery)
LARGEST_BODY = 1_000_000
KEPT = timedelta(days=7)
PURGED_AT_ONCE = 5_000
# What arrives while credentials are dead is worked off after reconnecting.
LISTENING = ("connected", "needs_attention")

Reception = Literal["stored", "duplicate", "ignored", "unknown_account"]


def receive(mainstem: Mainstem, plugin: str, headers: Mapping[str, str], body: bytes) -> tuple[Reception, int | None]:
    """Store a delivery if it is genuine; the vendor may send it twice.

    Args:
        mainstem: The system.
        plugin: Whose address it came to.
        headers: With lower-case names.
        body: As it arrived.

    Returns:
        What became of it, and the data source it was stored for.

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
    theirs = (SOURCE.c.plugin == plugin, SOURCE.c.remote_id == delivery.account, SOURCE.c.state.in_(LISTENING))
    with writing(mainstem.engine) as connection:
        row = _row(delivery)
        for source_id in insert_from(
            connection,
            DELIVERY,
            ("source_id", *row),
            select(SOURCE.c.id, *row.values()).where(*theirs),
            DELIVERY.c.source_id,
        ):
            return "stored", int(source_id)
        known = connection.scalar(select(SOURCE.c.id).where(*theirs))
    return ("unknown_account" if known is None else "duplicate"), None


def _row(delivery: Delivery) -> dict[str, BindParameter[Any]]:
    body, _ = storable(delivery.body)
    values = {
        "dedupe_key": delivery.id,
        "topic": delivery.topic,
        "body": body,
        "state": "pending",
        "received_at": now_utc(),
    }
    return {name: literal(value, DELIVERY.c[name].type) for name, value in values.items()}


def replay(mainstem: Mainstem, source_id: int, actor: str) -> int:
    """Give the dead deliveries of a data source another chance.

    Returns:
        How many there are.

    Raises:
        NotFound: There is no such data source.
    """
    with writing(mainstem.engine) as connection:
        get_source(connection, source_id)
        dead = update(DELIVERY).where(DELIVERY.c.source_id == source_id, DELIVERY.c.state == "dead")
        count = connection.execute(dead.values(state="pending", attempts=0, not_before=None)).rowcount
        if count:
            audit(connection, actor, "replay webhooks", f"data source {source_id}", deliveries=count)
    return count


def purge(mainstem: Mainstem) -> int:
    """Forget deliveries that were worked off more than :data:`KEPT` ago, the eldest first; dead ones stay.

    Returns:
        How many were forgotten; there may be more when it is :data:`PURGED_AT_ONCE`.
    """
    # Only the eldest are looked at: what arrived first was mostly worked off first.
    done = select(DELIVERY.c.id, DELIVERY.c.processed_at).where(DELIVERY.c.state == "done")
    eldest = done.order_by(DELIVERY.c.id).limit(PURGED_AT_ONCE).subquery()
    old = select(eldest.c.id).where(eldest.c.processed_at < now_utc() - KEPT)
    with mainstem.engine.connect() as connection:
        ids = connection.scalars(old).all()
    if ids:
        with writing(mainstem.engine) as connection:
            connection.execute(DELIVERY.delete().where(DELIVERY.c.id.in_(ids)))
    return len(ids)
