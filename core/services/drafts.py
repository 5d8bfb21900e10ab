"""Data sources that are being set up: an account is opened, choices are made step by step, then it is activated (R5).

A draft is a row of the database, so that it can be left and taken up again anywhere. It counts as connected nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from core.contract.errors import Refused
from core.contract.types import Account, Connected, FieldSpec, Manifest, Roster, Team, TeamUser
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Draft
from core.host import Host
from core.services.accounts import account_of, draft_account
from core.services.configuration import read_config, read_credentials
from core.services.errors import Conflict, Invalid, NotFound
from core.services.fields import check_choices, schema_of
from core.services.mainstem import Mainstem
from core.services.opening import Opened, activate, open_account, refuse_another
from core.services.sampling import sample
from core.services.searching import mentions, vendor_title
from core.services.sources import now_utc

DRAFT = table_of(Draft)

SECTIONS = ("objects", "teams", "retention", "selection", "merge")
"""The sections of a configuration that steps answer, in their order."""


def list_drafts(connection: Connection, host: Host, text: str = "") -> Sequence[RowMapping]:
    """Return the rows of drafts, the eldest first: those whose account or vendor is called by each word of ``text``."""
    meant = mentions(text, DRAFT.c.account_name, vendor_title(host, DRAFT.c.plugin))
    return connection.execute(select(DRAFT).where(*meant).order_by(DRAFT.c.id)).mappings().all()


def get_draft(connection: Connection, draft_id: int, *, lock: bool = False) -> RowMapping:
    """Return the row of a draft, held until the transaction ends if ``lock``.

    Raises:
        NotFound: There is none of this id.
    """
    statement = select(DRAFT).where(DRAFT.c.id == draft_id)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    if row is None:
        raise NotFound("This set-up is no longer there: it was finished or discarded")
    return row


def create(mainstem: Mainstem, plugin: str, config: Mapping[str, Any], actor: str) -> int:
    """Begin to set up an account of a plugin that is not opened yet; one that the actor left unopened is replaced.

    Args:
        mainstem: The system.
        plugin: Name of the plugin.
        config: Choices made so far.
        actor: Who does it.

    Raises:
        Conflict: As many accounts as the plugin allows are connected already.
        Invalid: A choice is wrong.
    """
    read_config(config, mainstem.host.manifest(plugin))
    refuse_another(mainstem, plugin)
    now = now_utc()
    row = {"plugin": plugin, "config": dict(config), "created_by": actor, "created_at": now, "updated_at": now}
    with writing(mainstem.engine) as connection:
        theirs = (DRAFT.c.plugin == plugin, DRAFT.c.created_by == actor, DRAFT.c.remote_id.is_(None))
        connection.execute(DRAFT.delete().where(*theirs))
        return int(connection.execute(DRAFT.insert().returning(DRAFT.c.id), row).scalar_one())


def open_with_credentials(
    mainstem: Mainstem, plugin: str, config: Mapping[str, Any], credentials: Mapping[str, str], actor: str
) -> int:
    """Begin to set up the account that pasted credentials open; nothing is stored if they open none.

    Returns:
        The id of the draft.

    Raises:
        Conflict: As many accounts as the plugin allows are connected already.
        Invalid: A choice is wrong, or the vendor refuses the credentials.
        core.contract.errors.SourceError: The vendor cannot answer, or does not let what is needed be read.
    """
    manifest = mainstem.host.manifest(plugin)
    answers = read_credentials(credentials, manifest)
    read_config(config, manifest)
    refuse_another(mainstem, plugin)
    found = _open(mainstem, plugin, config, answers)
    draft_id = create(mainstem, plugin, config, actor)
    _update(mainstem, draft_id, lambda row: found)
    return draft_id


def open_with_consent(mainstem: Mainstem, draft_id: int, answers: Mapping[str, str]) -> None:
    """Open the account that an admin consented to.

    Args:
        mainstem: The system.
        draft_id: The draft that waits for it.
        answers: The query with which the vendor sent her back.

    Raises:
        Invalid: She refused, or the vendor refuses the answers.
        core.contract.errors.SourceError: The vendor cannot answer, or does not let what is needed be read.
    """
    with mainstem.engine.connect() as connection:
        draft = get_draft(connection, draft_id)
    found = _open(mainstem, draft["plugin"], draft["config"], answers)
    _update(mainstem, draft_id, lambda row: found)


def _open(mainstem: Mainstem, plugin: str, config: Mapping[str, Any], answers: Mapping[str, str]) -> Mapping[str, Any]:
    """Open an account and look at what it offers."""
    connected = open_account(mainstem, draft_account(mainstem, plugin), answers)
    opened = Opened(plugin, config, connected, mainstem.vault.seal(connected.secrets))
    account = _account(mainstem, opened)
    manifest = mainstem.host.manifest(plugin)
    required = [spec.key for spec in manifest.objects if spec.required]
    # Better to hear now that what is needed may not be read than at night.
    sample(mainstem, account, required, pages=1)
    return {
        "remote_id": connected.remote_id,
        "account_name": connected.name,
        "settings": dict(connected.settings),
        "secrets": opened.sealed,
        **_offer(mainstem, account, manifest),
    }


def _account(mainstem: Mainstem, opened: Opened) -> Account:
    manifest = mainstem.host.manifest(opened.plugin)
    everything, _ = read_config({}, manifest)
    return account_of(mainstem, opened.row(manifest), everything, draft_id=opened.draft_id)


def account_of_draft(mainstem: Mainstem, draft: RowMapping) -> Account:
    """Return the account of an opened draft, as its plugin sees it.

    Raises:
        Conflict: It is not opened yet.
    """
    return _account(mainstem, opened_of(draft))


def _offer(mainstem: Mainstem, account: Account, manifest: Manifest) -> dict[str, Any]:
    """Return what the account offers now."""
    roster, problem = Roster(), None
    if manifest.teams:
        try:
            roster = mainstem.host.source(account.plugin).import_team(account=account)
        except Refused as error:
            problem = str(error)
    fields = [asdict(spec) for spec in schema_of(mainstem, account)]
    return {"fields": fields, "roster": asdict(roster), "problem": problem}


def refresh(mainstem: Mainstem, draft_id: int) -> None:
    """Look again at what the account offers.

    Raises:
        Conflict: The account is not opened yet.
        core.contract.errors.SourceError: The vendor cannot answer.
    """
    with mainstem.engine.connect() as connection:
        draft = get_draft(connection, draft_id)
    account = account_of_draft(mainstem, draft)
    found = _offer(mainstem, account, mainstem.host.manifest(draft["plugin"]))
    _update(mainstem, draft_id, lambda row: found)


def choose(mainstem: Mainstem, draft_id: int, choices: Mapping[str, Any]) -> None:
    """Keep the answers of a step.

    Args:
        mainstem: The system.
        draft_id: The draft.
        choices: Sections of the configuration.

    Raises:
        Invalid: An answer is wrong, or does not fit the account.
    """

    def chosen(draft: RowMapping) -> Mapping[str, Any]:
        manifest = mainstem.host.manifest(draft["plugin"])
        config = {**draft["config"], **choices}
        read, _ = read_config(config, manifest)
        if draft["remote_id"] is not None:
            check_choices(manifest, schema_in(draft), read)
        return {"config": config}

    _update(mainstem, draft_id, chosen)


def _update(mainstem: Mainstem, draft_id: int, change: Callable[[RowMapping], Mapping[str, Any]]) -> None:
    with writing(mainstem.engine) as connection:
        draft = get_draft(connection, draft_id, lock=True)
        values = {**change(draft), "updated_at": now_utc()}
        connection.execute(DRAFT.update().where(DRAFT.c.id == draft_id).values(values))


def discard(mainstem: Mainstem, draft_id: int) -> None:
    """Forget a draft and its credentials."""
    with writing(mainstem.engine) as connection:
        connection.execute(DRAFT.delete().where(DRAFT.c.id == draft_id))


def finish(mainstem: Mainstem, draft_id: int, actor: str) -> int:
    """Make a draft a data source.

    Returns:
        The id of the data source.

    Raises:
        Conflict: The account is not opened yet, as many as the plugin allows are connected already, or its
            credentials were renewed meanwhile.
        Invalid: The choices do not fit the account any more.
        NotFound: Somebody else finished it.
    """
    with mainstem.engine.connect() as connection:
        opened = opened_of(get_draft(connection, draft_id))

    def remove(connection: Connection) -> None:
        if get_draft(connection, draft_id, lock=True)["secrets"] != opened.sealed:
            raise Conflict("The credentials were renewed just now: finish once more")
        connection.execute(DRAFT.delete().where(DRAFT.c.id == draft_id))

    return activate(mainstem, opened, actor, remove)


def opened_of(draft: RowMapping) -> Opened:
    """Return the account and the choices of a draft.

    Raises:
        Conflict: It is not opened yet.
    """
    if draft["remote_id"] is None:
        raise Conflict("The account is not connected yet: go back to the first step and choose Connect")
    connected = Connected(draft["remote_id"], draft["account_name"], draft["settings"])
    return Opened(draft["plugin"], draft["config"], connected, draft["secrets"], schema_in(draft), draft["id"])


def schema_in(draft: RowMapping) -> list[FieldSpec]:
    """Return the fields that the account offered when it was looked at last."""
    return [FieldSpec(**{**spec, "options": tuple(spec["options"])}) for spec in draft["fields"]]


def roster_in(draft: RowMapping) -> Roster:
    """Return the users and teams that the account had when it was looked at last."""
    given = draft["roster"]
    return Roster(
        users=tuple(TeamUser(**user) for user in given.get("users", ())),
        teams=tuple(Team(**{**team, "members": tuple(team["members"])}) for team in given.get("teams", ())),
    )


def credentials_errors(error: Invalid) -> dict[str, str]:
    """Return what is wrong by credential: plugins name the bare key, our own check the dotted path."""
    return {key.removeprefix("credentials."): text for key, text in error.errors.items()}
