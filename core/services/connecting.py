"""The life cycle of a data source: connect, rename, disconnect, reconnect, archive, restore, delete (R2 to R4, R28)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, case

from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Run
from core.services.accounts import account_of, draft_account
from core.services.configuration import read_config, read_credentials
from core.services.errors import Conflict, Invalid
from core.services.fields import schema_of
from core.services.mainstem import Mainstem
from core.services.opening import Opened, activate, open_account, refuse_another
from core.services.sources import SOURCE, audit, config_of, described, get_source, now_utc

RUN = table_of(Run)


def connect(mainstem: Mainstem, plugin: str, config: Mapping[str, Any], actor: str) -> int:
    """Connect an account with credentials that are given.

    Args:
        mainstem: The system.
        plugin: Name of the plugin.
        config: In the shape of ``sources connect --config``.
        actor: Who does it.

    Returns:
        The id of the new data source.

    Raises:
        core.host.PluginMissing: There is no such plugin.
        Conflict: The account, or as many as the plugin allows, is connected already.
        Invalid: The configuration is wrong, or the vendor refuses the credentials.
    """
    manifest = mainstem.host.manifest(plugin)
    choices, credentials = read_config(config, manifest)
    answers = read_credentials(credentials, manifest)
    refuse_another(mainstem, plugin)
    connected = open_account(mainstem, draft_account(mainstem, plugin), answers)
    given = {key: value for key, value in config.items() if key != "credentials"}
    opened = Opened(plugin, given, connected, mainstem.vault.seal(connected.secrets))
    account = account_of(mainstem, opened.row(manifest), choices)
    return activate(mainstem, replace(opened, schema=schema_of(mainstem, account)), actor)


def rename(mainstem: Mainstem, source_id: int, name: str, actor: str) -> None:
    """Give a data source another name; the vendor's side is not touched.

    Raises:
        Invalid: The name is empty or too long.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise Invalid({"name": "must have 1 to 100 characters"})
    with writing(mainstem.engine) as connection:
        before = get_source(connection, source_id, lock=True)
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(name=name))
        audit(connection, actor, "rename", f"data source {source_id}", before=before["name"], after=name)


def disconnect(mainstem: Mainstem, source_id: int, actor: str) -> None:
    """Stop taking anything from the vendor; what came stays. A running sync is cancelled."""
    _change(
        mainstem, source_id, actor, "disconnect", ("connected", "needs_attention"), "disconnected", "disconnected_at"
    )


def archive(mainstem: Mainstem, source_id: int, actor: str) -> None:
    """Put a disconnected data source away."""
    _change(mainstem, source_id, actor, "archive", ("disconnected",), "archived", "archived_at")


def restore(mainstem: Mainstem, source_id: int, actor: str) -> None:
    """Fetch an archived data source back; it is disconnected until it is reconnected."""
    _change(mainstem, source_id, actor, "restore", ("archived",), "disconnected", None)


_REFUSALS = {
    "disconnect": "cannot be disconnected: it is not connected",
    "archive": "cannot be archived: disconnect it first",
    "restore": "cannot be restored: it is not archived",
    "delete": "cannot be deleted: disconnect and archive it first",
    "reconnect": "cannot be reconnected: restore it first",
}


def _change(
    mainstem: Mainstem,
    source_id: int,
    actor: str,
    action: str,
    allowed: tuple[str, ...],
    state: str,
    moment: str | None,
) -> None:
    now = now_utc()
    with writing(mainstem.engine) as connection:
        _in_state(connection, source_id, action, allowed)
        changes: dict[str, Any] = {"state": state, "error": None, "next_sync_at": None, "archived_at": None}
        if moment:
            changes[moment] = now
        connection.execute(SOURCE.update().where(SOURCE.c.id == source_id).values(changes))
        unfinished = RUN.c.state.in_(("queued", "running", "paused"))
        connection.execute(
            RUN.update()
            .where(RUN.c.source_id == source_id, unfinished)
            .values(state="cancelled", finished_at=now, error="The data source was disconnected")
        )
        audit(connection, actor, action, f"data source {source_id}")


def _in_state(connection: Connection, source_id: int, action: str, allowed: tuple[str, ...]) -> RowMapping:
    source = get_source(connection, source_id, lock=True)
    if source["state"] not in allowed:
        raise Conflict(f"{described(source)} and {_REFUSALS[action]}")
    return source


def reconnect(
    mainstem: Mainstem,
    source_id: int,
    actor: str,
    credentials: Mapping[str, str] | None = None,
    consent: Mapping[str, str] | None = None,
) -> None:
    """Connect a disconnected data source again, or one whose credentials died; its choices stay.

    A run that waited for it goes on; otherwise one is due at once.

    Args:
        mainstem: The system.
        source_id: The data source.
        actor: Who does it.
        credentials: New ones; None proves the stored ones again.
        consent: The query with which the vendor sent the admin back, instead of credentials.

    Raises:
        Invalid: The vendor refuses the credentials.
        Conflict: They open another account than before.
    """
    with mainstem.engine.connect() as connection:
        source = _in_state(connection, source_id, "reconnect", ("connected", "disconnected", "needs_attention"))
    config = config_of(mainstem, source)
    account = account_of(mainstem, source, config)
    manifest = mainstem.host.manifest(source["plugin"])
    if consent is not None:
        answers = consent
    else:
        answers = read_credentials(credentials, manifest) if credentials else dict(account.secrets)
    connected = open_account(mainstem, account, answers)
    if connected.remote_id != source["remote_id"]:
        raise Conflict(
            f"These credentials open {connected.name}, but {source['name']} is {source['account_name']}:"
            " connect the other account as a data source of its own"
        )
    now = now_utc()
    # What proved itself again is kept already, and may be renewed by a worker just now.
    is_new = connected.secrets != dict(account.secrets)
    secrets = {"secrets": mainstem.vault.seal(connected.secrets)} if is_new else {}
    with writing(mainstem.engine) as connection:
        _in_state(connection, source_id, "reconnect", ("connected", "disconnected", "needs_attention"))
        connection.execute(
            SOURCE.update()
            .where(SOURCE.c.id == source_id)
            .values(
                state="connected",
                error=None,
                account_name=connected.name,
                settings=dict(connected.settings),
                connected_at=now,
                next_sync_at=now,
                **secrets,
            )
        )
        # One that was not planned yet is queued again.
        state = case((RUN.c.started_at.is_(None), "queued"), else_="running")
        connection.execute(
            RUN.update().where(RUN.c.source_id == source_id, RUN.c.state == "paused").values(state=state, error=None)
        )
        audit(connection, actor, "reconnect", f"data source {source_id}")


def delete(mainstem: Mainstem, source_id: int, actor: str) -> None:
    """Remove an archived data source for good; people, organizations and activities stay.

    Raises:
        Conflict: It is not archived.
    """
    with writing(mainstem.engine) as connection:
        source = _in_state(connection, source_id, "delete", ("archived",))
        connection.execute(
            SOURCE.update().where(SOURCE.c.id == source_id).values(state="deleted", secrets="", since={}, config={})
        )
        audit(connection, actor, "delete", f"data source {source_id}", name=source["name"])
