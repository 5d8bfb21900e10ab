"""Secrets at rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """A stored secret cannot be read with the keys given."""


class Vault:
    """Encrypts with the first key and decrypts with any, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secrets: Mapping[str, str]) -> str:
        """Return ``secrets`` as encrypted text."""
        return self._fernet.encrypt(json.dumps(dict(secrets)).encode()).decode()

    def open(self, sealed: str) -> dict[str, str]:
        """Return what :meth:`seal` was given; an empty text holds no secrets.

        Raises:
            VaultError: None of the keys fits.
        """
        if not sealed:
            return {}
        try:
            opened: dict[str, str] = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise VaultError(
                "The stored credentials cannot be decrypted: ENCRYPTION_KEYS lacks the key they were encrypted with"
            ) from None
        return opened

    def rotate(self, sealed: str) -> str:
        """Return ``sealed`` encrypted anew with the first key."""
        return self._fernet.rotate(sealed.encode()).decode() if sealed else sealed
