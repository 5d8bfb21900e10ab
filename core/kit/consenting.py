"""Through the consent page of a sandbox, agreeing as an admin would."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urljoin

import requests

from core.contract.types import Redirect
from core.kit.rule import Broken

_HOPS = 3
_AGREES = re.compile(r"""<(?:a|form)\b[^>]*?\b(?:href|action)=["']([^"']+)""", re.IGNORECASE)


def agree(browser: requests.Session, redirect: Redirect, back: str) -> dict[str, str]:
    """Follow the consent page's redirects, or its first link, and return the callback's query without ``state``.

    Args:
        browser: Reaches the sandbox.
        redirect: What the plugin answered.
        back: The account's ``redirect_uri``.

    Raises:
        Broken: There is no way through.
    """
    url = f"{redirect.url}{'&' if '?' in redirect.url else '?'}state=kit"
    for _ in range(_HOPS):
        response = browser.get(url, allow_redirects=False, timeout=30)
        link = response.headers.get("Location") or next(iter(_AGREES.findall(response.text)), None)
        if link is None:
            raise Broken(f"the sandbox's consent page answers {response.status_code} and leads nowhere")
        url = urljoin(url, unescape(link))
        if url.startswith(back):
            query = dict(parse_qsl(url.partition("?")[2]))
            if query.pop("state", None) != "kit":
                raise Broken("the sandbox's consent page does not bring state back")
            return query
    raise Broken(f"the sandbox's consent page does not lead back to redirect_uri within {_HOPS} steps")
