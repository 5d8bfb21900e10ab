from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from core.contract.errors import Forged
from plugins.base.webhooks import check_signature, split_secrets

BODY = '{"b": 1, "a": "ü"}'.encode()


def signed(secret: str) -> str:
    return hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()


def test_secrets():
    assert split_secrets(" old , new,") == ["old", "new"]
    assert split_secrets(None) == []


@pytest.mark.parametrize("secret", ["old", "new"])
def test_any_secret_proves_it(secret):
    check_signature(BODY, signed(secret), ["new", "old"], "sha256")
    check_signature(BODY, f"sha256={signed(secret).upper()}", ["new", "old"], "sha256")


@pytest.mark.parametrize(
    ("body", "signature", "secrets"),
    [
        (BODY, signed("other"), ["new"]),
        (BODY + b" ", signed("new"), ["new"]),
        (BODY, None, ["new"]),
        (BODY, "", ["new"]),
        (BODY, "ü", ["new"]),
        (BODY, signed("new"), []),
    ],
)
def test_forged(body, signature, secrets):
    with pytest.raises(Forged):
        check_signature(body, signature, secrets, "sha256")


def test_a_signature_in_base64_keeps_its_capitals():
    signature = base64.b64encode(hmac.digest(b"new", BODY, "sha256")).decode()
    check_signature(BODY, signature, ["old", "new"], "sha256", "base64")
    for wrong in (signature.lower(), signature.rstrip("="), signed("new"), None):
        with pytest.raises(Forged):
            check_signature(BODY, wrong, ["old", "new"], "sha256", "base64")
