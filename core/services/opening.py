"""An account that was opened becomes a data source, unless as many as the plugin allows are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from core.contract.types import Account, Connected, FieldSpec, Manifest, Rejected
from core.db.bulk import lock_table
from core.db.engine import writing
from core.services.configuration import read_config
from core.services.errors import Conflict, Invalid
from core.services.fields import check_choices, store_schema
from core.services.mainstem import Mainstem
from core.services.sources import SOURCE, audit, now_utc


@dataclass(frozen=True, slots=True)
class Opened:
    """An account that was opened and is no data source yet.

    Attributes:
        plugin: Name of the plugin.
        config: The admin's choices, in the shape of ``sources connect --config`` less the credentials.
        connected: What the vendor said; its secrets may be left out.
        sealed: The secrets as the vault keeps them.
        schema: The fields that the account offers.
        draft_id: The draft that keeps it, if it was opened before.
    """

    plugin: str
    config: Mapping[str, Any]
    connected: Connected
    sealed: str = field(repr=False)
    schema: Sequence[FieldSpec] = ()
    draft_id: int | None = None

    def row(self, manifest: Manifest) -> dict[str, Any]:
        """Return the row of ``data_source`` that it would be, with 0 for its id."""
        now = now_utc()
        return {
            "id": 0,
            "plugin": self.plugin,
            "name": self.config.get("name") or manifest.title,
            "state": "connected",
            "remote_id": self.connected.remote_id,
            "account_name": self.connected.name,
            "settings": dict(self.connected.settings),
            "secrets": self.sealed,
            "config": dict(self.config),
            "since": {},
            "renew": {},
            "renewing_until": None,
            "error": None,
            "created_at": now,
            "connected_at": now,
            "disconnected_at": None,
            "archived_at": None,
            "next_sync_at": None,
        }


def activate(
    mainstem: Mainstem, opened: Opened, actor: str, meanwhile: Callable[[Connection], None] = lambda connection: None
) -> int:
    """Make an opened account a data source.

    Args:
        mainstem: The system.
        opened: The account and the choices.
        actor: Who does it.
        meanwhile: Called in the same transaction.

    Returns:
        The id of the new data source.

    Raises:
        Conflict: The account, or as many as the plugin allows, is connected already.
        Invalid: The choices are incomplete or do not fit the account.
    """
    with writing(mainstem.engine) as connection:
        # Two admins may be at it: only one of them may find that there is none yet.
        lock_table(connection, SOURCE)
        manifest = mainstem.host.manifest(opened.plugin)
        _refuse_another(connection, manifest)
        source_id = insert(connection, mainstem, opened)
        # An account that is taken up again may be called otherwise from now on.
        name, account = opened.row(manifest)["name"], opened.connected.remote_id
        audit(
            connection, actor, "connect", f"data source {source_id}", name=name, plugin=opened.plugin, account=account
        )
        meanwhile(connection)
    return source_id


def insert(connection: Connection, mainstem: Mainstem, opened: Opened) -> int:
    """Store an opened account as a data source; one that was connected and deleted before gets its old id.

    Args:
        connection: A write transaction.
        mainstem: The system.
        opened: The account and the choices.

    Returns:
        The id.
    """
    manifest = mainstem.host.manifest(opened.plugin)
    choices, _ = read_config(opened.config, manifest)
    check_choices(manifest, opened.schema, choices)
    row = {key: value for key, value in opened.row(manifest).items() if key != "id"}
    source_id = _store(connection, row, manifest.title)
    store_schema(connection, source_id, opened.schema, choices.objects, row["created_at"])
    return source_id


def _store(connection: Connection, row: Mapping[str, Any], title: str) -> int:
    theirs = select(SOURCE.c.id, SOURCE.c.state).where(
        SOURCE.c.plugin == row["plugin"], SOURCE.c.remote_id == row["remote_id"]
    )
    before = connection.execute(theirs).one_or_none()
    if before is None:
        return int(connection.execute(SOURCE.insert().returning(SOURCE.c.id), row).scalar_one())
    if before.state != "deleted":
        raise Conflict(f"The {title} account {row['account_name']} is already connected")
    # What is here from before goes by the retention that was chosen now.
    again = {**row, "next_sweep_at": row["created_at"]}
    connection.execute(SOURCE.update().where(SOURCE.c.id == before.id).values(again))
    return int(before.id)


def open_account(mainstem: Mainstem, account: Account, answers: Mapping[str, str]) -> Connected:
    """Ask the plugin which account these answers open.

    Raises:
        Invalid: None, or the admin's consent is needed, which only a browser can give.
    """
    answer = mainstem.host.source(account.plugin).connect(account=account, answers=answers)
    if isinstance(answer, Rejected):
        raise Invalid(dict(answer.errors))
    if not isinstance(answer, Connected):
        raise Invalid({"credentials": "give credentials, or connect in the web admin to consent at the vendor"})
    return answer


def blocking(connection: Connection, manifests: Iterable[Manifest]) -> dict[str, int]:
    """Return the plugins of which no other account may be connected, each with a data source that is in the way."""
    ids: dict[str, list[int]] = {}
    present = select(SOURCE.c.plugin, SOURCE.c.id).where(SOURCE.c.state != "deleted")
    for plugin, id in connection.execute(present.order_by(SOURCE.c.id)):
        ids.setdefault(plugin, []).append(id)
    return {
        manifest.name: ids[manifest.name][0]
        for manifest in manifests
        if manifest.max_accounts is not None and len(ids.get(manifest.name, ())) >= manifest.max_accounts
    }


def refuse_another(mainstem: Mainstem, plugin: str) -> None:
    """Check that an account of this plugin may be connected.

    Raises:
        Conflict: As many as the plugin allows are connected already.
    """
    with mainstem.engine.connect() as connection:
        _refuse_another(connection, mainstem.host.manifest(plugin))


def _refuse_another(connection: Connection, manifest: Manifest) -> None:
    if blocking(connection, [manifest]):
        raise Conflict(already_connected(manifest))


def already_connected(manifest: Manifest) -> str:
    """Return what is said when no other account of this plugin may be connected."""
    return (
        f"Data source already connected: disconnect, archive and delete the existing {manifest.title} connection first"
    )
