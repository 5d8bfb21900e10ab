"""Consent at the vendor (OAuth 2, authorization code) in two calls of the hook ``connect``.

The host makes and checks ``state`` and owns the callback's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import requests

from core.contract.errors import Retry
from core.contract.types import JSON, Account, Redirect, Rejected

TIMEOUT = (5.0, 30.0)


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A vendor's consent.

    Attributes:
        vendor: Name in messages.
        authorize_url: The consent page.
        token_url: Where a code becomes a token.
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

    def redirect(self, account: Account) -> Redirect:
        """First call: where the admin consents."""
        query = {"response_type": "code", "client_id": self.client_id, "redirect_uri": account.redirect_uri}
        if self.scopes:
            query["scope"] = " ".join(self.scopes)
        return Redirect(f"{self.authorize_url}?{urlencode(query)}")

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
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": account.redirect_uri,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        # Some vendors ask for the scopes again; others ignore them, as RFC 6749 tells them to.
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        account.limiter.acquire()
        try:
            response = account.http.post(self.token_url, data=form, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise Retry(f"{self.vendor} cannot be reached: {type(error).__name__}") from None
        if response.status_code >= 500 or response.status_code == 429:
            raise Retry(f"{self.vendor} answered {response.status_code} to the consent: connect again in a minute")
        try:
            token = response.json()
        except requests.JSONDecodeError:
            token = None
        if response.status_code != 200 or not isinstance(token, dict) or not token.get("access_token"):
            why = "it was used before, has expired, or the app's secret is wrong"
            return Rejected({"": f"{self.vendor} refused the consent ({response.status_code}): {why}; connect again"})
        return token
