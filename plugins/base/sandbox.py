"""What the sandboxes of vendors share."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import count
from urllib.parse import urlencode

from core.contract.types import JSON


class TokenOffice:
    """The consent page and the token endpoint of a sandboxed vendor.

    Codes and refresh tokens are good for one use; what renews an access token ends it, as many vendors do.

    Args:
        client_secret: Of the app, without which no token is given.
        seconds: For how long access tokens are good; None for ever, and then nothing renews them.
    """

    def __init__(self, client_secret: str, seconds: int | None = None) -> None:
        self._client_secret, self._seconds = client_secret, seconds
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._codes: set[str] = set()
        self._ends: dict[str, float] = {}
        self._renews: dict[str, str] = {}

    def consent(self, query: Mapping[str, str]) -> str:
        """Return where the consent page leads an admin who agrees."""
        with self._lock:
            code = f"code-{next(self._numbers)}"
            self._codes.add(code)
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: Mapping[str, str]) -> tuple[dict[str, JSON], int]:
        """Return answer and status of the token endpoint."""
        with self._lock:
            if form.get("client_secret") != self._client_secret:
                return {"error": "invalid_client"}, 401
            if form.get("grant_type") == "refresh_token" and form.get("refresh_token") in self._renews:
                del self._ends[self._renews.pop(form["refresh_token"])]
            elif form.get("grant_type") == "authorization_code" and form.get("code") in self._codes:
                self._codes.remove(form["code"])
            else:
                return {"error": "invalid_grant"}, 400
            return self._issue(), 200

    def _issue(self) -> dict[str, JSON]:
        number = next(self._numbers)
        access, refresh = f"sandbox-access-{number}", f"sandbox-refresh-{number}"
        answer: dict[str, JSON] = {"access_token": access, "token_type": "bearer"}
        self._ends[access] = float("inf")
        if self._seconds is not None:
            self._ends[access] = time.time() + self._seconds
            self._renews[refresh] = access
            answer |= {"refresh_token": refresh, "expires_in": self._seconds}
        return answer

    def expire(self) -> None:
        """End all access tokens, as time does."""
        with self._lock:
            self._ends = dict.fromkeys(self._ends, 0.0)

    def accepts(self, authorization: str | None) -> bool:
        """Tell whether a header ``Authorization`` has an access token that is good."""
        return self._ends.get((authorization or "").removeprefix("Bearer "), 0) > time.time()
