"""Variants of the depot's plugin, each breaking the one rule it is listed under."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from marshmallow import Schema

from core.contract.errors import Reauthorise, Refused, Retry
from core.contract.example import Held
from core.contract.types import (
    Account,
    ActivitySpec,
    Condition,
    Conditions,
    Connected,
    Cursor,
    Delivery,
    FieldSpec,
    MergePolicy,
    ObjectSpec,
    Page,
    Partition,
    Record,
    Redirect,
    Ref,
    Rejected,
    RetentionRule,
    Roster,
    Scope,
    Team,
    WebhookRequest,
)
from plugins.base.client import Unavailable
from plugins.base.selecting import Words
from tests.kit.depot import NOW, SIZE, Client, Depot, Firms, People, Visits

SABOTAGED: dict[str, Callable[[], object]] = {}
"""By the key of the rule that it breaks, what makes the plugin."""


def records_of(page: Page) -> list[Record]:
    return [item for item in page.records if isinstance(item, Record)]


def breaks(rule: str) -> Callable[[type], type]:
    def note(cls: type) -> type:
        assert rule not in SABOTAGED
        SABOTAGED[rule] = cls
        return cls

    return note


def reading(rule: str, stream: type[People]) -> None:
    """List a plugin that reads people by another stream."""
    SABOTAGED[rule] = type(
        stream.__name__, (Depot,), {"streams": (stream(), Firms(), Visits()), "__module__": Depot.__module__}
    )


def people(rule: str) -> Callable[[type[People]], type[People]]:
    def note(cls: type[People]) -> type[People]:
        assert rule not in SABOTAGED
        reading(rule, cls)
        return cls

    return note


def declaring(rule: str, **changes: Any) -> None:
    """List a plugin with another manifest."""
    manifest = replace(Depot.manifest, **changes)
    SABOTAGED[rule] = type(rule, (Depot,), {"manifest": manifest, "__module__": Depot.__module__})


# Loading and connecting


declaring("loads", name="The Depot")


def _noisy() -> object:
    from tests.kit.noisy import Noisy

    return Noisy()


SABOTAGED["quiet_import"] = _noisy


@breaks("connects")
class DateInSettings(Depot):
    def prove(self, account: Account, secrets: Mapping[str, str] | None) -> Connected | Rejected:
        found = super().prove(account, secrets)
        return replace(found, settings={"at": datetime.now(UTC)}) if isinstance(found, Connected) else found


@breaks("rejects")
class TakesAnyToken(Depot):
    def prove(self, account: Account, secrets: Mapping[str, str] | None) -> Connected | Rejected:
        found = super().prove(account, secrets)
        return found if isinstance(found, Connected) else Connected("depot-1", "Depot", secrets=secrets or {})


@breaks("same_account")
class FreshId(Depot):
    session: Any = None

    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        found = super().connect(account, answers)
        first, FreshId.session = account.http is not FreshId.session, account.http
        if first or not isinstance(found, Connected) or "token" not in answers:
            return found
        return replace(found, remote_id=uuid.uuid4().hex)


@breaks("reconnects")
class ForgetsItself(Depot):
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        return super().connect(replace(account, secrets={}), answers)


@breaks("renews")
class RenewsForItself(Depot):
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        held = Held(account.secrets)
        return super().sync(replace(account, secrets=held, renew=held.renew), partition, cursor)


@breaks("consents")
class NoCancel(Depot):
    def consent(self, account: Account, answers: Mapping[str, str]) -> Any:
        return super().consent(account, {"code": answers["code"]} if answers else {})


# Plans, fields, merging, retention, teams


@breaks("plans")
class TwoAlike(Depot):
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        return [*super().plan_sync(account, scope), Partition("person", start={"since": 5})]


@breaks("selection")
class ReadsAll(Depot):
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        return super().plan_sync(replace(account, objects={"person": None, "firm": None, "visit": None}), scope)


@breaks("fields_declared")
class FieldTwice(Depot):
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return [*super().field_schema(account), FieldSpec("person", "seats", "Seats again", "integer")]


@breaks("merges")
class ByNickname(Depot):
    def merge(self, account: Account, object: str) -> MergePolicy:
        return MergePolicy(("first_name",))


@breaks("retention_rules")
class KeepsUnknown(Depot):
    def retention(self, account: Account) -> Sequence[RetentionRule]:
        return [RetentionRule(90), RetentionRule(30, "sold")]


@breaks("team")
class Stranger(Depot):
    def import_team(self, account: Account) -> Roster:
        roster = super().import_team(account)
        return replace(roster, teams=(Team("1", "All", ("7", "8")),))


# Reading


@people("reads")
class RoundAndRound(People):
    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        return super().following(cursor, body) or {**cursor, "after": "MA=="}


@people("json_cursors")
class Tuples(People):
    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        found = super().following(cursor, body)
        return {**found, "seen": (1, 2)} if found else None

    def query(self, cursor: Cursor) -> dict[str, str | int]:
        return {key: value for key, value in cursor.items() if key != "seen"}


@people("resumable")
class CountsItself(People):
    """The cursor says no more than "go on"."""

    offset = 0

    def query(self, cursor: Cursor) -> dict[str, str | int]:
        if "round" not in cursor:
            self.offset = 0
        return {"since": cursor["since"], "offset": self.offset}

    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        self.offset += len(body["people"])
        more = self.offset < body["total"]
        return {**cursor, "round": cursor.get("round", 0) + 1} if more else None


@people("unique_ids")
class SharedId(People):
    """Two people have one id; their activities stay apart."""

    def map(self, payload: Any) -> Record:
        record = super().map(payload)
        return replace(record, remote_id="p1") if record.remote_id == "p3" else record


@people("typed")
class Seats(People):
    def map(self, payload: Any) -> Record:
        return replace(super().map(payload), fields={"seats": f"{payload['seats']} seats"})


@people("fields_honoured")
class Undeclared(People):
    def map(self, payload: Any) -> Record:
        record = super().map(payload)
        return replace(record, fields={**record.fields, "plan": "big"})


@people("activities_honoured")
class WrongAttribute(People):
    def map(self, payload: Any) -> Record:
        record = super().map(payload)
        return replace(record, activities=(replace(record.activities[0], attributes={"place": ["a", "b"]}),))


@people("attributes_declared")
class Reasons(People):
    def map(self, payload: Any) -> Record:
        record = super().map(payload)
        return replace(record, activities=(replace(record.activities[0], attributes={"reason": "x", "place": "y"}),))


@people("repeatable")
class TimeOfReading(People):
    clock = count()

    def map(self, payload: Any) -> Record:
        return replace(super().map(payload), fields={"seats": next(TimeOfReading.clock)})


@breaks("order_free")
class LooksBack(Depot):
    """What a person's record says depends on whether something else was read just before."""

    last: str = ""

    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        page = super().sync(account, partition, cursor)
        before, LooksBack.last = LooksBack.last, partition.object
        if before in ("", "person") or partition.object != "person" or "after" not in cursor:
            return page
        return replace(page, records=[replace(item, fields={"seats": 0}) for item in records_of(page)])


@people("complete")
class OneTooFar(People):
    def query(self, cursor: Cursor) -> dict[str, str | int]:
        return {"since": cursor["since"], "offset": cursor.get("offset", 0)}

    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        end = cursor.get("offset", 0) + len(body["people"]) + 1
        return {**cursor, "offset": end} if end < body["total"] else None


@people("ties")
class AfterTheSecond(People):
    def query(self, cursor: Cursor) -> dict[str, str | int]:
        return dict(cursor)

    def following(self, cursor: Cursor, body: Any) -> Cursor | None:
        return {**cursor, "changed_after": body["people"][-1]["changed_at"]} if body["after"] else None


@people("incremental")
class CreatedSince(People):
    def query(self, cursor: Cursor) -> dict[str, str | int]:
        return {"created_since" if key == "since" else key: value for key, value in cursor.items()}


# Asking


@breaks("fetched")
class ForgetsTheGone(Depot):
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        return replace(super().fetch(account, refs), deleted=())


@breaks("counted")
class CountsAPage(Depot):
    def count(self, account: Account) -> Mapping[str, int]:
        return {**super().count(account), "person": SIZE}


@people("expected")
class ExpectsAPage(People):
    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        page = super().read(account, partition, cursor)
        return replace(page, expected=len(page.records))


class NewVisits(Visits):
    """Takes the end of what is missing for its beginning."""

    def plan_past(self, account: Account, horizon: datetime | None, until: datetime) -> Sequence[Partition]:
        return super().plan_past(account, until, until)


@breaks("longer_past")
class ReadsNews(Depot):
    streams = (People(), Firms(), NewVisits())


# Failing


class Failing(Depot):
    """What the plugin raises, raised otherwise."""

    def otherwise(self, error: Exception) -> Any:
        raise error

    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        try:
            return super().sync(account, partition, cursor)
        except (Retry, Refused, Reauthorise) as error:
            found: Page = self.otherwise(error)
            return found


@breaks("reauthorises")
class TriesAllNight(Failing):
    def otherwise(self, error: Exception) -> Any:
        raise Retry("later") if isinstance(error, Reauthorise) else error


@breaks("waits")
class Impatient(Failing):
    def otherwise(self, error: Exception) -> Any:
        if isinstance(error, Unavailable) and error.status == 429:
            raise Retry("later")
        raise error


@breaks("retries")
class SkipsThePage(Failing):
    def otherwise(self, error: Exception) -> Any:
        if isinstance(error, Unavailable) and error.status >= 500:
            return Page()
        raise error


@breaks("refusals")
class TriesForbidden(Failing):
    def otherwise(self, error: Exception) -> Any:
        raise Retry("later") if isinstance(error, Refused) else error


@people("lost_cursor")
class Stuck(People):
    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        body = Client(account).get("/people", self.query(cursor))
        return Page([self.map(payload) for payload in body["people"]], next=self.following(cursor, body))


# Keeping


class Open:
    def acquire(self) -> None:
        pass

    def observe(self, *rate: object) -> None:
        pass


@people("selected")
class Pedantic(People):
    def words(self, condition: Condition) -> Words[Any] | None:
        words = super().words(condition)
        capitals = isinstance(condition.value, str) and condition.value.upper() == condition.value
        return Words((("seats", "below", 0),)) if words and capitals else words


@people("selected_counted")
class Generous(People):
    def count_selected(self, account: Account, conditions: Conditions) -> int | None:
        return self.count(account)


@people("paced")
class Hasty(People):
    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        return super().read(replace(account, limiter=Open()), partition, cursor)


@people("read_only")
class MarksAsSeen(People):
    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        page = super().read(account, partition, cursor)
        account.limiter.acquire()
        headers = {"Authorization": f"Bearer {account.secrets['access_token']}"}
        url = f"{account.environment['DEPOT_URL']}/people/p1/seen"
        try:
            response = account.http.put(url, headers=headers, timeout=5)
            status, answer = response.status_code, response.content
        except OSError:
            raise Retry("The depot cannot be reached") from None
        kinds = {401: Reauthorise("dead"), 403: Refused("forbidden"), 429: Retry("busy", 7), 500: Retry("broken")}
        if status in kinds or answer != b"{}\n":
            raise kinds.get(status, Retry("The depot answered with something else"))
        return page


@people("secretive")
class Talkative(People):
    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        logging.getLogger("depot").debug("asking with %s", account.secrets["access_token"])
        return super().read(account, partition, cursor)


@people("small_pages")
class Huge(People):
    def map(self, payload: Any) -> Record:
        return replace(super().map(payload), payload={**payload, "attachment": "x" * 1_500_000})


@people("lean")
class Hoarder(People):
    kept: list[bytes] = []

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        if "after" not in cursor:
            Hoarder.kept.clear()
        Hoarder.kept.append(bytes(100_000))
        return super().read(account, partition, cursor)


# Webhooks


@breaks("genuine")
class FreshEvents(Depot):
    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        return replace(super().verify_webhook(request, environment), id=uuid.uuid4().hex)


@breaks("forged")
class Trusting(Depot):
    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        if "x-depot" not in request.headers:
            return Delivery("depot-1", "e", "person.changed", {})
        return super().verify_webhook(request, environment)


@breaks("any_order")
class BelievesBodies(Depot):
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        page = super().read_webhooks(account, deliveries)
        aged = [
            replace(
                record,
                updated_at=(record.updated_at or NOW) + timedelta(seconds=len(deliveries)),
                fields={"seats": len(deliveries)},
            )
            for record in records_of(page)
        ]
        return replace(page, records=aged)


@breaks("unknown_topics")
class KnowsAll(Depot):
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        known = {"person.changed": True, "person.deleted": False}
        return super().read_webhooks(account, [d for d in deliveries if known[d.topic] is not None])


# Presenting


declaring("icon", icon="")


class NoHelp(Schema):
    token = Depot.manifest.credentials._declared_fields["token"].__class__(metadata={"secret": True})


declaring("texts", credentials=NoHelp)
declaring(
    "objects_shown",
    objects=(*Depot.manifest.objects, ObjectSpec("text", "Texts", "article", description="Texts.")),
)
declaring("activities_shown", activities=(*Depot.manifest.activities, ActivitySpec("rated", "Rated", "person")))


@breaks("fields_shown")
class NoPhone(Depot):
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return [*super().field_schema(account), FieldSpec("person", "phone", "Phone", feeds="phone")]
