"""What the admin and the plugin decided about a data source, in the form the pipeline needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from core.contract.types import Channel, FieldSpec, Manifest, MergePolicy, Record
from core.pipeline.schemas import as_text

Strategy = Literal["append_only", "overwrite_existing", "ignore"]


@dataclass(frozen=True)
class Policy:
    """How records of one data source are taken in.

    Attributes:
        source_id: Its id.
        manifest: Its plugin's manifest; the name prefixes the data source's own fields.
        fields: The selected fields by object; a system field that no :class:`FieldSpec` feeds is always taken.
        deselected: System fields by object that only deselected fields feed.
        strategy: Whose value stands when a person or organization is already here.
        create_missing: Whether records that match nothing make a new person or organization.
        modify: System fields that may be changed on who is already here; None for all.
        keep_existing: System fields with a value stay as they are.
        archive_deleted: What the vendor deleted is archived here.
        matching: By object, which keys join.
        keep_days: By activity type, then under None for the others, how many days are kept; None keeps for ever.
        historical: Activities come from a backfill and shall trigger nothing.
        historical_before: The same, by object, for activities that occurred before this moment.
        wanted: By object, whether the admin wants a record; an object that is absent comes in whole.
        link_limit: How many records one object may relate to.
        now: The moment this page is applied.
        run_id: The run that reads it, for the log of what was refused; None for webhooks.
    """

    source_id: int
    manifest: Manifest
    fields: Mapping[str, tuple[FieldSpec, ...]]
    now: datetime
    deselected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    strategy: Strategy = "overwrite_existing"
    create_missing: bool = True
    modify: frozenset[str] | None = None
    keep_existing: bool = False
    archive_deleted: bool = False
    matching: Mapping[str, MergePolicy] = field(default_factory=dict)
    keep_days: Mapping[str | None, int | None] = field(default_factory=lambda: {None: 90})
    historical: bool = False
    historical_before: Mapping[str, datetime] = field(default_factory=dict)
    wanted: Mapping[str, Callable[[Record], bool]] = field(default_factory=dict)
    link_limit: int = 50
    run_id: int | None = None

    def kept_since(self, activity_type: str) -> datetime | None:
        """Return the moment before which activities of this type are not kept; None when all are."""
        days = self.keep_days.get(activity_type, self.keep_days.get(None))
        return None if days is None else self.now - timedelta(days=days)

    def is_historical(self, object: str, occurred_at: datetime) -> bool:
        """Tell whether an activity of ``object`` is no news."""
        before = self.historical_before.get(object)
        return self.historical or (before is not None and occurred_at < before)

    def wants(self, record: Record) -> bool:
        """Tell whether the admin wants this record."""
        wanted = self.wanted.get(record.object)
        return wanted is None or wanted(record)

    def at(self, now: datetime) -> Policy:
        """Return the same policy at another moment."""
        return replace(self, now=now)

    @cached_property
    def now_text(self) -> str:
        """The moment as lineage holds it."""
        return as_text(self.now)

    @property
    def permissions(self) -> Mapping[Channel, bool]:
        """What a new person is subscribed to unless her record says otherwise."""
        return self.manifest.permission_defaults
