"""What authors of a data source subclass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.contract.errors import Forged, Refused
from core.contract.hookspecs import HostSpecs, SourceSpecs, hookimpl
from core.contract.types import (
    Account,
    Conditions,
    Cursor,
    Delivery,
    FieldSpec,
    Manifest,
    MergePolicy,
    Page,
    Partition,
    Record,
    Ref,
    Refusal,
    RetentionRule,
    Roster,
    Sandbox,
    SandboxOptions,
    Scope,
    WebhookRequest,
)

HOOKS = frozenset(name for specs in (SourceSpecs, HostSpecs) for name in vars(specs) if not name.startswith("_"))


class Stream:
    """One object of the vendor: how reading it is split, and how one page of it is read.

    Attributes:
        object: Key of the :class:`ObjectSpec` whose records it reads.
    """

    object: str

    def plan(self, account: Account, since: datetime | None, horizon: datetime | None) -> Sequence[Partition]:
        """Split the work; by default into one partition that begins with the cursor ``{}``.

        Args:
            account: Whose data is read.
            since: Up to when everything was read before; None reads all.
            horizon: Activities before this moment are not wanted; None wants them all.
        """
        return [Partition(self.object)]

    def plan_selected(self, account: Account, horizon: datetime | None, conditions: Conditions) -> Sequence[Partition]:
        """Split the reading of what meets conditions, see :attr:`Scope.selection`; by default everything is read."""
        return self.plan(account, None, horizon)

    def plan_past(self, account: Account, horizon: datetime | None, until: datetime) -> Sequence[Partition]:
        """Split what was changed since ``horizon`` and created before ``until``; asked with :attr:`Manifest.past`."""
        raise NotImplementedError

    def read(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Fetch the one page at ``cursor``, as the hook ``sync`` describes it."""
        raise NotImplementedError

    def count(self, account: Account) -> int | None:
        """Return how many of the object there are by the vendor's own count; None, as by default, if it has none."""
        return None

    def count_selected(self, account: Account, conditions: Conditions) -> int | None:
        """Return how many of the object meet conditions; None, as by default, if the vendor cannot tell exactly."""
        return None


class DataSource(SourceSpecs):
    """A data source plugin: a manifest, :meth:`connect`, and a :class:`Stream` for each object.

    Every other hook has a default; a method named like a hook implements it, without a decorator.

    Attributes:
        manifest: What the plugin declares.
        streams: What it reads, in any order.
        exempt: Rules of the contract (docs/rules.md) that do not concern it, each with the reason.
    """

    manifest: Manifest
    streams: tuple[Stream, ...] = ()
    exempt: Mapping[str, str] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Mark what overrides a hook: pluggy passes over an unmarked override in silence."""
        super().__init_subclass__(**kwargs)
        for name in HOOKS & vars(cls).keys():
            hookimpl(vars(cls)[name])

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        """Ask each stream whose object is selected."""
        partitions: list[Partition] = []
        for stream in self.streams:
            if stream.object in account.objects:
                since, selection = scope.since.get(stream.object), scope.selection.get(stream.object)
                if since is None and selection is not None:
                    partitions += stream.plan_selected(account, scope.horizon, selection)
                else:
                    partitions += stream.plan(account, since, scope.horizon)
                if stream.object in scope.past:
                    partitions += stream.plan_past(account, scope.horizon, scope.past[stream.object])
        return partitions

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Let the stream of the partition's object read.

        Raises:
            Refused: No stream reads this object.
        """
        for stream in self.streams:
            if stream.object == partition.object:
                return stream.read(account, partition, cursor)
        raise Refused(f"{self.manifest.title} has no stream for {partition.object!r}: start a new sync")

    @hookimpl
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        """Refuse: nothing can be read by its id."""
        raise Refused(f"{self.manifest.title} cannot read single records again: start a full sync")

    @hookimpl
    def count(self, account: Account) -> Mapping[str, int]:
        """Ask each stream whose object is selected; what the vendor refuses to count is left out."""
        return self._counts(account, lambda stream: stream.count(account))

    @hookimpl
    def count_selected(self, account: Account, selection: Mapping[str, Conditions]) -> Mapping[str, int]:
        """Likewise ask each stream on whose object there are conditions."""
        wanted = dict(selection)
        return self._counts(
            account,
            lambda stream: stream.count_selected(account, wanted[stream.object]) if stream.object in wanted else None,
        )

    def _counts(self, account: Account, count: Callable[[Stream], int | None]) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for stream in self.streams:
            if stream.object not in account.objects:
                continue
            try:
                counted = count(stream)
            except Refused as error:
                account.log.warning("%s are not counted: %s", stream.object, error)
                continue
            if counted is not None:
                counts[stream.object] = counted
        return counts

    @hookimpl
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        """No fields."""
        return ()

    @hookimpl
    def import_team(self, account: Account) -> Roster:
        """Nobody."""
        return Roster()

    @hookimpl
    def merge(self, account: Account, object: str) -> MergePolicy:
        """Join by the vendor's own id alone."""
        return MergePolicy()

    @hookimpl
    def retention(self, account: Account) -> Sequence[RetentionRule]:
        """Keep all activities for the manifest's days."""
        return [RetentionRule(days=self.manifest.retention_days)]

    @hookimpl
    def verify_webhook(self, request: WebhookRequest, environment: Mapping[str, str]) -> Delivery:
        """Refuse every delivery."""
        raise Forged(f"{self.manifest.title} has no webhooks")

    @hookimpl
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        """Nothing to read."""
        return Page()

    @hookimpl
    def sandbox(self, options: SandboxOptions) -> Sandbox:
        """Refuse: there is none."""
        raise Refused(f"{self.manifest.title} has no sandbox")


Found = tuple[list[Record | Refusal], list[Ref]]
"""Records with refusals, and what is gone."""


def fetch_by_object(account: Account, refs: Iterable[Ref], read: Callable[[str, list[str]], Found]) -> Page:
    """Read objects by their ids, each once, as the hook ``fetch`` wants it.

    Args:
        account: Whose objects; what is not selected is left out.
        refs: The objects.
        read: Takes an object and ids of it, and returns records with refusals and what is gone; when it raises
            ``Refused``, all of them are refused.
    """
    wanted: dict[str, dict[str, None]] = {}
    for ref in refs:
        if ref.object in account.objects:
            wanted.setdefault(ref.object, {})[ref.remote_id] = None
    records: list[Record | Refusal] = []
    deleted: list[Ref] = []
    for object, ids in wanted.items():
        try:
            found, gone = read(object, list(ids))
        except Refused as error:
            found, gone = [Refusal(object, id, str(error)) for id in ids], []
        records += found
        deleted += gone
    return Page(records, deleted=deleted)
