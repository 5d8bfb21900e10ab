"""Proof that a webhook comes from the vendor."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from typing import Literal

from core.contract.errors import Forged


def split_secrets(value: str | None) -> list[str]:
    """Return the secrets of a comma-separated list: two of them while one replaces the other."""
    return [secret.strip() for secret in (value or "").split(",") if secret.strip()]


def check_signature(
    body: bytes,
    signature: str | None,
    secrets: Iterable[str],
    algorithm: Literal["sha1", "sha256", "sha512"],
    encoding: Literal["hex", "base64"] = "hex",
) -> None:
    """Check an HMAC over the raw body, in constant time.

    Args:
        body: As it arrived, before any parsing; with the time before it where the vendor signs that too.
        signature: A prefix such as ``sha1=`` is taken off.
        secrets: Each of them is accepted.
        algorithm: Of the HMAC.
        encoding: Of the signature.

    Raises:
        Forged: It is missing, or made with none of the secrets.
    """
    given = (signature or "").strip().removeprefix(f"{algorithm}=")
    digests = [hmac.digest(secret.encode(), body, algorithm) for secret in secrets]
    if encoding == "hex":
        given, wanted = given.lower(), [digest.hex().encode() for digest in digests]
    else:
        wanted = [base64.b64encode(digest) for digest in digests]
    # Each secret is compared, so time does not tell which one fits.
    if not sum(hmac.compare_digest(given.encode(), digest) for digest in wanted):
        raise Forged("the signature is missing or wrong")
