"""Whether this process is alive, and whether it can do its work: for load balancers, not for people."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from core.services.health import readiness
from core.web.access import mainstem, public

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """Answer, which is all there is to show."""
    return jsonify(ok=True)


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Tell whether database, tables and Redis are there; 503 when one is not. Details are for ``mainstem doctor``."""
    checks = {check.name: check.ok for check in readiness(mainstem())}
    ready = all(checks.values())
    return jsonify(ok=ready, checks=checks), 200 if ready else 503
