"""The Intercom plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

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
from plugins.base.mapping import text
from plugins.base.oauth import OAuth2
from plugins.base.pages import dig
from plugins.base.source import DataSource
from plugins.base.webhooks import split_secrets
from plugins.intercom import lookups, schema, webhooks
from plugins.intercom.articles import Articles, Collections
from plugins.intercom.client import IntercomClient, api_url, app_url
from plugins.intercom.companies import Companies
from plugins.intercom.contact_stream import Contacts
from plugins.intercom.conversations import Conversations
from plugins.intercom.fetching import fetch
from plugins.intercom.manifest import MANIFEST
from plugins.intercom.tickets import Tickets

WRONG_TOKEN = "Intercom refused this access token"  # noqa: S105 (a message)


class Intercom(DataSource):
    """Reads one Intercom workspace."""

    manifest = MANIFEST
    exempt = {
        "attributes_declared": "Intercom puts attributes of its own, such as “Copilot used”, among the custom ones of "
        "a conversation, and lists them nowhere",
        "fields_shown": "the people of the sandbox use no mobile app",
    }
    streams = (Contacts(), Companies(), Conversations(), Tickets(), Articles(), Collections())

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Take an access token, or go through consent, and ask ``/me`` which workspace it opens."""
        token = (answers.get("access_token") or "").strip()
        if token:
            return _prove(account, token, "access_token")
        client_id = account.environment.get("INTERCOM_CLIENT_ID")
        secrets = split_secrets(account.environment.get("INTERCOM_CLIENT_SECRET"))
        if not client_id or not secrets:
            wanted = "or set INTERCOM_CLIENT_ID and INTERCOM_CLIENT_SECRET to consent at Intercom"
            return Rejected({"access_token": f"Paste an access token, {wanted}"})
        consent = OAuth2(
            "Intercom", f"{app_url(account)}/oauth", f"{api_url(account)}/auth/eagle/token", client_id, secrets[0]
        )
        if not answers:
            return consent.redirect(account)
        outcome = consent.exchange(account, answers)
        if isinstance(outcome, Rejected):
            return outcome
        # Intercom's access tokens do not expire.
        return _prove(account, str(outcome["access_token"]), "")

    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        """See :func:`plugins.intercom.fetching.fetch`."""
        return fetch(account, refs, only_listed=True)

    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        """See :mod:`plugins.intercom.schema`."""
        return schema.read_schema(account)

    def import_team(self, account: Account) -> Roster:
        """All admins and teams; nobody where the app may not read them."""
        return lookups.read_roster(account)

    def merge(self, account: Account, object: str) -> MergePolicy:
        """People join by email, then external id; companies by Intercom's own id alone."""
        return MergePolicy(("email", "external_id")) if object == "contact" else MergePolicy()

    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        """See :func:`plugins.intercom.webhooks.verify`."""
        return webhooks.verify(request, environment)

    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        """See :func:`plugins.intercom.webhooks.read`."""
        return webhooks.read(account, deliveries)

    def sandbox(self, options: SandboxOptions) -> Sandbox:
        """Make a local Intercom; see ``mainstem sandbox intercom``."""
        # Loaded only here: nothing of it is needed to sync.
        from plugins.intercom import sandbox

        own = sandbox.SandboxOptions(
            people=options.people,
            seed=options.seed,
            latency_ms=options.latency_ms,
            rpm=options.rpm,
            webhook_url=options.webhook_url,
            faults=options.faults,
            examples=Path(options.examples) if options.examples else None,
            ties=options.ties,
        )
        # A property fulfils the protocol's attribute, which mypy takes for a settable one.
        return cast(Sandbox, sandbox.Sandbox(own))


def _prove(account: Account, token: str, answer: str) -> Connected | Rejected:
    """Ask ``/me`` what the token opens.

    Args:
        account: The draft.
        token: To be proven.
        answer: The answer that a refusal concerns.
    """
    try:
        me = IntercomClient(account, token).get("/me")
    except Reauthorise:
        return Rejected({answer: WRONG_TOKEN})
    except Refused as error:
        return Rejected({answer: str(error)})
    workspace = text(dig(me, "app", "id_code"))
    if not workspace:
        return Rejected(
            {answer: "Intercom did not say which workspace this token opens: take one of an app installed there"}
        )
    return Connected(
        remote_id=workspace,
        name=text(dig(me, "app", "name")) or workspace,
        settings={"region": text(dig(me, "app", "region")), "timezone": text(dig(me, "app", "timezone"))},
        secrets={"access_token": token},
    )
