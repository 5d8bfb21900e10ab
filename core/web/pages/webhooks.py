"""Where vendors deliver what changed: one address for each plugin."""

from __future__ import annotations

import logging

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError

from core.contract.errors import Forged
from core.host import PluginMissing
from core.jobs import ring_for_webhooks
from core.services.inbox import LARGEST_BODY, receive
from core.web.access import mainstem, public

blueprint = Blueprint("webhooks", __name__)

log = logging.getLogger("mainstem.webhooks")


@blueprint.route("/webhooks/<plugin>", methods=["HEAD"])
@public
def check(plugin: str) -> ResponseReturnValue:
    """Answer a vendor that asks whether somebody listens here."""
    _listening(plugin)
    return "", 200


@blueprint.post("/webhooks/<plugin>")
@public
def deliver(plugin: str) -> ResponseReturnValue:
    """Store a delivery and answer; it is worked off by a worker."""
    _listening(plugin)
    if (request.content_length or 0) > LARGEST_BODY:
        abort(413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        reception, source_id = receive(mainstem(), plugin, headers, request.get_data())
    except Forged as error:
        log.warning("refused a webhook: %s", error, extra={"plugin": plugin})
        return jsonify(error="This delivery is not signed as it should be"), 401
    if source_id is not None:
        try:
            ring_for_webhooks(mainstem(), source_id)
        except RedisError:
            # The delivery is safe: a worker's tick finds it.
            log.warning("stored a webhook, but Redis is out of reach", extra={"source": source_id})
    return jsonify(reception=reception)


def _listening(plugin: str) -> None:
    """Refuse what no plugin listens to. A vendor takes 410 for good, so the answer is never that one."""
    try:
        manifest = mainstem().host.manifest(plugin)
    except PluginMissing:
        abort(404)
    if not manifest.webhooks:
        abort(404)
