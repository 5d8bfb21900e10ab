"""Where vendors deliver what changed: one address for each plugin."""

from __future__ import annotations

import logging

from flask import Blueprint, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from core.contract.errors import Forged
from core.host import PluginMissing
from core.jobs import ring_for_webhooks
from core.services.inbox import LARGEST_BODY, receive
from core.web.access import mainstem, public
from core.web.bell import Bell

blueprint = Blueprint("webhooks", __name__)

log = logging.getLogger("mainstem.webhooks")


@blueprint.record_once
def _hang_bell(state: BlueprintSetupState) -> None:
    app = state.app
    app.extensions["webhook_bell"] = Bell(lambda source_id: ring_for_webhooks(app.extensions["mainstem"], source_id))


@blueprint.route("/webhooks/<plugin>", methods=["HEAD"])
@public
def check(plugin: str) -> ResponseReturnValue:
    """Answer a vendor that asks whether somebody listens here."""
    return ("", 200) if _listens(plugin) else ("", 404)


@blueprint.post("/webhooks/<plugin>")
@public
def deliver(plugin: str) -> ResponseReturnValue:
    """Store a delivery and answer; it is worked off by a worker.

    Vendors take 410 for good, so the answer is never that one.
    """
    if not _listens(plugin):
        return jsonify(error="No plugin of this name takes webhooks"), 404
    # Also of a body that does not tell its length no more than this is read.
    request.max_content_length = LARGEST_BODY
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        reception, source_id = receive(mainstem(), plugin, headers, request.get_data())
    except RequestEntityTooLarge:
        return jsonify(error=f"A delivery may have {LARGEST_BODY:,} bytes"), 413
    except Forged as error:
        log.warning("refused a webhook: %s", error, extra={"plugin": plugin})
        return jsonify(error="This delivery is not signed as it should be"), 401
    if source_id is not None:
        bell: Bell = current_app.extensions["webhook_bell"]
        bell.press(source_id)
    return jsonify(reception=reception)


def _listens(plugin: str) -> bool:
    try:
        return mainstem().host.manifest(plugin).webhooks
    except PluginMissing:
        return False
