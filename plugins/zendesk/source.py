"""The Zendesk plugin."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from core.contract.errors import Reauthorise, Refused
from core.contract.types import (
    Account,
    Connected,
    Delivery,
    FieldSpec,
    MergePolicy,
    Page,
    Redirect,
    Ref,
    Rejected,
    Roster,
    Sandbox,
    SandboxOptions,
    WebhookRequest,
)
from plugins.base.oauth import tokens
from plugins.base.pages import dig
from plugins.base.source import DataSource
from plugins.zendesk import fetching, fields, team, webhooks
from plugins.zendesk.client import SUBDOMAIN, ZendeskClient, consent
from plugins.zendesk.help_center import Articles, Collections
from plugins.zendesk.manifest import MANIFEST
from plugins.zendesk.people import Organizations, Users
from plugins.zendesk.tickets import Tickets

TYPED = ("subdomain", "email", "api_token")
WRONG_SUBDOMAIN = "Give the first part of your Zendesk's address: acme, if that is acme.zendesk.com"


class Zendesk(DataSource):
    """Reads one account of Zendesk."""

    manifest = MANIFEST
    streams = (Users(), Organizations(), Tickets(), Articles(), Collections())

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Take an admin's API token, or go through consent, and prove what was got by one request."""
        if answers and answers == account.secrets:
            return _prove(account, str(account.settings["subdomain"]), account.secrets, "", "")
        typed = {key: (answers.get(key) or "").strip() for key in TYPED}
        subdomain = _subdomain(typed["subdomain"] or str(account.settings.get("subdomain") or ""))
        if not typed["email"] and not typed["api_token"]:
            return _consent(account, answers, subdomain)
        missing = {key: "Fill in subdomain, email and API token" for key, value in typed.items() if not value}
        if missing:
            return Rejected(missing)
        if not SUBDOMAIN.fullmatch(subdomain):
            return Rejected({"subdomain": WRONG_SUBDOMAIN})
        basic = base64.b64encode(f"{typed['email']}/token:{typed['api_token']}".encode()).decode()
        return _prove(account, subdomain, {"authorization": f"Basic {basic}"}, "subdomain", "api_token")

    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        """See :func:`plugins.zendesk.fetching.fetch`."""
        return fetching.fetch(account, refs)

    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        """See :mod:`plugins.zendesk.fields`."""
        return fields.read_schema(account)

    def import_team(self, account: Account) -> Roster:
        """All agents, admins and groups."""
        return team.read_roster(account)

    def merge(self, account: Account, object: str) -> MergePolicy:
        """People join by email, then external id; organizations by Zendesk's own id alone."""
        return MergePolicy(("email", "external_id")) if object == "user" else MergePolicy()

    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        """See :func:`plugins.zendesk.webhooks.verify`."""
        return webhooks.verify(request, environment)

    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        """See :func:`plugins.zendesk.webhooks.read`."""
        return webhooks.read(account, deliveries)

    def sandbox(self, options: SandboxOptions) -> Sandbox:
        """Make a local Zendesk; see ``mainstem sandbox zendesk``."""
        # Loaded only here: nothing of it is needed to sync.
        from plugins.zendesk.sandbox import ZendeskSandbox

        return ZendeskSandbox(options)


def _subdomain(given: str) -> str:
    return given.lower().removeprefix("https://").rstrip("/").removesuffix(".zendesk.com")


def _consent(account: Account, answers: Mapping[str, str], subdomain: str) -> Connected | Redirect | Rejected:
    """Go through consent, at the address of ``subdomain``."""
    if not all(account.environment.get(f"ZENDESK_CLIENT_{part}") for part in ("ID", "SECRET")):
        wanted = "ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET"
        return Rejected({"": f"Fill in subdomain, email and API token, or set {wanted} to consent at Zendesk"})
    # It becomes a part of the address that the credentials are sent to.
    if not SUBDOMAIN.fullmatch(subdomain):
        return Rejected({"subdomain": WRONG_SUBDOMAIN})
    if "code" not in answers and "error" not in answers:
        return consent(account, subdomain).redirect(account, {"subdomain": subdomain})
    outcome = consent(account, subdomain).exchange(account, answers)
    return outcome if isinstance(outcome, Rejected) else _prove(account, subdomain, tokens(outcome), "", "")


def _prove(
    account: Account, subdomain: str, secrets: Mapping[str, str], place: str, secret: str
) -> Connected | Rejected:
    """Ask who the credentials belong to.

    Args:
        account: The draft, or the data source that is reconnected.
        subdomain: Of the account at Zendesk.
        secrets: To be proven; the account's own are renewed if they need it.
        place: The answer that a wrong subdomain concerns.
        secret: The answer that a refusal concerns.
    """
    own = secrets is account.secrets
    try:
        me = ZendeskClient(account, subdomain, None if own else secrets).get("/api/v2/users/me.json")
    except Reauthorise:
        return Rejected({secret: "Zendesk refused this: check email and token, and that token access is switched on"})
    except Refused as error:
        return Rejected({place: str(error)})
    if dig(me, "user", "role") != "admin":
        return Rejected({secret: "This is no admin at Zendesk, which lets nobody else export users and tickets"})
    return Connected(
        remote_id=subdomain,
        name=f"{subdomain}.zendesk.com",
        settings={"subdomain": subdomain},
        secrets=dict(secrets),
    )
