"""Consent at the vendor (OAuth 2, authorization code) in two calls of the hook ``connect``, and what renews its tokens.

The host makes and checks ``state`` and owns the callback's address. A client that is given an :class:`OAuth2` sends the
access token and renews it; see :class:`plugins.base.client.ApiClient`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import requests

from core.contract.errors import Reauthorise, Retry
from core.contract.types import JSON, Account, Redirect, Rejected

TIMEOUT = (5.0, 30.0)


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A vendor's consent.

    Attributes:
        vendor: Name in messages.
        authorize_url: The consent page.
        token_url: Where a code becomes a token, and a refresh token another one.
        client_id: Of the app registered with the vendor.
        client_secret: Likewise.
        scopes: To ask for; none where the app's registration decides.
    """

    vendor: str
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = ()

    def redirect(self, account: Account, keep: Mapping[str, str] | None = None) -> Redirect:
        """First call: where the admin consents, and the answers that the second call needs again."""
        query = {"response_type": "code", "client_id": self.client_id, "redirect_uri": account.redirect_uri}
        if self.scopes:
            query["scope"] = " ".join(self.scopes)
        return Redirect(f"{self.authorize_url}?{urlencode(query)}", keep or {})

    def exchange(self, account: Account, answers: Mapping[str, str]) -> Mapping[str, JSON] | Rejected:
        """Second call: turn the callback's query into the vendor's token answer.

        Returns:
            The token answer, with ``access_token``; or what is wrong.

        Raises:
            Retry: The vendor cannot answer now.
        """
        code = answers.get("code")
        if not code:
            return Rejected({"": f"{self.vendor} gave no consent: connect again and allow the access"})
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": account.redirect_uri}
        # Some vendors ask for the scopes again; others ignore them, as RFC 6749 tells them to.
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        status, token = self._ask(account, form)
        if status != 200 or not token.get("access_token"):
            why = "it was used before, has expired, or the app's secret is wrong"
            return Rejected({"": f"{self.vendor} refused the consent ({status}): {why}; connect again"})
        return token

    def refresh(self, account: Account, secrets: Mapping[str, str]) -> Mapping[str, str]:
        """Return what replaces ``secrets``, which :func:`tokens` made; to be called by :attr:`Account.renew` alone.

        Raises:
            Reauthorise: The vendor refuses the refresh token.
            Retry: The vendor cannot answer now.
        """
        account.log.info("%s: renewing the access token", self.vendor)
        status, token = self._ask(account, {"grant_type": "refresh_token", "refresh_token": secrets["refresh_token"]})
        if 400 <= status < 500:
            raise Reauthorise(f"{self.vendor} no longer renews the access ({status}): connect again to consent anew")
        if status != 200 or not token.get("access_token"):
            raise Retry(f"{self.vendor} answered {status} without a token when the access was to be renewed")
        # A vendor that sends no new refresh token leaves the old one good (RFC 6749, section 6).
        kept = {key: secret for key, secret in secrets.items() if key not in ("access_token", "renew_at")}
        return {**kept, **tokens(token)}

    def _ask(self, account: Account, form: Mapping[str, str]) -> tuple[int, dict[str, JSON]]:
        """Ask for a token; return the status and the answer, which is empty if it is no JSON object."""
        account.limiter.acquire()
        data = {**form, "client_id": self.client_id, "client_secret": self.client_secret}
        try:
            response = account.http.post(self.token_url, data=data, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise Retry(f"{self.vendor} cannot be reached: {type(error).__name__}") from None
        if response.status_code >= 500 or response.status_code == 429:
            raise Retry(f"{self.vendor} answered {response.status_code} when it was asked for a token: try again soon")
        try:
            answer = response.json()
        except requests.JSONDecodeError:
            answer = None
        return response.status_code, answer if isinstance(answer, dict) else {}


def tokens(answer: Mapping[str, JSON]) -> dict[str, str]:
    """Return the secrets in a vendor's token answer, for :class:`Connected`.

    They are ``access_token`` and, as far as the vendor gives them, ``refresh_token`` and ``renew_at``: the unix time
    at which nine tenths of the access token's life are over.
    """
    found = {key: str(answer[key]) for key in ("access_token", "refresh_token") if answer.get(key)}
    seconds = answer.get("expires_in")
    if isinstance(seconds, int | float) and seconds > 0:
        found["renew_at"] = str(int(time.time() + seconds * 0.9))
    return found
