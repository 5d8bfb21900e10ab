"""The vendor of the service tests as an installed plugin, for workers in processes of their own.

``VENDOR_PARTITIONS``, ``VENDOR_PAGES`` (of each partition) and ``VENDOR_SECONDS`` (a page takes) say how much there is.
Every time a page is read it brings an activity with an id of its own: what was written twice is there twice.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Activity, Cursor, Page, Partition, Record, Ref
from tests.services.vendor import Vendor, user

SIZE = 5


class Installed(Vendor):
    """Users in several partitions."""

    def __init__(self) -> None:
        super().__init__()
        self.size = SIZE
        count = int(os.environ.get("VENDOR_PAGES", "2")) * SIZE
        for key in range(int(os.environ.get("VENDOR_PARTITIONS", "2"))):
            self.data[f"user/{key}"] = [user(key * count + number) for number in range(count)]

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        page = super().sync(account, partition, cursor)
        time.sleep(float(os.environ.get("VENDOR_SECONDS", "0")))
        first, *others = page.records
        assert isinstance(first, Record)
        who = (Ref("user", first.remote_id),)
        read = Activity("seen", f"{partition.key}:{cursor['page']}:{uuid4()}", datetime.now(UTC), people=who)
        return replace(page, records=[replace(first, activities=(read,)), *others])


PLUGIN = Installed()
