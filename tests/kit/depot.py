"""A small vendor with its sandbox, and a plugin that keeps every rule of the contract."""

from __future__ import annotations

import hashlib
import hmac
import json
import operator
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
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
    Condition,
    Conditions,
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
from plugins.base.oauth import OAuth2, tokens
from plugins.base.pages import next_cursor, next_page
from plugins.base.sandbox import TokenOffice
from plugins.base.selecting import Narrowed, Words, narrowed
from plugins.base.source import DataSource, Stream
from plugins.base.webhooks import check_signature

SIZE = 6
TOKEN = "depot-token-1"
SECRET = "depot-signing-secret"
BORN, DAY = 1_700_000_000, 86_400


SEARCH: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda one, other: str(one).lower() == str(other).lower(),
    "starts_with": lambda one, other: str(one).lower().startswith(str(other).lower()),
    "at_least": operator.ge,
    "below": operator.lt,
}
PATHS = {"person": "people", "firm": "firms", "visit": "visits"}


class Sandbox:
    """The vendor: people in pages by cursor, firms in pages by number, visits at once."""

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
        self.visits: list[dict[str, Any]] = [
            {
                "id": f"v{number}",
                "person": f"p{number}",
                "created_at": BORN + number * DAY,
                "changed_at": BORN + number * DAY + 3600,
            }
            for number in range(min(options.people, 6))
        ]
        self.office = TokenOffice(SECRET, options.token_seconds)
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
            given = request.headers.get("Authorization")
            if not request.path.startswith("/oauth") and given != f"Bearer {TOKEN}" and not self.office.accepts(given):
                abort(401)

        @app.get("/oauth")
        def consent() -> Any:
            return redirect(self.office.consent(request.args))

        @app.post("/oauth/token")
        def token() -> Any:
            return self.office.token(request.form)

        @app.get("/me")
        def me() -> Any:
            return {"id": "depot-1", "name": "Depot"}

        @app.get("/staff")
        def staff() -> Any:
            return {"staff": [{"id": "7", "email": "eve@depot.example", "name": "Eve"}]}

        @app.get("/people")
        def people() -> Any:
            asked = request.args
            since, changed = int(asked.get("since", 0)), int(asked.get("changed_after", 0))
            created = int(asked.get("created_since", 0))
            where = json.loads(asked.get("where", "[]"))
            rows = [
                row
                for row in self.people.values()
                if row["changed_at"] >= since and row["changed_at"] > changed and row["created_at"] >= created
                if all(SEARCH[op](row[key], value) for key, op, value in where)
            ]
            rows.sort(key=lambda row: (row["changed_at"], int(row["id"][1:])))
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

        @app.get("/visits")
        def visits() -> Any:
            since, before = int(request.args.get("since", 0)), int(request.args.get("before", 2 * BORN))
            rows = [row for row in self.visits if row["changed_at"] >= since and row["created_at"] < before]
            return {"visits": rows, "total": len(rows)}

        @app.get("/<any(firms, visits):kind>/<key>")
        def other(kind: str, key: str) -> Any:
            return next((row for row in getattr(self, kind) if row["id"] == key), None) or abort(404)

        return app


class Credentials(Schema):
    token = fields.String(metadata={"label": "Token", "help": "Under Settings, API.", "secret": True})


def consent_of(account: Account) -> OAuth2:
    url = account.environment["DEPOT_URL"]
    return OAuth2("The depot", f"{url}/oauth", f"{url}/oauth/token", "depot-app", SECRET)


class Client(ApiClient):
    vendor = "The depot"

    def __init__(self, account: Account, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(account, account.environment["DEPOT_URL"], oauth=consent_of(account), secrets=secrets)


class People(Stream):
    object = "person"

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        return [Partition("person", start={"since": int(since.timestamp()) if since else 0})]

    def plan_selected(self, account: Account, horizon: datetime | None, conditions: Conditions) -> Sequence[Partition]:
        where = self.where(conditions)
        start = {"since": 0, "where": json.dumps([parts[0] for parts in where.clauses])}
        return (
            [Partition("person", "some", start, narrowed=True)] if where.clauses else self.plan(account, None, horizon)
        )

    def count_selected(self, account: Account, conditions: Conditions) -> int | None:
        where = self.where(conditions)
        asked = {"where": json.dumps([parts[0] for parts in where.clauses])}
        return int(Client(account).get("/people", asked)["total"]) if where.exact else None

    def where(self, conditions: Conditions) -> Narrowed[Any]:
        return narrowed(conditions, self.words).within(5, 1)

    def words(self, condition: Condition) -> Words[Any] | None:
        known = condition.op in SEARCH and condition.key in ("email", "seats") and not condition.negated
        return Words(((condition.key, condition.op, condition.value),)) if known else None

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        try:
            body = Client(account).get("/people", self.query(cursor))
        except Declined as error:
            if error.status == 410:
                raise Restart("The depot has forgotten where we were") from None
            raise
        records = map_each("person", body["people"], self.map)
        return Page(records, next=self.following(cursor, body), expected=body["total"])

    def count(self, account: Account) -> int | None:
        return int(Client(account).get("/people")["total"])

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
        following = next_page(page, body["pages"])
        return Page(map_each("firm", body["firms"], self.map), next={"page": following} if following else None)

    def map(self, payload: Any) -> Record:
        return Record("firm", payload["id"], moment(payload["changed_at"]), values={"name": payload["name"]})


class Visits(Stream):
    object = "visit"

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        moments = [int(moment.timestamp()) for moment in (since, horizon) if moment]
        return [Partition("visit", start={"since": max(moments, default=0)})]

    def plan_past(self, account: Account, horizon: datetime | None, until: datetime) -> Sequence[Partition]:
        since = int(horizon.timestamp()) if horizon else 0
        return [Partition("visit", "past", {"since": since, "before": int(until.timestamp())})]

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        body = Client(account).get("/visits", cursor)
        return Page(map_each("visit", body["visits"], self.map), expected=body["total"])

    def map(self, payload: Any) -> Record:
        created = moment(payload["created_at"])
        assert created is not None
        person = Ref("person", payload["person"])
        visited = Activity("visited", payload["id"], created, (person,), None, {"room": "hall"})
        return Record("visit", payload["id"], moment(payload["changed_at"]), created, activities=(visited,))


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
            ObjectSpec("visit", "Visits", "activity", description="Visits."),
        ),
        activities=(
            ActivitySpec("met", "Met", "person", attributes={"place": "text"}),
            ActivitySpec("visited", "Visited", "visit", attributes={"room": "text"}),
        ),
        environment=(
            EnvVar("DEPOT_URL", "Where the depot is.", kind="url"),
            EnvVar("DEPOT_SECRET", "Signs webhooks.", secret=True),
            EnvVar("DEPOT_CLIENT_ID", "Our app."),
        ),
        webhooks=True,
        teams=True,
        deletes=True,
        past=True,
        selective=True,
    )
    streams = (People(), Firms(), Visits())

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        if answers and answers == account.secrets:
            return self.prove(account, None)
        token = answers.get("token")
        if token:
            return self.prove(account, {"access_token": token})
        outcome = self.consent(account, answers)
        return outcome if isinstance(outcome, Redirect | Rejected) else self.prove(account, outcome)

    def consent(self, account: Account, answers: Mapping[str, str]) -> Mapping[str, str] | Redirect | Rejected:
        if not answers:
            return consent_of(account).redirect(account)
        outcome = consent_of(account).exchange(account, answers)
        return outcome if isinstance(outcome, Rejected) else tokens(outcome)

    def prove(self, account: Account, secrets: Mapping[str, str] | None) -> Connected | Rejected:
        try:
            me = Client(account, secrets).get("/me")
        except Reauthorise:
            return Rejected({"token": "The depot refused it: copy it again"})
        return Connected(me["id"], me["name"], settings={"zone": "UTC"}, secrets=secrets or dict(account.secrets))

    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        streams = {stream.object: stream for stream in self.streams if stream.object in account.objects}
        client, records, deleted = Client(account), [], []
        for ref in dict.fromkeys(refs):
            try:
                payload = client.get(f"/{PATHS[ref.object]}/{ref.remote_id}")
            except NotFound:
                deleted.append(ref)
            else:
                records += map_each(ref.object, [payload], streams[ref.object].map)
        return Page(records, deleted=deleted)

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
