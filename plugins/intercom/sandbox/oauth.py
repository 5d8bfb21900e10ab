"""Intercom's OAuth: the consent page, one-time codes, the token endpoint, uninstall; and where links to it lead."""

from __future__ import annotations

import hmac
import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, redirect, render_template_string, request
from werkzeug.wrappers import Response as BaseResponse

from plugins.intercom.sandbox.errors import ApiError
from plugins.intercom.sandbox.store import Store

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Authorize access</title>
<style>body{font:16px system-ui;max-width:26rem;margin:12vh auto;padding:0 1rem}
a{display:inline-block;padding:.5rem 1rem;
border:1px solid #334;border-radius:.4rem;text-decoration:none;color:#334;margin-right:.5rem}
a.main{background:#334;color:#fff}</style>
<h1>Connect to {{ workspace }}</h1>
<p><strong>This is a sandbox of Mainstem on this machine, and not Intercom.</strong> No account and no password is
needed, and everybody in it is made up.</p>
<p>An app asks to read this workspace: people, companies, conversations, articles, teammates.</p>
<p><a class="main" id="authorize" href="/oauth/authorize?{{ query }}">Authorize access</a>
<a id="cancel" href="/oauth/cancel?{{ query }}">Cancel</a></p></html>"""
REFUSED = "Cannot connect"
INBOX = "This is a sandbox of Mainstem on this machine: it has no pages where Intercom would show this conversation."
PROBLEM = """<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>{{ title }}</title>
<p>{{ text }}</p></html>"""


def routes(store: Store, client_id: str, client_secret: str) -> Blueprint:
    """The OAuth endpoints for one app."""
    pages, codes = Blueprint("oauth", __name__), set[str]()

    def target() -> str | None:
        """The redirect address; with registered ones it must be among them, without a wish it is the first."""
        wanted = request.args.get("redirect_uri")
        if not store.redirect_uris:
            return wanted
        return wanted if wanted in store.redirect_uris else None if wanted else store.redirect_uris[0]

    def problem() -> tuple[str, int] | None:
        if request.args.get("client_id") != client_id:
            return render_template_string(PROBLEM, title=REFUSED, text="This app is unknown (client_id)."), 400
        if not target() or urlsplit(target() or "").scheme not in ("http", "https"):
            return render_template_string(
                PROBLEM, title=REFUSED, text="The redirect_uri is not registered for this app."
            ), 400
        return None

    def back(**more: str) -> BaseResponse:
        address = target() or ""
        state = request.args.get("state")
        query = urlencode({**more, **({"state": state} if state is not None else {})})
        return redirect(f"{address}{'&' if '?' in address else '?'}{query}")

    @pages.get("/oauth")
    def consent() -> Any:
        query = urlencode(dict(request.args.items()))
        return problem() or render_template_string(PAGE, workspace=store.plan.workspace, query=query)

    @pages.get("/oauth/authorize")
    def authorize() -> Any:
        wrong = problem()
        if wrong:
            return wrong
        code = f"{secrets.token_urlsafe(24)}="  # codes of Intercom's can end in padding
        with store.lock:
            codes.add(code)
        return back(code=code)

    @pages.get("/oauth/cancel")
    def cancel() -> Any:
        return problem() or back(error="access_denied")

    @pages.get("/a/<path:page>")
    def inbox(page: str) -> Any:
        return render_template_string(PROBLEM, title="Sandbox", text=INBOX)

    @pages.post("/auth/eagle/token")
    def token() -> Any:
        given = request.get_json(silent=True) if request.is_json else request.form
        given = given or {}
        known = hmac.compare_digest(str(given.get("client_secret", "")).encode(), client_secret.encode())
        code = str(given.get("code", ""))
        with store.lock:
            if given.get("client_id") != client_id or not known or code not in codes:
                raise ApiError(401, "unauthorized", "The code is unauthorized")
            codes.remove(code)
            fresh = store.issue_token()
        return {"token_type": "Bearer", "token": fresh, "access_token": fresh}

    @pages.post("/auth/uninstall")
    def uninstall() -> Any:
        store.revoke_token(request.headers.get("Authorization", "").partition(" ")[2])
        store.webhooks.uninstalled()
        return Response("", 200)

    return pages
