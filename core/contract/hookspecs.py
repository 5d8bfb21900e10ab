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
        Connected,
        Cursor,
        Delivery,
        FieldSpec,
        MergePolicy,
        Page,
        Partition,
        Redirect,
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
    """Asked of the one plugin that a data source belongs to."""

    @one
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        """Try these answers against the vendor and say which account they open.

        Called with the connect form, and again with the query of the consent callback. Makes one cheap call to
        prove the credentials, so that a wrong one fails here and not at night.

        Args:
            account: A draft: ``id`` is 0, ``secrets`` are empty (or the old ones, on reconnecting).
            answers: By field of the manifest's ``credentials``, or the callback's query. Empty asks for a
                :class:`Redirect` where the manifest's ``auth`` allows consent.

        Returns:
            What the answers open, where to send the admin, or what is wrong with them.
        """
        raise NotImplementedError

    @one
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        """List the fields of the account's objects, default and custom, as they are now.

        Called on connecting and at the start of each run. A field gone from the list is retired, not dropped. Keys
        are stable; labels may change.
        """
        raise NotImplementedError

    @one
    def import_team(self, account: Account) -> Roster:
        """Return all users and teams of the account, complete, in one answer.

        Who is missing from it later is marked as gone, never deleted.
        """
        raise NotImplementedError

    @one
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        """Split the work into partitions that can be read in any order and side by side.

        Args:
            account: ``account.objects`` names what is selected.
            scope: What has been read before. The host keeps it: the start of the last good run of each object.
        """
        raise NotImplementedError

    @one
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        """Fetch the one page at ``cursor``. The heart of a plugin.

        Keep nothing between calls: the next one may come from another process, next week, or again with the same
        cursor. The order of pages must not skip records that change meanwhile: ascending by change, or by creation.

        Raises:
            SourceError: One of its kinds, by what the host shall do.
        """
        raise NotImplementedError

    @one
    def merge(self, account: Account, object: str) -> MergePolicy:
        """Say which keys join records of ``object`` with those already here.

        A policy, not a callback: the host turns it into a fixed number of statements a page. The admin may choose
        other keys. Merges that the vendor itself reports go into :attr:`Page.merged`.
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
        """
        raise NotImplementedError

    @one
    def read_webhooks(self, account: Account, deliveries: Sequence[Delivery]) -> Page:
        """Turn stored deliveries into a page. A body is a hint: refetch the objects by id, each once.

        Deliveries come in order of arrival, at most 150; they may be repeated, late or about unknown topics.
        """
        raise NotImplementedError

    @one
    def retention(self, account: Account) -> Sequence[RetentionRule]:
        """Say how long activities are kept unless the admin says otherwise. The host deletes, in bounded batches."""
        raise NotImplementedError

    @one
    def sandbox(self, options: SandboxOptions) -> Sandbox:
        """Make a local imitation of the vendor, for demos, tests and benchmarks."""
        raise NotImplementedError


class HostSpecs:
    """Told to every plugin. Answers are ignored; an exception is logged and harms nobody."""

    @hookspec
    def run_finished(self, run: RunSummary) -> None:
        """A run has ended: notify, count, chain."""
