"""Keeps tests on this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class OutsideError(AssertionError):
    """A test reached for another machine."""


@contextmanager
def only_this_machine() -> Iterator[None]:
    """Let sockets of this process connect to loopback addresses and unix sockets alone.

    Servers in C (the database driver's library) are not seen here; the fixtures give them local addresses.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            raise OutsideError(f"a test may not reach {address[0]}:{address[1]}")
        return connect(self, address)

    return guarded


def is_local(host: str | None) -> bool:
    """Tell whether ``host``, a name or an address, is this machine by its loopback."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"
