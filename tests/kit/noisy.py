"""A plugin whose import asks for an address."""

from __future__ import annotations

import socket

from tests.kit.depot import Depot

socket.getaddrinfo("127.0.0.1", 80)


class Noisy(Depot):
    """Asks while it is imported."""
