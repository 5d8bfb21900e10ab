"""The rules of the contract, by what they are about; importing this package lists them all."""

from __future__ import annotations

from importlib import import_module

for _topic in (
    "connecting",
    "declaring",
    "reading",
    "storing",
    "asking",
    "choosing",
    "failing",
    "keeping",
    "calling",
    "presenting",
):
    import_module(f"{__name__}.{_topic}")
