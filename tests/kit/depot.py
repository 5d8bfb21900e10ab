"""A small vendor with its sandbox, and a plugin that keeps every rule of the contract."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from flask import Flask, abort, redirect, request
from marshmallow import Schema, fields

from core.contract.errors import Reauthorise, Restart
from core.contract.types import (
    Account,
    Activity,
    ActivitySpec,
    Connected,
    Cursor,
    Delivery,
    EnvVar,
    FieldSpec,
    Manifest,
    MergePolicy,
    ObjectSpec,
    Page,
    Partition,
    Record,
    Redirect,
    Ref,
    Rejected,
    Roster,
    SandboxOptions,
    Team,
    TeamUser,
    WebhookRequest,
)
from plugins.base.client import ApiClient, Declined, NotFound
from plugins.base.mapping import map_each, moment
from plugins.base.oauth import OAuth2
from plugins.base.pages import next_cursor, next_page
from plugins.base.source import DataSource, Stream
from plugins.base.webhooks import check_signature

SIZE = 6
TOKEN = "depot-token-1"
SECRET = "depot-signing-secret"
BORN = 1_700_000_000


class Sandbox:
    """The vendor: people in pages by cursor, firms in pages by number."""

    searches = frozenset({"/oauth/token"})

    def __init__(self, options: SandboxOptions) -> None:
        self.credentials = {"token": TOKEN}
        self.people: dict[str, dict[str, Any]] = {
            f"p{number}": {
                "id": f"p{number}",
                "email": f"p{number}@example.com",
                "first_name": f"Pat {number}",
                "seats": number,
                "firm": f"f{number % 4}",
                "created_at": BORN,
                "changed_at": BORN if options.ties else BORN + number * 60,
            }
            for number in range(options.people)
        }
        self.firms = [{"id": f"f{number}", "name": f"Firm {number}", "changed_at": BORN} for number in range(4)]
        self.calls: list[dict[str, Any]] = []
        self.app = self._build()

    def environment(self, url: str) -> Mapping[str, str]:
        return {"DEPOT_URL": url, "DEPOT_SECRET": SECRET, "DEPOT_CLIENT_ID": "depot-app"}

    def serve(self, host: str, port: int) -> None:
        self.app.run(host, port)

    def deliveries(self) -> Sequence[WebhookRequest]:
        for number in range(2):
            self.people[f"p{number}"] |= {"first_name": "Changed", "changed_at": BORN + 10**6 + number}
            self._call("person.changed", f"p{number}")
        del self.people["p2"]
        self._call("person.deleted", "p2")
        return [self._signed(call) for call in self.calls]

    def _call(self, topic: str, person: str) -> None:
        body = {"id": f"e{len(self.calls)}", "shop": "depot-1", "topic": topic, "person": self.people.get(person)}
        self.calls.append({**body, "person_id": person})

    def _signed(self, call: dict[str, Any]) -> WebhookRequest:
        body = json.dumps(call).encode()
        return WebhookRequest({"X-Depot": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}, body)

    def _build(self) -> Flask:
        app = Flask("depot")

        @app.before_request
        def check() -> Any:
            if not request.path.startswith("/oauth") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
                abort(401)

        @app.get("/oauth")
        def consent() -> Any:
            return redirect(f"{request.args['redirect_uri']}?code=good&state={request.args['state']}")

        @app.post("/oauth/token")
        def token() -> Any:
            return {"access_token": TOKEN} if request.form.get("code") == "good" else ({}, 400)

        @app.get("/me")
        def me() -> Any:
            return {"id": "depot-1", "name": "Depot"}

        @app.get("/staff")
        def staff() -> Any:
            return {"staff": [{"id": "7", "email": "eve@depot.example", "name": "Eve"}]}

        @app.get("/people")
        def people() -> Any:
            rows = sorted(self.people.values(), key=lambda row: (row["changed_at"], int(row["id"][1:])))
            rows = [row for row in rows if row["changed_at"] >= int(request.args.get("since", 0))]
            rows = [row for row in rows if row["changed_at"] > int(request.args.get("changed_after", 0))]
            rows = [row for row in rows if row["created_at"] >= int(request.args.get("created_since", 0))]
            start = int(request.args.get("offset", 0))
            try:
                start = start or int(urlsafe_b64decode(request.args.get("after", "MA==")))
            except ValueError:
                abort(410)
            end = start + SIZE
            after = urlsafe_b64encode(str(end).encode()).decode() if end < len(rows) else None
            return {"people": rows[start:end], "after": after, "total": len(rows)}

        @app.get("/people/<key>")
        def person(key: str) -> Any:
            return self.people.get(key) or abort(404)

        @app.put("/people/<key>/seen")
        def seen(key: str) -> Any:
            return {}

        @app.get("/firms")
        def firms() -> Any:
            page = int(request.args.get("page", 1))
            return {"firms": self.firms[2 * page - 2 : 2 * page], "pages": 2}

        return app


class Credentials(Schema):
    token = fields.String(metadata={"label": "Token", "help": "Under Settings, API.", "secret": True})


class Client(ApiClient):
    vendor = "The depot"

    def __init__(self, account: Account, token: str | None = None) -> None:
        bearer = token or account.secrets["token"]
        super().__init__(account, account.environment["DEPOT_URL"], {"Authorization": f"Bearer {bearer}"})


class People(Stream):
    object = "person"

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        return [Partition("person", start={"since": int(since.timestamp()) if since else 0})]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        try:
            body = Client(account).get("/people", self.query(cursor))
        except Declined as error:
            if error.status == 410:
                raise Restart("The depot has forgotten where we were") from None
            raise
        return Page(map_each("person", body["people"], self.map), next=self.following(cursor, body))

    def query(self, cursor: Cursor) -> dict[str, str | int]:
        return dict(cursor)

    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        after = next_cursor(body, "after")
        return {**cursor, "after": after} if after else None

    def map(self, payload: Any) -> Record:
        changed = moment(payload["changed_at"])
        assert changed is not None
        met = Activity("met", f"met:{payload['id']}", changed, (Ref("person", payload["id"]),), None, {"place": "shop"})
        return Record(
            "person",
            payload["id"],
            changed,
            moment(payload["created_at"]),
            values={"email": payload["email"], "first_name": payload["first_name"]},
            fields={"seats": payload["seats"]},
            organizations=(Ref("firm", payload["firm"]),),
            activities=(met,),
            payload=payload,
        )


class Firms(Stream):
    object = "firm"

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        page = cursor.get("page", 1)
        body = Client(account).get("/firms", {"page": page})
        records = map_each(
            "firm",
            body["firms"],
            lambda p: Record("firm", p["id"], moment(p["changed_at"]), values={"name": p["name"]}),
        )
        following = next_page(page, body["pages"])
        return Page(records, next={"page": following} if following else None)


class Depot(DataSource):
    """Keeps every rule."""

    manifest = Manifest(
        name="depot",
        title="Depot",
        category="Tests",
        description="Imports the people and firms of a depot.",
        needs=("A depot.",),
        icon="<svg/>",
        auth="oauth_or_token",
        credentials=Credentials,
        objects=(
            ObjectSpec("person", "People", "person", description="People."),
            ObjectSpec("firm", "Firms", "organization", description="Firms."),
        ),
        activities=(ActivitySpec("met", "Met", "person", attributes={"place": "text"}),),
        environment=(
            EnvVar("DEPOT_URL", "Where the depot is.", kind="url"),
            EnvVar("DEPOT_SECRET", "Signs webhooks.", secret=True),
            EnvVar("DEPOT_CLIENT_ID", "Our app."),
        ),
        webhooks=True,
        teams=True,
        deletes=True,
    )
    streams = (People(), Firms())

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        token = answers.get("token")
        if not token:
            outcome = self.consent(account, answers)
            if not isinstance(outcome, str):
                return outcome
            token = outcome
        return self.prove(account, token)

    def consent(self, account: Account, answers: Mapping[str, str]) -> str | Redirect | Rejected:
        url = account.environment["DEPOT_URL"]
        consent = OAuth2("The depot", f"{url}/oauth", f"{url}/oauth/token", "depot-app", SECRET)
        if not answers:
            return consent.redirect(account)
        outcome = consent.exchange(account, answers)
        return outcome if isinstance(outcome, Rejected) else str(outcome["access_token"])

    def prove(self, account: Account, token: str) -> Connected | Rejected:
        try:
            me = Client(account, token).get("/me")
        except Reauthorise:
            return Rejected({"token": "The depot refused it: copy it again"})
        return Connected(me["id"], me["name"], settings={"zone": "UTC"}, secrets={"token": token})

    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return [
            FieldSpec("person", "email", "Email", feeds="email"),
            FieldSpec("person", "first_name", "First name", feeds="first_name"),
            FieldSpec("person", "seats", "Seats", "integer"),
        ]

    def import_team(self, account: Account) -> Roster:
        staff = Client(account).get("/staff")["staff"]
        users = tuple(TeamUser(row["id"], row["email"], row["name"]) for row in staff)
        return Roster(users, (Team("1", "All", tuple(user.remote_id for user in users)),))

    def merge(self, account: Account, object: str) -> MergePolicy:
        return MergePolicy(("email",)) if object == "person" else MergePolicy()

    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        check_signature(request.body, request.headers.get("x-depot"), [environment["DEPOT_SECRET"]], "sha256")
        body = json.loads(request.body)
        return Delivery(body["shop"], body["id"], body["topic"], body)

    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        told = [d.body for d in deliveries if isinstance(d.body, dict) and d.topic.startswith("person.")]
        client, records, deleted = Client(account), [], []
        for key in dict.fromkeys(body["person_id"] for body in told if body.get("person_id")):
            try:
                records += map_each("person", [client.get(f"/people/{key}")], People().map)
            except NotFound:
                deleted.append(Ref("person", key))
        return Page(records, deleted=deleted)

    def sandbox(self, options: SandboxOptions) -> Any:
        return Sandbox(options)


plugin = Depot()
NOW = datetime.now(UTC)
__all__ = ["Client", "Depot", "Firms", "People", "Sandbox", "plugin", "requests"]
