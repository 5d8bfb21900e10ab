"""The shop of the contract's examples with a sandbox, so that commands can be tried without a vendor."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from core.contract.errors import Refused
from core.contract.example import Shop as BareShop
from core.contract.hookspecs import hookimpl
from core.contract.types import (
    Account,
    Cursor,
    EnvVar,
    FieldSpec,
    MergePolicy,
    Page,
    Partition,
    Record,
    Refusal,
    Sandbox,
    SandboxOptions,
)

VARIABLE = EnvVar("SHOP_URL", "Where the shop is.", kind="url")


class Silent(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, *args: Any) -> None:
        pass


class Street:
    """The shop over HTTP: one page that says how many customers it has."""

    credentials: Mapping[str, str] = {"key": "open"}

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self.app: Any = self._answer

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{self._options.people} customers".encode()]

    def environment(self, url: str) -> Mapping[str, str]:
        return {"SHOP_URL": url}

    def serve(self, host: str, port: int) -> None:
        print("the shop is open")  # noqa: T201 -- as a vendor's server might
        with make_server(host, port, self.app, handler_class=Silent) as server:

            def leave(number: int, frame: FrameType | None) -> None:
                # From a thread: the server waits for itself otherwise.
                threading.Thread(target=server.shutdown).start()

            signal.signal(signal.SIGTERM, leave)
            signal.signal(signal.SIGINT, leave)
            server.serve_forever(poll_interval=0.05)


class Shop(BareShop):
    """A shop with three customers in two pages.

    Args:
        refused: One of its records cannot be mapped.
        closed: It refuses every read.
    """

    manifest = replace(BareShop.manifest, environment=(VARIABLE,))

    def __init__(self, refused: bool = False, closed: bool = False) -> None:
        self.refused = refused
        self.closed = closed

    @hookimpl
    def sync(self, account: Account, partition: Partition, cursor: Cursor) -> Page:
        if self.closed:
            raise Refused("The shop is closed for good")
        page = super().sync(account, partition, cursor)
        records: Sequence[Record | Refusal] = page.records
        if self.refused:
            records = [*records, Refusal("customer", f"bad-{cursor}", "email: is missing", {"id": cursor})]
        return replace(page, records=records, expected=3)

    @hookimpl
    def field_schema(self, account: Account) -> Sequence[FieldSpec]:
        return [FieldSpec("customer", "email", "Email", feeds="email")]

    @hookimpl
    def merge(self, account: Account, object: str) -> MergePolicy:
        return MergePolicy(("email",))

    @hookimpl
    def sandbox(self, options: SandboxOptions) -> Sandbox:
        if options.faults:
            raise ValueError("faults: the shop has none")
        return Street(options)


plugin = Shop()
