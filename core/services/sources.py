"""Data sources: look them up, and note what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from core.db.bulk import table_of
from core.db.models import AuditEntry, DataSource
from core.services.configuration import SourceConfig, read_config
from core.services.errors import NotFound
from core.services.mainstem import Mainstem

SOURCE, AUDIT = table_of(DataSource), table_of(AuditEntry)


def now_utc() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def list_sources(mainstem: Mainstem) -> Sequence[RowMapping]:
    """Return the rows of all data sources, the eldest first."""
    with mainstem.engine.connect() as connection:
        statement = select(SOURCE).where(SOURCE.c.state != "deleted").order_by(SOURCE.c.id)
        return connection.execute(statement).mappings().all()


def get_source(connection: Connection, source_id: int, *, lock: bool = False) -> RowMapping:
    """Return the row of a data source, held until the transaction ends if ``lock``.

    Raises:
        NotFound: There is none of this id.
    """
    statement = select(SOURCE).where(SOURCE.c.id == source_id, SOURCE.c.state != "deleted")
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no data source {source_id}: see mainstem sources")
    return row


def renewed(source: RowMapping, started_at: datetime) -> frozenset[str]:
    """Return the objects of which a run that started then reads everything, since more of them is wanted."""
    return frozenset(key for key, asked in source["renew"].items() if datetime.fromisoformat(asked) <= started_at)


def described(source: RowMapping) -> str:
    """Return the beginning of a sentence: name and state of a data source."""
    state = source["state"]
    return f"{source['name']} needs attention" if state == "needs_attention" else f"{source['name']} is {state}"


def config_of(mainstem: Mainstem, source: RowMapping) -> SourceConfig:
    """Return the configuration of a data source."""
    config, _ = read_config(source["config"], mainstem.host.manifest(source["plugin"]))
    return config


def schedule(mainstem: Mainstem, source: RowMapping, now: datetime) -> datetime | None:
    """Return when the next sync of a data source is due after one that ended at ``now``; None for never by itself."""
    minutes = config_of(mainstem, source).minutes
    return None if minutes is None else now + timedelta(minutes=minutes)


def audit(connection: Connection, actor: str, action: str, target: str, **detail: Any) -> None:
    """Write down who did what to what."""
    connection.execute(AUDIT.insert().values(at=now_utc(), actor=actor, action=action, target=target, detail=detail))
