"""The vendor of the service tests, of whom single records and counts can be asked, and a longer past."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Cursor, Page, Partition, Record, Ref, Refusal, Scope
from tests.services.vendor import Item, Vendor


class AskedVendor(Vendor):
    """Attributes:
    there: The records that can be asked for by id; None for those that are listed.
    told: What is said of how many there are, by object, where that differs from what is listed; None for nothing.
    named: What pages say of the names that their records needed.
    fetched: The refs of each question.
    during: Called before a question is answered.
    """

    def __init__(self, **changes: Any) -> None:
        super().__init__(past=True, **changes)
        self.there: Mapping[Ref, Item] | None = None
        self.told: dict[str, int | None] = {}
        self.named: dict[str, bool] = {}
        self.fetched: list[Sequence[Ref]] = []
        self.during: Callable[[], object] = lambda: None
        self.counted = True

    def listed(self) -> dict[Ref, Item]:
        """All that is listed, by ref."""
        return {Ref(item.object, item.remote_id): item for items in self.data.values() for item in items}

    @hookimpl
    def plan_sync(self, account: Account, scope: Scope) -> Sequence[Partition]:
        partitions = list(Vendor.plan_sync(self, account, scope))
        for object, until in scope.past.items():
            since = scope.horizon and scope.horizon.isoformat()
            start = {"page": 0, "since": since, "until": until.isoformat()}
            partitions.append(Partition(object, "past", start))
        return partitions

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        if partition.key != "past":
            return replace(Vendor.sync(self, account, partition, cursor), named=self.named)
        self.calls.append((f"{partition.object}/past", cursor["page"]))
        records: list[Record | Refusal] = [
            item
            for item in self.data[partition.object]
            if isinstance(item, Record)
            and item.updated_at
            and item.created_at
            and (cursor["since"] is None or item.updated_at.isoformat() >= cursor["since"])
            and item.created_at.isoformat() < cursor["until"]
        ]
        return Page(records=records, expected=len(records))

    @hookimpl
    def fetch(self, account: Account, refs: Sequence[Ref]) -> Page:
        self.fetched.append(refs)
        self.during()
        there = self.listed() if self.there is None else self.there
        return Page(
            records=[there[ref] for ref in refs if ref in there], deleted=[ref for ref in refs if ref not in there]
        )

    @hookimpl
    def count(self, account: Account) -> Mapping[str, int]:
        counted: dict[str, int] = {}
        for ref in self.listed():
            counted[ref.object] = counted.get(ref.object, 0) + 1
        told = {**counted, **self.told}.items()
        return {key: number for key, number in told if key in account.objects and number is not None}
