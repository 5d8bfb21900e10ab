"""Proof that a webhook comes from the vendor."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Literal

from core.contract.errors import Forged


def split_secrets(value: str | None) -> list[str]:
    """Return the secrets of a comma-separated list: two of them while one replaces the other."""
    return [secret.strip() for secret in (value or "").split(",") if secret.strip()]


def check_signature(
    body: bytes, signature: str | None, secrets: Iterable[str], algorithm: Literal["sha1", "sha256", "sha512"]
) -> None:
    """Check an HMAC over the raw body, in constant time.

    Args:
        body: As it arrived, before any parsing.
        signature: Hexadecimal; a prefix such as ``sha1=`` is taken off.
        secrets: Each of them is accepted.
        algorithm: Of the HMAC.

    Raises:
        Forged: It is missing, or made with none of the secrets.
    """
    given = (signature or "").strip().removeprefix(f"{algorithm}=").lower().encode()
    wanted = [hmac.new(secret.encode(), body, algorithm).hexdigest().encode() for secret in secrets]
    # Each secret is compared, so time does not tell which one fits.
    if not sum(hmac.compare_digest(given, digest) for digest in wanted):
        raise Forged("the signature is missing or wrong")
