"""The hooks of Mainstem.

A *data source plugin* is an object with a ``manifest`` that implements the hooks of :class:`SourceSpecs`; the host asks
exactly one of them, the one that the data source belongs to. Any other plugin may *wrap* these hooks
(``@hookimpl(wrapper=True)``) and implement the hooks of :class:`HostSpecs`.

Hooks return values, never generators: a wrapper must surround the work, not the making of an iterator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from core.contract.types import (
        Account,
        Conditions,
        Connected,
        Cursor,
        Delivery,
        FieldSpec,
        MergePolicy,
        Page,
        Partition,
        Redirect,
        Ref,
        Rejected,
        RetentionRule,
        Roster,
        RunSummary,
        Sandbox,
        SandboxOptions,
        Scope,
        WebhookRequest,
    )

PROJECT = "mainstem"
ENTRY_POINT_GROUP = "mainstem.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
one = hookspec(firstresult=True)


class SourceSpecs:
    """Asked of the one plugin that a data source belongs to.

    Other plugins wrap these hooks, and so surround every data source.

    Example::

        import dataclasses

        from core.contract.example import Shop, account
        from core.contract.hookspecs import hookimpl
        from core.contract.types import Partition
        from core.host import Host


        class Redact:
            @hookimpl(wrapper=True)
            def sync(self, account):
                page = yield
                records = [dataclasses.replace(record, values={}) for record in page.records]
                return dataclasses.replace(page, records=records)


        shop = Host([Shop(), Redact()]).source("shop")
        page = shop.sync(account=account(), partition=Partition("customer", start=0), cursor=0)
        assert [record.values for record in page.records] == [{}, {}]
    """

    @one
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Try these answers against the vendor and say which account they open.

        Called with the connect form, and again with the query of the consent callback. Makes one cheap call to
        prove the credentials, so that a wrong one fails here and not at night.

        Args:
            account: A draft: ``id`` is 0, ``secrets`` are empty. On reconnecting the data source as it is.
            answers: One of these. The fields of the manifest's ``credentials``. Only its ``consent_asks``, which asks
                for a :class:`Redirect`; of those that are missing, and of nothing else, a :class:`Rejected` then tells.
                The callback's query with :attr:`Redirect.keep`. On reconnecting without new credentials the account's
                own ``secrets``, which are to be proven again.

        Returns:
            What the answers open, where to send the admin, or what is wrong with them.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Connected, Redirect, Rejected
            from core.host import Host


            class ConsentShop(Shop):
                @hookimpl
                def connect(self, account, answers):
                    if not answers:
                        return Redirect(f"https://shop.example/consent?back={account.redirect_uri}")
                    if answers.get("code") != "42":
                        return Rejected({"": "The shop did not confirm the consent: try again"})
                    return Connected(remote_id="shop-1", name="Corner shop", secrets={"token": "made of the code"})


            shop = Host([ConsentShop()]).source("shop")
            assert isinstance(shop.connect(account=account(), answers={}), Redirect)
            assert isinstance(shop.connect(account=account(), answers={"error": "denied"}), Rejected)
            assert shop.connect(account=account(), answers={"code": "42"}).remote_id == "shop-1"
        """
        raise NotImplementedError

    @one
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        """List the fields of the account's objects, default and custom, as they are now.

        Called on connecting and at the start of each run. A field gone from the list is retired, not dropped. Keys
        are stable; labels may change.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import FieldSpec
            from core.host import Host


            class FieldShop(Shop):
                @hookimpl
                def field_schema(self, account):
                    return [
                        FieldSpec("customer", "email", "Email", feeds="email"),
                        FieldSpec("customer", "bonus", "Bonus points", type="integer", custom=True, sample=120),
                    ]


            fields = Host([FieldShop()]).source("shop").field_schema(account=account())
            assert [field.key for field in fields if field.custom] == ["bonus"]
        """
        raise NotImplementedError

    @one
    def import_team(self, account: Account) -> Roster:
        """Return all users and teams of the account, complete, in one answer.

        Who is missing from it later is marked as gone, never deleted.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Roster, Team, TeamUser
            from core.host import Host


            class TeamShop(Shop):
                @hookimpl
                def import_team(self, account):
                    eve = TeamUser("7", "eve@shop.example", "Eve")
                    return Roster(users=(eve,), teams=(Team("1", "Counter", members=("7",)),))


            roster = Host([TeamShop()]).source("shop").import_team(account=account())
            assert roster.teams[0].members == (roster.users[0].remote_id,)
        """
        raise NotImplementedError

    @one
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        """Split the work into partitions that can be read in any order and side by side.

        Args:
            account: ``account.objects`` names what is selected.
            scope: What has been read before. The host keeps it: the start of the last good run of each object.

        Example::

            from datetime import UTC, datetime

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Partition, Scope
            from core.host import Host


            class YearShop(Shop):
                @hookimpl
                def plan_sync(self, account, scope):
                    since = scope.since["customer"]
                    first = since.year if since else 2023
                    return [Partition("customer", key=str(year), start={"year": year}) for year in range(first, 2026)]


            shop = Host([YearShop()]).source("shop")
            assert len(shop.plan_sync(account=account(), scope=Scope({"customer": None}))) == 3
            changed = shop.plan_sync(account=account(), scope=Scope({"customer": datetime(2025, 6, 1, tzinfo=UTC)}))
            assert [partition.key for partition in changed] == ["2025"]
        """
        raise NotImplementedError

    @one
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Fetch the one page at ``cursor``. The heart of a plugin.

        Keep nothing between calls: the next one may come from another process, next week, or again with the same
        cursor. The order of pages must not skip records that change meanwhile: ascending by change, or by creation.

        A token that has expired is renewed by ``account.renew(stale, change)`` and in no other way: of all workers one
        calls ``change``, and what it returns is stored before anybody uses it. :mod:`plugins.base` does so by itself.

        Raises:
            SourceError: One of its kinds, by what the host shall do.

        Example::

            from core.contract.errors import Retry
            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Page, Partition, Record
            from core.host import Host


            class BusyShop(Shop):
                pages = {0: "ann@example.com", 1: "bob@example.com"}
                busy = False

                @hookimpl
                def sync(self, account, partition, cursor):
                    if self.busy:
                        raise Retry("The shop is busy", after=30)
                    email = self.pages[cursor]
                    following = cursor + 1 if cursor + 1 in self.pages else None
                    return Page([Record("customer", email, values={"email": email})], next=following)


            plugin, cursor, emails = BusyShop(), 0, []
            shop = Host([plugin]).source("shop")
            while cursor is not None:
                page = shop.sync(account=account(), partition=Partition("customer", start=0), cursor=cursor)
                emails += [record.values["email"] for record in page.records]
                cursor = page.next
            assert emails == ["ann@example.com", "bob@example.com"]

            plugin.busy = True
            try:
                shop.sync(account=account(), partition=Partition("customer", start=0), cursor=1)
                raise AssertionError("the shop was busy")
            except Retry as later:
                assert later.after == 30  # the host comes back then, with the same cursor
        """
        raise NotImplementedError

    @one
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        """Read these objects again by their ids, each once: to retry refused ones, to check what listings miss.

        What is gone belongs into :attr:`Page.deleted`, what was merged into :attr:`Page.merged`, what the vendor
        cannot give now among the records as a :class:`Refusal`. Of an object that the page does not name, nothing is
        known. The page has no ``next``.

        Args:
            account: Whose objects.
            refs: At most 150, in no order.

        Raises:
            Refused: Objects cannot be read by their ids.
            SourceError: Another of its kinds, which concerns all of them.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Page, Record, Ref
            from core.host import Host


            class CardShop(Shop):
                cards = {"ann@example.com": "Ann"}

                @hookimpl
                def fetch(self, account, refs):
                    emails = dict.fromkeys(ref.remote_id for ref in refs)
                    return Page(
                        records=[
                            Record("customer", email, values={"first_name": self.cards[email]})
                            for email in emails
                            if email in self.cards
                        ],
                        deleted=[Ref("customer", email) for email in emails if email not in self.cards],
                    )


            asked = [Ref("customer", "ann@example.com"), Ref("customer", "bob@example.com")]
            page = Host([CardShop()]).source("shop").fetch(account=account(), refs=asked)
            assert [record.values["first_name"] for record in page.records] == ["Ann"]
            assert page.deleted == [Ref("customer", "bob@example.com")]
        """
        raise NotImplementedError

    @one
    def count(self, account: Account) -> Mapping[str, int]:
        """Return the vendor's own count of each selected object, for comparison with what was imported.

        An object that the vendor does not count, or not all of, is left out.

        Example::

            from core.contract.example import CUSTOMERS, Shop, account
            from core.contract.hookspecs import hookimpl
            from core.host import Host


            class CountingShop(Shop):
                @hookimpl
                def count(self, account):
                    counted = {"customer": len(CUSTOMERS)}
                    return {key: number for key, number in counted.items() if key in account.objects}


            assert Host([CountingShop()]).source("shop").count(account=account()) == {"customer": 3}
        """
        raise NotImplementedError

    @one
    def count_selected(self, account: Account, selection: Mapping[str, Conditions]) -> Mapping[str, int]:
        """Return the vendor's own count of those records of each object that meet conditions.

        The admin is shown it while the conditions are built, and later how complete what was selected is.

        Args:
            account: ``account.objects`` names what is selected.
            selection: By object, which records are meant.

        Returns:
            By object how many there are. One whose conditions the vendor cannot count to the very record is left out.

        Example::

            from core.contract.example import CUSTOMERS, Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Condition
            from core.host import Host


            class AskedShop(Shop):
                @hookimpl
                def count_selected(self, account, selection):
                    match selection["customer"]:
                        case Condition("email", op="starts_with", value=str(start), negated=False):
                            return {"customer": sum(email.startswith(start.lower()) for email in CUSTOMERS)}
                    return {}


            shop = Host([AskedShop()]).source("shop")
            starts = Condition("email", "text", "starts_with", "Ann")
            assert shop.count_selected(account=account(), selection={"customer": starts}) == {"customer": 1}
            birthday = Condition("birthday", "date", "other")
            assert shop.count_selected(account=account(), selection={"customer": birthday}) == {}
        """
        raise NotImplementedError

    @one
    def merge(self, account: Account, object: str) -> MergePolicy:
        """Say which keys join records of ``object`` with those already here.

        A policy, not a callback: the host turns it into a fixed number of statements a page. The admin may choose
        other keys. Merges that the vendor itself reports go into :attr:`Page.merged`.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import MergePolicy
            from core.host import Host


            class MergingShop(Shop):
                @hookimpl
                def merge(self, account, object):
                    return MergePolicy(keys=("external_id", "email"), mode="next_if_empty")


            policy = Host([MergingShop()]).source("shop").merge(account=account(), object="customer")
            assert policy.keys[0] == "external_id"
        """
        raise NotImplementedError

    @one
    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        """Prove that a delivery is genuine and name the account it is about. No network, no database.

        Args:
            request: The raw delivery.
            environment: Values of the manifest's variables; holds the signing secrets.

        Raises:
            Forged: The signature is missing or wrong (compare in constant time, over the raw bytes).

        Example::

            import hashlib
            import hmac
            import json

            from core.contract.errors import Forged
            from core.contract.example import Shop
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Delivery, WebhookRequest
            from core.host import Host


            class CallingShop(Shop):
                @hookimpl
                def verify_webhook(self, request, environment):
                    wanted = hmac.new(environment["SHOP_SECRET"].encode(), request.body, hashlib.sha256).hexdigest()
                    if not hmac.compare_digest(wanted, request.headers.get("x-shop-signature", "")):
                        raise Forged("The signature is wrong")
                    body = json.loads(request.body)
                    return Delivery(account=body["shop"], id=body["id"], topic=body["topic"], body=body)


            shop = Host([CallingShop()]).source("shop")
            body = b'{"shop": "shop-1", "id": "e1", "topic": "customer.changed", "customer": "ann@example.com"}'
            signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
            genuine = WebhookRequest({"x-shop-signature": signature}, body)
            assert shop.verify_webhook(request=genuine, environment={"SHOP_SECRET": "s3cret"}).account == "shop-1"
            try:
                shop.verify_webhook(request=WebhookRequest({}, body), environment={"SHOP_SECRET": "s3cret"})
                raise AssertionError("a forged delivery was taken")
            except Forged:
                pass
        """
        raise NotImplementedError

    @one
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        """Turn stored deliveries into a page. A body is a hint: refetch the objects by id, each once.

        Deliveries come in order of arrival, at most 150; they may be repeated, late or about unknown topics.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import Delivery, Page, Record, Ref
            from core.host import Host


            class CallingShop(Shop):
                customers = {"ann@example.com": "Ann"}

                @hookimpl
                def read_webhooks(self, account, deliveries):
                    emails = dict.fromkeys(delivery.body["customer"] for delivery in deliveries)
                    names = {email: self.customers[email] for email in emails if email in self.customers}
                    return Page(
                        records=[Record("customer", email, values={"first_name": names[email]}) for email in names],
                        deleted=[Ref("customer", email) for email in emails if email not in names],
                    )


            told = [
                Delivery("shop-1", "e1", "customer.changed", {"customer": "ann@example.com"}),
                Delivery("shop-1", "e1", "customer.changed", {"customer": "ann@example.com"}),
                Delivery("shop-1", "e2", "customer.changed", {"customer": "bob@example.com"}),
            ]
            page = Host([CallingShop()]).source("shop").read_webhooks(account=account(), deliveries=told)
            assert [record.remote_id for record in page.records] == ["ann@example.com"]
            assert page.deleted == [Ref("customer", "bob@example.com")]
        """
        raise NotImplementedError

    @one
    def retention(self, account: Account) -> Sequence[RetentionRule]:
        """Say how long activities are kept unless the admin says otherwise. The host deletes, in bounded batches.

        Example::

            from core.contract.example import Shop, account
            from core.contract.hookspecs import hookimpl
            from core.contract.types import RetentionRule
            from core.host import Host


            class ForgettingShop(Shop):
                @hookimpl
                def retention(self, account):
                    return [RetentionRule(days=365, type="purchase"), RetentionRule(days=90)]


            rules = Host([ForgettingShop()]).source("shop").retention(account=account())
            assert {rule.type: rule.days for rule in rules} == {"purchase": 365, None: 90}
        """
        raise NotImplementedError

    @one
    def sandbox(self, options: SandboxOptions) -> Sandbox:
        """Make a local imitation of the vendor, for demos, tests and benchmarks.

        Example::

            from wsgiref.simple_server import make_server

            from core.contract.example import Shop
            from core.contract.hookspecs import hookimpl
            from core.contract.types import SandboxOptions
            from core.host import Host


            class Street:
                credentials = {"key": "open"}

                def __init__(self, people):
                    self.people = people

                def app(self, environ, start_response):
                    start_response("200 OK", [("Content-Type", "text/plain")])
                    return [f"{self.people} customers".encode()]

                def environment(self, url):
                    return {"SHOP_API_URL": url}

                def serve(self, host, port):
                    make_server(host, port, self.app).serve_forever()


            class ShopWithSandbox(Shop):
                @hookimpl
                def sandbox(self, options):
                    return Street(options.people)


            street = Host([ShopWithSandbox()]).source("shop").sandbox(options=SandboxOptions(people=3))
            assert street.app({}, lambda status, headers: None) == [b"3 customers"]
            assert street.environment("http://127.0.0.1:9000") == {"SHOP_API_URL": "http://127.0.0.1:9000"}
        """
        raise NotImplementedError


class HostSpecs:
    """Told to every plugin. Answers are ignored; an exception is logged and harms nobody."""

    @hookspec
    def run_finished(self, run: RunSummary) -> None:
        """A run has ended: notify, count, chain.

        Example::

            from core.contract.hookspecs import hookimpl
            from core.contract.types import RunSummary
            from core.host import Host


            class Alarm:
                def __init__(self):
                    self.rung = []

                @hookimpl
                def run_finished(self, run):
                    if run.status == "failed":
                        self.rung.append(run.run)


            alarm = Alarm()
            host = Host([alarm])
            host.tell("run_finished", run=RunSummary(7, 1, "shop", "failed", {}, requests=3, seconds=0.5))
            host.tell("run_finished", run=RunSummary(8, 1, "shop", "succeeded", {}, requests=9, seconds=1.5))
            assert alarm.rung == [7]
        """
