"""`/_sandbox/…`: change the workspace and look behind the scenes. No token, no limits, no faults."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from plugins.intercom.sandbox.errors import bad_parameter, not_found
from plugins.intercom.sandbox.limits import Limiter
from plugins.intercom.sandbox.replies import json_body, reply
from plugins.intercom.sandbox.store import Store


def routes(store: Store, limiter: Limiter) -> Blueprint:
    api = Blueprint("control", __name__, url_prefix="/_sandbox")

    @api.get("/requests")
    def requests() -> Response:
        """Writes tried (must be none), counts per endpoint and status, refusals by the limit, most in flight."""
        with store.lock:
            return reply({
                "writes": store.writes,
                "total": store.api_requests,
                "paths": dict(store.requests),
                "statuses": {str(status): count for status, count in store.statuses.items()},
                "rate_limited": limiter.refused,
                "in_flight": store.in_flight,
                "max_in_flight": store.most_in_flight,
                "faults": store.faults.made,
                "recent": list(store.recent),
            })  # fmt: skip

    @api.post("/requests/reset")
    def reset() -> Response:
        """Start counting anew."""
        with store.lock:
            store.requests.clear()
            store.statuses.clear()
            store.recent.clear()
            store.writes.clear()
            store.api_requests = store.most_in_flight = limiter.refused = 0
        return reply({"result": None})

    @api.get("/counts")
    def counts() -> Response:
        """How many records of each kind a complete sync must find."""
        with store.lock:
            return reply({
                "contacts": len(store.contacts),
                "companies": len(store.companies),
                "conversations": len(store.conversations),
                "tickets": len(store.tickets),
                "articles": len(store.articles),
                "collections": len(store.collections),
                "admins": len(store.admins),
                "teams": len(store.teams),
            })  # fmt: skip

    @api.get("/webhooks")
    def webhooks() -> Response:
        """What was sent, newest last, and with which outcome."""
        log = [
            {"topic": one.topic, "statuses": one.statuses, "envelope": one.envelope} for one in list(store.webhooks.log)
        ]
        return reply(
            {"deliveries": log, "head_status": store.webhooks.head_status, "disabled": store.webhooks.disabled}
        )

    @api.route("/simulate", methods=["GET", "POST"])
    def simulate() -> Response:
        """`?changes=N` random, realistic changes."""
        given = request.args.get("changes", "10")
        if not given.isdigit():
            raise bad_parameter("changes is a whole number")
        return reply({"result": store.simulate(int(given))})

    @api.post("/<name>")
    def change(name: str) -> Response:
        """Call a mutator of the store with the JSON body as its arguments."""
        method: Any = getattr(store, name, None)
        if not getattr(method, "is_mutator", False):
            raise not_found(f"no change is named {name}")
        try:
            return reply({"result": method(**json_body())})
        except TypeError as error:
            raise bad_parameter(str(error)) from None

    return api
