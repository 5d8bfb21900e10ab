"""One fresh sandbox with the plugin connected to it, and what reading it brings."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import requests

from core.contract.example import Held
from core.contract.hookspecs import SourceSpecs
from core.contract.types import (
    JSON,
    Account,
    Connected,
    Cursor,
    Manifest,
    Page,
    Partition,
    Record,
    Redirect,
    Refusal,
    Sandbox,
    SandboxOptions,
    Scope,
)
from core.host import Host
from core.kit.account import make_account
from core.kit.consenting import agree
from core.kit.rule import Broken
from core.kit.wire import Turnstile, Wire
from core.kit.wsgi import mount

URL = "http://sandbox.test"
MOST_PAGES = 5_000


@dataclass(frozen=True, slots=True)
class Step:
    """One page as it was read."""

    partition: Partition
    cursor: Cursor
    page: Page


@dataclass
class Reading:
    """What a sync brought, page by page."""

    steps: list[Step] = field(default_factory=list)

    @property
    def pages(self) -> list[Page]:
        """All pages, in the order in which they were read."""
        return [step.page for step in self.steps]

    @property
    def records(self) -> list[Record]:
        """All records that were mapped."""
        return [item for page in self.pages for item in page.records if isinstance(item, Record)]

    @property
    def refusals(self) -> list[Refusal]:
        """All that could not be mapped."""
        return [item for page in self.pages for item in page.records if isinstance(item, Refusal)]

    def ids(self, objects: Iterable[str]) -> set[tuple[str, str]]:
        """Return object and remote id of the records of ``objects``."""
        wanted = set(objects)
        return {(record.object, record.remote_id) for record in self.records if record.object in wanted}


class World:
    """A sandbox, a wire to it, and an account.

    Args:
        plugin: The plugin, which keeps the rule ``loads``; each :meth:`source` is a copy of it, as another process
            would hold it.
        manifest: Its manifest.
        options: Of the sandbox.

    Attributes:
        sandbox: The vendor.
        wire: What the plugin's requests pass.
        environment: The variables that the plugin is given.
        draft: The account before it is connected.
    """

    def __init__(self, plugin: object, manifest: Manifest, options: SandboxOptions) -> None:
        self._plugin = plugin
        self.manifest = manifest
        self.sandbox: Sandbox = self.source().sandbox(options=options)
        turnstile = Turnstile()
        self.wire = Wire(self.sandbox.app, turnstile)
        self.draft = make_account(
            manifest, self.wire, self.sandbox.environment(URL), id=0, limiter=turnstile, objects=_all(manifest)
        )
        self.environment: Mapping[str, str] = self.draft.environment
        self._connected: Connected | None = None
        self._held = Held({})

    def source(self) -> SourceSpecs:
        """Return a fresh copy of the plugin: nothing that another one kept is in it."""
        try:
            plugin = copy.deepcopy(self._plugin)
        except TypeError:
            plugin = self._plugin
        return Host([plugin], sound=True).source(self.manifest.name)

    @property
    def connected(self) -> Connected:
        """What the sandbox's own credentials open.

        Raises:
            Broken: Nothing.
        """
        if self._connected is None:
            self.hold(self.connect())
        assert self._connected is not None
        return self._connected

    def hold(self, connected: Connected) -> None:
        """Let :attr:`account` be the one that was opened."""
        self._connected, self._held = connected, Held(connected.secrets)

    @property
    def account(self) -> Account:
        """The connected account, with a session of its own: what plugins keep with one does not reach the next."""
        connected = self.connected
        return replace(
            self.draft,
            id=1,
            http=mount(requests.Session(), self.wire),
            remote_id=connected.remote_id,
            settings=json.loads(json.dumps(connected.settings)),
            secrets=self._held,
            renew=self._held.renew,
        )

    @property
    def typed(self) -> Mapping[str, str]:
        """The sandbox's own credentials; none where nothing is typed in but what is asked before consent."""
        given = self.sandbox.credentials
        return given if given.keys() - set(self.manifest.consent_asks) else {}

    def connect(self) -> Connected:
        """Connect by the sandbox's credentials; by consent where it has none."""
        typed = self.typed
        outcome = self.source().connect(account=self.draft, answers=typed) if typed else self.consent()
        if not isinstance(outcome, Connected):
            raise Broken(f"connect answered the sandbox's own credentials with {outcome!r}")
        return outcome

    def consent(self, change: Callable[[dict[str, str]], Mapping[str, str]] = lambda query: query) -> Any:
        """Connect by consent, agreeing as an admin would.

        Args:
            change: What becomes of the callback's query.

        Returns:
            What connect answers.

        Raises:
            Broken: There is no way through the consent page.
        """
        asked = {key: self.sandbox.credentials[key] for key in self.manifest.consent_asks}
        redirect = self.source().connect(account=self.draft, answers=asked)
        if not isinstance(redirect, Redirect):
            raise Broken(
                f"connect with nothing but consent_asks must return a Redirect to the consent page, not {redirect!r}"
            )
        query = agree(mount(requests.Session(), self.sandbox.app), redirect, self.draft.redirect_uri)
        return self.source().connect(account=self.draft, answers={**change(query), **redirect.keep})

    def plan(self, scope: Scope | None = None, account: Account | None = None) -> Sequence[Partition]:
        """Return the partitions of a run; all there is unless ``scope`` says otherwise."""
        account = account or self.account
        scope = scope or Scope(dict.fromkeys(account.objects))
        return self.source().plan_sync(account=account, scope=scope)

    def read(self, partitions: Sequence[Partition] | None = None, scope: Scope | None = None) -> Reading:
        """Read partitions one after the other, by default all that a run plans."""
        reading = Reading()
        for partition in self.plan(scope) if partitions is None else partitions:
            reading.steps += self.steps(partition)
        return reading

    def steps(self, partition: Partition, source: SourceSpecs | None = None) -> Iterator[Step]:
        """Read one partition page by page, as the host does: the cursor goes through JSON.

        Args:
            partition: What to read.
            source: The plugin that reads; a fresh one by default.

        Raises:
            Broken: It does not end.
        """
        source, account, cursor = source or self.source(), self.account, partition.start
        seen = set()
        for _ in range(MOST_PAGES):
            page = source.sync(account=account, partition=partition, cursor=cursor)
            yield Step(partition, cursor, page)
            if page.next is None:
                return
            cursor = stored(page.next)
            mark = repr(cursor)
            if mark in seen and not partition.unbroken:
                raise Broken(f"{name(partition)}: the cursor {mark} comes again, reading would never end")
            seen.add(mark)
        raise Broken(f"{name(partition)} has not ended after {MOST_PAGES} pages")


def stored(cursor: Cursor) -> JSON:
    """Return a cursor as the host hands it back; one that is no JSON unchanged: another rule speaks of it."""
    try:
        return json.loads(json.dumps(cursor))
    except (TypeError, ValueError):
        return cursor


def name(partition: Partition) -> str:
    """Return a partition's name for messages."""
    return f"partition {partition.object}/{partition.key}"


def _all(manifest: Manifest) -> dict[str, frozenset[str] | None]:
    return {spec.key: None for spec in manifest.objects}
