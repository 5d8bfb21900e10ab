"""An HTTP client for a vendor's JSON API that can do nothing but read."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar, cast
from urllib.parse import urlsplit

import requests

from core.contract.errors import Reauthorise, Refused, Retry, SourceError
from core.contract.types import JSON, Account
from plugins.base.answers import delay, number, parsed, whole
from plugins.base.oauth import OAuth2

T = TypeVar("T")
R = TypeVar("R")


class Unavailable(Retry):
    """The vendor did not answer, or not with what it should.

    Args:
        message: What happened.
        after: Seconds to wait, if the vendor said so.
        status: HTTP status; 0 when there was no answer.
    """

    def __init__(self, message: str, after: float | None = None, status: int = 0) -> None:
        super().__init__(message, after)
        self.status = status


class Declined(Refused):
    """The vendor understood the request and will not serve it.

    Args:
        message: What happened.
        status: HTTP status.
        code: The vendor's own code, as :meth:`ApiClient.problem` reads it.
        links: Addresses of the header ``Link``, by their relation.
    """

    def __init__(self, message: str, status: int, code: str = "", links: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.links = links or {}


class NotFound(Declined):
    """What was asked for does not exist, or no longer (404, 410)."""


class ApiClient:
    """Reads a vendor's API on behalf of one account.

    Every request waits for the account's rate limit first and tells it the vendor's headers afterwards. A failure that
    may pass is tried again a few times at once; what remains raises one of :mod:`core.contract.errors`.

    Only GET, and POST to the paths of :attr:`searches`, can be sent: there is no way to write. Redirects are not
    followed and links are taken by their path alone, so the headers never reach another host.

    Args:
        account: Whose.
        base_url: Of the API.
        headers: Of each request, such as one with a token that does not expire.
        oauth: Whose access token each request carries, as a bearer's. It is renewed shortly before it expires, and once
            when the vendor refuses it, if the account's secrets have a refresh token; the request is then sent again.
        secrets: To be proven instead of the account's, by ``connect``; they are not renewed.

    Attributes:
        vendor: Name in messages.
        searches: Paths that take a POST and change nothing.
        timeout: Seconds to connect and seconds between two bytes of an answer.
        attempts: How often a request is sent before giving up.
        patience: Longest wait between two attempts, in seconds; beyond it :class:`Retry` gives the worker back.
        parallel: How many requests :meth:`map` has under way.
        pause: Waits for so many seconds.
    """

    vendor = "The vendor"
    searches: frozenset[str] = frozenset()
    timeout = (5.0, 60.0)
    attempts = 4
    patience = 5.0
    parallel = 16
    pause: Callable[[float], None] = staticmethod(lambda seconds: time.sleep(seconds))

    def __init__(
        self,
        account: Account,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        oauth: OAuth2 | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.account = account
        self.base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._oauth = oauth
        self._proven = secrets

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.base_url}>"

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> JSON:
        """Return the parsed answer to GET.

        Args:
            path: Below the base URL, or a link that the vendor sent, whose host is ignored.
            params: Query to add.

        Raises:
            NotFound: 404 or 410.
            SourceError: Another of its kinds, by what the host shall do.
        """
        return self._send("GET", path, params, None)

    def get_if_allowed(self, path: str, params: Mapping[str, str | int] | None = None) -> JSON | None:
        """Return what :meth:`get` does, or None, with a warning, where the vendor refuses: for what can be spared."""
        try:
            return self.get(path, params)
        except Refused as error:
            self.account.log.warning("going on without it: %s", error)
            return None

    def search(self, path: str, body: JSON = None, params: Mapping[str, str | int] | None = None) -> JSON:
        """Return the parsed answer to a search by POST.

        Raises:
            ValueError: ``path`` is not one of :attr:`searches`.
            SourceError: As :meth:`get`.
        """
        if path not in self.searches:
            raise ValueError(f"POST {path} is not among the searches of {type(self).__name__}")
        return self._send("POST", path, params, body)

    def map(self, call: Callable[[T], R], items: Iterable[T]) -> list[R | Refused]:
        """Call ``call`` with each item, several side by side.

        Returns:
            The results in the order of the items; the error itself where the vendor refused one.

        Raises:
            SourceError: Any other kind, which concerns them all: what has not begun by then is not asked.
        """
        general: list[SourceError] = []

        def attempt(item: T) -> R | Refused | None:
            if general:
                return None
            try:
                return call(item)
            except Refused as error:
                return error
            except SourceError as error:
                general.append(error)
                return None

        work = list(items)
        if len(work) < 2:
            outcomes = [attempt(item) for item in work]
        else:
            with ThreadPoolExecutor(min(self.parallel, len(work))) as pool:
                outcomes = list(pool.map(attempt, work))
        if general:
            raise general[0]
        return cast("list[R | Refused]", outcomes)

    # What a vendor does in its own way.

    def rate(self, response: requests.Response) -> tuple[int | None, int | None, float | None]:
        """Read the rate headers: requests a slice, requests left, unix time of the slice's end."""
        headers = response.headers
        limit, remaining = whole(headers.get("X-RateLimit-Limit")), whole(headers.get("X-RateLimit-Remaining"))
        return limit, remaining, number(headers.get("X-RateLimit-Reset"))

    def problem(self, response: requests.Response) -> tuple[str, str]:
        """Read the vendor's code and message from an answer that is no success; either may be empty."""
        return "", ""

    def unauthorised(self, response: requests.Response, message: str) -> SourceError:
        """Say what a 401 means; by default that the credentials are dead."""
        return Reauthorise(message)

    # How a request is sent.

    def _send(
        self, method: Literal["GET", "POST"], path: str, params: Mapping[str, str | int] | None, body: JSON
    ) -> JSON:
        target = self._target(path)
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(method, target, params, body)
            except Retry as later:
                backoff = 0.25 * 2 ** (attempt - 1)
                wait = (backoff if later.after is None else later.after) + backoff * random.random()  # noqa: S311
                if attempt == self.attempts or wait > self.patience:
                    raise
                self.account.log.info("%s: trying again in %.1f s", later, wait)
                self.pause(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _target(self, path: str) -> str:
        """Return path and query below the base URL."""
        if not re.match(r"https?://", path):
            return path
        link, base = urlsplit(path), urlsplit(self.base_url).path
        below = link.path.removeprefix(base)
        return f"{below}?{link.query}" if link.query else below

    def _once(
        self, method: Literal["GET", "POST"], target: str, params: Mapping[str, str | int] | None, body: JSON
    ) -> JSON:
        what = f"{method} {target.partition('?')[0]}"
        secrets = self._secrets()
        response = self._request(method, what, target, params, body, secrets)
        if response.status_code == 401 and self._renewable(secrets):
            response = self._request(method, what, target, params, body, self._renew(secrets))
        if not response.ok or response.is_redirect:
            raise self._error(what, response)
        answer = parsed(response.content)
        if not isinstance(answer, dict | list):
            raise Unavailable(f"{self.vendor} answered {what} with what is no JSON", status=response.status_code)
        return answer

    def _secrets(self) -> Mapping[str, str]:
        """Return the secrets to ask with, renewed if it is time."""
        secrets = dict(self.account.secrets) if self._proven is None else self._proven
        if self._renewable(secrets) and float(secrets.get("renew_at", "inf")) < time.time():
            return self._renew(secrets)
        return secrets

    def _renewable(self, secrets: Mapping[str, str]) -> bool:
        return self._oauth is not None and self._proven is None and "refresh_token" in secrets

    def _renew(self, secrets: Mapping[str, str]) -> Mapping[str, str]:
        assert self._oauth is not None
        return self.account.renew(secrets, partial(self._oauth.refresh, self.account))

    def _request(
        self,
        method: Literal["GET", "POST"],
        what: str,
        target: str,
        params: Mapping[str, str | int] | None,
        body: JSON,
        secrets: Mapping[str, str],
    ) -> requests.Response:
        """Send one request and tell the limiter what its answer says."""
        bearer = {"Authorization": f"Bearer {secrets['access_token']}"} if self._oauth else {}
        self.account.limiter.acquire()
        started = time.perf_counter()
        try:
            response = self.account.http.request(
                method,
                self.base_url + target,
                params=params,
                json=body,
                headers={**self._headers, **bearer},
                timeout=self.timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The error's own text has the whole address, with its query.
            raise Unavailable(f"{self.vendor} cannot be reached for {what}: {type(error).__name__}") from None
        milliseconds = (time.perf_counter() - started) * 1000
        self.account.log.debug("%s: %d after %.0f ms", what, response.status_code, milliseconds)
        rate = self.rate(response)
        if rate != (None, None, None):
            self.account.limiter.observe(*rate)
        return response

    def _error(self, what: str, response: requests.Response) -> SourceError:
        status = response.status_code
        code, explanation = self.problem(response)
        message = f"{self.vendor} answered {status} to {what}"
        message += "".join(f": {text}" for text in (code, explanation) if text)
        if status == 401:
            return self.unauthorised(response, message)
        if status == 429:
            return Unavailable(message, delay(response, self.rate(response)[2]), status)
        if status in (408, 423, 425) or status >= 500:
            return Unavailable(message, delay(response, None), status)
        if response.is_redirect:
            return Declined(f"{message}: it points to another address, mend the base URL", status)
        links = {relation: link["url"] for relation, link in response.links.items()}
        kind = NotFound if status in (404, 410) else Declined
        return kind(message, status, code, links)
