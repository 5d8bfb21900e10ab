"""The sandbox: a stateful local Intercom, as a WSGI app or a server of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from core.contract.types import WebhookRequest
from plugins.intercom.sandbox import oauth
from plugins.intercom.sandbox.clock import Clock
from plugins.intercom.sandbox.errors import ApiError
from plugins.intercom.sandbox.examples import Examples
from plugins.intercom.sandbox.faults import Faults
from plugins.intercom.sandbox.gate import Gate
from plugins.intercom.sandbox.generate.plan import Plan
from plugins.intercom.sandbox.limits import Limiter
from plugins.intercom.sandbox.routes import companies, contacts, control, conversations, tickets, workspace
from plugins.intercom.sandbox.store import Store
from plugins.intercom.sandbox.transport import Transport
from plugins.intercom.sandbox.webhooks import Webhooks

MOST_TICKETS = 60


@dataclass(frozen=True)
class SandboxOptions:
    """How a sandbox is filled and how it behaves.

    Attributes:
        people: number of contacts.
        seed: chooses the data; one seed gives the same data all day.
        latency_ms: what every API request takes at least.
        rpm: requests a minute that the rate limit allows; 0 for no limit.
        webhook_url: where webhooks go; None records them only.
        faults: see `faults` and docs/sandbox.md.
        examples: folder of the vendor's published example payloads to answer with.
        client_id, client_secret: of the OAuth app; the secret signs webhooks.
        companies: None for about a tenth of `people`.
        conversations: None for about half of `people`.
        ties: everything was changed in the same second, as after a bulk change by the vendor.
    """

    people: int = 500
    seed: int = 1
    latency_ms: int = 0
    rpm: int = 10_000
    webhook_url: str | None = None
    faults: str = ""
    examples: Path | str | None = None
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 -- made up
    companies: int | None = None
    conversations: int | None = None
    ties: bool = False


class Sandbox:
    """A local Intercom.

    Attributes:
        app: the WSGI app, to be served or mounted in a process.
        credentials: what the API accepts, `{"access_token": "…"}`.
        client_id, client_secret: of the OAuth app.
        store: the workspace; its methods change it.
        searches: POST requests that change nothing in the workspace.
    """

    searches = frozenset({"/contacts/search", "/conversations/search", "/tickets/search", "/auth/eagle/token"})

    def __init__(self, options: SandboxOptions) -> None:
        """Raises FaultError for faults that are not understood."""
        clock = Clock()
        plan = _plan(options, clock)
        faults = Faults(options.seed)
        faults.add(options.faults)
        webhooks = Webhooks(options.webhook_url, options.client_secret, plan.workspace, clock)
        self.client_id, self.client_secret = options.client_id, options.client_secret
        self.store = Store(plan, clock, faults, webhooks)
        self.limiter = Limiter(options.rpm, clock)
        self.app = self._build(options)

    @property
    def credentials(self) -> dict[str, str]:
        return {"access_token": self.store.token}

    def environment(self, url: str) -> dict[str, str]:
        """The settings that point the connector at this sandbox, served at a base address."""
        base = url.rstrip("/")
        return {
            "INTERCOM_API_URL": base,
            "INTERCOM_APP_URL": base,
            "INTERCOM_CLIENT_ID": self.client_id,
            "INTERCOM_CLIENT_SECRET": self.client_secret,
        }

    def deliveries(self) -> list[WebhookRequest]:
        """Change something of every kind that webhooks tell of, and return what Intercom would send."""
        store = self.store
        before = len(store.webhooks.log)
        contact, *others = (found.fields["id"] for found, _ in zip(store.contacts, range(4), strict=False))
        new = store.create_contact(email="new@example.com", name="Nell New")
        lead = store.create_contact(role="lead", name="Lee Lead")
        store.update_contact(new, name="Nell Newer")
        store.tag_contact(others[0], next(iter(store.tags)))
        store.merge_contacts(lead, others[1])
        conversation = store.start_conversation(new, "Hello")
        store.reply(conversation, new, "Is anybody there?")
        store.close(conversation)
        store.update_company(store.create_company("Newly Founded"), industry="Kits")
        store.update_article(next(iter(store.articles)), title="A better title")
        store.delete_contact(others[2])
        store.update_contact(contact, phone="+49301234567")
        return [WebhookRequest(told.headers, told.body) for told in list(store.webhooks.log)[before:]]

    def serve(self, host: str, port: int) -> None:
        """Serve until SIGTERM or SIGINT; does not return."""
        from plugins.intercom.sandbox.server import Server  # gunicorn is needed only here

        Server(self.app, host, port, self.store.webhooks.start).run()

    def _build(self, options: SandboxOptions) -> Flask:
        app = Flask("intercom-sandbox", static_folder=None)
        store, gate = self.store, Gate(self.store, self.limiter)
        app.before_request(gate.check)
        app.after_request(gate.finish)
        if options.examples is not None:
            app.before_request(Examples(Path(options.examples)).answer)
        app.register_error_handler(ApiError, lambda error: error.response())
        app.register_error_handler(HTTPException, _http_error)
        app.register_blueprint(oauth.routes(store, options.client_id, options.client_secret))
        app.register_blueprint(control.routes(store, self.limiter))
        for topic in (contacts, companies, conversations, tickets, workspace):
            app.register_blueprint(topic.routes(store))
        app.wsgi_app = Transport(app.wsgi_app, store, options.latency_ms / 1000)  # type: ignore[assignment,method-assign]
        return app


def _plan(options: SandboxOptions, clock: Clock) -> Plan:
    people = options.people
    return Plan(
        seed=options.seed,
        now=clock.today(),
        people=people,
        companies=people // 10 if options.companies is None else options.companies,
        conversations=people // 2 if options.conversations is None else options.conversations,
        tickets=min(MOST_TICKETS, people // 10),
        ties=options.ties,
    )


def _http_error(error: HTTPException) -> Any:
    """Unknown paths and methods answer in Intercom's envelope."""
    if error.code == 404:
        return ApiError(404, "not_found", "The requested resource was not found").response()
    if error.code is not None and error.code >= 400:
        return ApiError(error.code, "client_error", error.name).response()
    return error.get_response() if error.response is None else Response(error.description)
