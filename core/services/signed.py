"""Links that are sent to one user and prove by themselves whom they are for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from itsdangerous import BadData, URLSafeTimedSerializer

from core.services.errors import NotFound
from core.services.mainstem import Mainstem


@dataclass(frozen=True, slots=True)
class SignedLink:
    """One kind of link.

    Attributes:
        purpose: What it is for: no link of another kind is taken for it.
        valid: How long it works.
        worthless: What is said of one that does not.
    """

    purpose: str
    valid: timedelta
    worthless: str

    def token(self, mainstem: Mainstem, user_id: int, mark: str) -> str:
        """Return the signed text of a link for a user; ``mark`` is what must still hold when it is used."""
        return self._signer(mainstem).dumps([user_id, mark])

    def read(self, mainstem: Mainstem, token: str) -> tuple[int, str]:
        """Return user and mark of a link.

        Raises:
            NotFound: It is forged, of another kind or too old.
        """
        try:
            user_id, mark = self._signer(mainstem).loads(token, max_age=int(self.valid.total_seconds()))
            return int(user_id), str(mark)
        except (BadData, ValueError, TypeError):
            raise NotFound(self.worthless) from None

    def _signer(self, mainstem: Mainstem) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(mainstem.settings.secret_key, salt=self.purpose)
