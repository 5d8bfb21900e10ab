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
from plugins.base.oauth import OAuth2
from plugins.base.pages import dig
from plugins.base.source import DataSource
from plugins.zendesk import fetching, fields, team, webhooks
from plugins.zendesk.client import SUBDOMAIN, ZendeskClient, base_url
from plugins.zendesk.help_center import Articles, Collections
from plugins.zendesk.manifest import MANIFEST
from plugins.zendesk.people import Organizations, Users
from plugins.zendesk.tickets import Tickets

TYPED = ("subdomain", "email", "api_token")


class Zendesk(DataSource):
    """Reads one account of Zendesk."""

    manifest = MANIFEST
    streams = (Users(), Organizations(), Tickets(), Articles(), Collections())

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Take an admin's API token, or go through consent, and prove what was got by one request."""
        typed = {key: (answers.get(key) or "").strip() for key in TYPED}
        if not any(typed.values()):
            return _consent(account, answers)
        missing = {key: "Fill in subdomain, email and API token" for key, value in typed.items() if not value}
        if missing:
            return Rejected(missing)
        basic = base64.b64encode(f"{typed['email']}/token:{typed['api_token']}".encode()).decode()
        return _prove(account, typed["subdomain"], f"Basic {basic}", "subdomain", "api_token")

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


def _consent(account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
    """Go through consent. An OAuth client belongs to one account of Zendesk, which the operator names with it."""
    given = [account.environment.get(f"ZENDESK_{name}", "") for name in ("SUBDOMAIN", "CLIENT_ID", "CLIENT_SECRET")]
    if not all(given):
        wanted = "ZENDESK_SUBDOMAIN, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET"
        return Rejected({"": f"Fill in subdomain, email and API token, or set {wanted} to consent at Zendesk"})
    subdomain, client_id, secret = given
    url = base_url(account, subdomain)
    consent = OAuth2("Zendesk", f"{url}/oauth/authorizations/new", f"{url}/oauth/tokens", client_id, secret, ("read",))
    if not answers:
        return consent.redirect(account)
    outcome = consent.exchange(account, answers)
    if isinstance(outcome, Rejected):
        return outcome
    return _prove(account, subdomain, f"Bearer {outcome['access_token']}", "", "")


def _prove(account: Account, subdomain: str, authorization: str, place: str, secret: str) -> Connected | Rejected:
    """Ask who the credentials belong to.

    Args:
        account: The draft.
        subdomain: Of the account at Zendesk.
        authorization: To be proven.
        place: The answer that a wrong subdomain concerns.
        secret: The answer that a refusal concerns.
    """
    subdomain = subdomain.lower().removeprefix("https://").rstrip("/").removesuffix(".zendesk.com")
    # It becomes a part of the address that the credentials are sent to.
    if not SUBDOMAIN.fullmatch(subdomain):
        return Rejected({place: "Give the first part of your Zendesk's address: acme, if that is acme.zendesk.com"})
    try:
        me = ZendeskClient(account, subdomain, authorization).get("/api/v2/users/me.json")
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
        secrets={"authorization": authorization},
    )
