"""Webhooks: stored before they are answered, listed when they cannot be worked off, forgotten after a week (R15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, bindparam, literal, select, update

from core.contract.errors import Forged
from core.contract.types import WebhookRequest
from core.db.bulk import insert_from, table_of
from core.db.engine import writing
from core.db.models import WebhookDelivery
from core.pipeline.checks import storable
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
    body, _ = storable(delivery.body)
    row = {
        "plugin": plugin,
        "account": delivery.account,
        "dedupe_key": delivery.id,
        "topic": delivery.topic,
        "body": body,
        "received_at": now_utc(),
    }
    with writing(mainstem.engine) as connection:
        for source_id in connection.scalars(_storing(connection.dialect.name), row):
            return "stored", int(source_id)
        known = connection.scalar(select(SOURCE.c.id).where(*_listening()), row)
    return ("unknown_account" if known is None else "duplicate"), None


def _listening() -> tuple[ColumnElement[bool], ...]:
    theirs = (SOURCE.c.plugin == bindparam("plugin"), SOURCE.c.remote_id == bindparam("account"))
    return (*theirs, SOURCE.c.state.in_(LISTENING))


@cache
def _storing(dialect: str) -> Any:
    """Return the one statement that finds the data source and stores; to make it takes longer than to run it."""
    given = [bindparam(name, type_=DELIVERY.c[name].type) for name in ("dedupe_key", "topic", "body", "received_at")]
    query = select(SOURCE.c.id, literal("pending"), *given).where(*_listening())
    columns = ("source_id", "state", *(parameter.key for parameter in given))
    return insert_from(dialect, DELIVERY, columns, query, DELIVERY.c.source_id)


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
