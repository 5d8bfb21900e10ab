"""The rules of the contract, by what they are about; importing this package lists them all."""

from __future__ import annotations

from core.kit.rules import connecting, declaring, reading, keeping, failing, calling, presenting  # noqa: F401, I001
