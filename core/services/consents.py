"""An admin goes to a vendor to consent, and comes back once, in time and as the same admin (R3).

The vendor brings back a ``state`` that we made: signed, of one use, for ten minutes, bound to who was sent away, to
her browser, and to the draft or data source that waits for the answer.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid4

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import Connection, Row, select

from core.contract.types import Account, Redirect, Rejected
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import Consent
from core.host import BadAnswer
from core.services.accounts import account_of, draft_account
from core.services.errors import Invalid, ServiceError
from core.services.mainstem import Mainstem
from core.services.sources import config_of, get_source, now_utc

CONSENT = table_of(Consent)
LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a consent: a draft, or a data source to be reconnected."""

    draft_id: int | None = None
    source_id: int | None = None


@dataclass(frozen=True, slots=True)
class Traveller:
    """Who is sent to the vendor.

    Attributes:
        user_id: The user.
        browser: A secret that only her browser's session holds.
    """

    user_id: int
    browser: str

    @property
    def mark(self) -> str:
        """What the state carries of the browser."""
        return sha256(self.browser.encode()).hexdigest()[:32]


class ConsentError(ServiceError):
    """A state cannot be taken.

    Attributes:
        waiting: What it was for, as far as that may be told.
    """

    def __init__(self, message: str, waiting: Waiting | None = None) -> None:
        super().__init__(message)
        self.waiting = waiting


def offered(mainstem: Mainstem, plugin: str) -> Literal["consent", "token", "both"]:
    """Return how an account of a plugin can be connected here: consent needs its variables to be set."""
    manifest = mainstem.host.manifest(plugin)
    if manifest.auth == "token":
        return "token"
    answer = _ask(mainstem, draft_account(mainstem, plugin), {})
    # A plugin that misses nothing but what it may ask for is ready.
    misses = set(answer.errors) if isinstance(answer, Rejected) else {""}
    consents = isinstance(answer, Redirect) or misses <= set(manifest.consent_asks)
    if manifest.auth == "oauth":
        return "consent"
    return "both" if consents else "token"


def begin(
    mainstem: Mainstem, plugin: str, waiting: Waiting, who: Traveller, answers: Mapping[str, str] | None = None
) -> str:
    """Return the address of the vendor's consent page.

    Args:
        mainstem: The system.
        plugin: Name of the plugin.
        waiting: What waits for the consent.
        who: Who is sent to the vendor.
        answers: To the manifest's ``consent_asks``.

    Raises:
        Invalid: An answer is missing or wrong, or consent is not possible here; the message names the variables to set.
    """
    answer = _ask(mainstem, _account(mainstem, plugin, waiting), answers or {})
    if isinstance(answer, Rejected) and set(answer.errors) <= set(mainstem.host.manifest(plugin).consent_asks):
        raise Invalid(answer.errors)
    if not isinstance(answer, Redirect):
        variables = ", ".join(variable.name for variable in mainstem.host.manifest(plugin).environment)
        raise Invalid({"": f"Consent is not set up on this installation: set {variables}, or paste credentials"})
    id, now = uuid4(), now_utc()
    row = {
        "id": id,
        "draft_id": waiting.draft_id,
        "source_id": waiting.source_id,
        "user_id": who.user_id,
        "kept": mainstem.vault.seal(answer.keep) if answer.keep else "",
        "expires_at": now + LIFETIME,
    }
    with writing(mainstem.engine) as connection:
        connection.execute(CONSENT.delete().where(CONSENT.c.expires_at < now - LIFETIME))
        connection.execute(CONSENT.insert().values(row))
    state = _signer(mainstem).dumps([id.hex, plugin, who.mark])
    parts = urlsplit(answer.url)
    query = "&".join(part for part in (parts.query, urlencode({"state": state})) if part)
    return urlunsplit(parts._replace(query=query))


def _account(mainstem: Mainstem, plugin: str, waiting: Waiting) -> Account:
    """Return the account that waits: one that was connected before knows the answers that were given then."""
    if waiting.source_id is None:
        return draft_account(mainstem, plugin)
    with mainstem.engine.connect() as connection:
        source = get_source(connection, waiting.source_id)
    return account_of(mainstem, source, config_of(mainstem, source))


def _ask(mainstem: Mainstem, account: Account, answers: Mapping[str, str]) -> object:
    try:
        return mainstem.host.source(account.plugin).connect(account=account, answers=answers)
    except (BadAnswer, KeyError):
        # A plugin that knows no consent need not be ready for a call without answers.
        return None


def accept(
    mainstem: Mainstem, plugin: str, query: Mapping[str, str], who: Traveller
) -> tuple[Waiting, Mapping[str, str]]:
    """Take the callback's query, whose ``state`` is used up thereby.

    Returns:
        What waits for it, and the answers for the plugin: the query with what the plugin let us keep.

    Raises:
        ConsentError: The state is not ours, somebody else's, too old, or was used before.
    """
    answers = dict(query)
    state = answers.pop("state", "")
    try:
        id, made_for, mark = _signer(mainstem).loads(state)
    except (BadSignature, ValueError):
        raise ConsentError("This answer was not asked for: Mainstem did not send anybody away with it") from None
    if made_for != plugin or not hmac.compare_digest(mark, who.mark):
        raise ConsentError("This consent was begun in another browser or by somebody else")
    with writing(mainstem.engine) as connection:
        row = _take(connection, UUID(id))
    if row is None:
        raise ConsentError("This consent was used before, or is no longer waited for")
    waiting = Waiting(row.draft_id, row.source_id)
    if row.user_id != who.user_id:
        raise ConsentError("This consent was begun in another browser or by somebody else")
    if row.expires_at < now_utc():
        minutes = int(LIFETIME.total_seconds() // 60)
        raise ConsentError(f"This consent came back too late: it is waited for {minutes} minutes", waiting)
    return waiting, answers | mainstem.vault.open(row.kept)


def _take(connection: Connection, id: UUID) -> Row[Any] | None:
    row = connection.execute(select(CONSENT).where(CONSENT.c.id == id).with_for_update()).one_or_none()
    connection.execute(CONSENT.delete().where(CONSENT.c.id == id))
    return row


def _signer(mainstem: Mainstem) -> URLSafeSerializer:
    return URLSafeSerializer(mainstem.settings.secret_key, salt="consent")
