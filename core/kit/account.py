"""An account as the host would hand it to a plugin, without a host."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import requests

from core.contract.example import Held, NoLimit, NothingKnown
from core.contract.types import Account, Manifest
from core.kit.wsgi import WSGIApp, mount


def make_account(
    manifest: Manifest, app: WSGIApp | None = None, environment: Mapping[str, str] | None = None, **overrides: Any
) -> Account:
    """Return an account as the host would hand it to the plugin: everything selected, nothing known, no rate limit.

    Args:
        manifest: The plugin's.
        app: WSGI application that answers every request, such as a sandbox's; None leaves the session as it is.
        environment: Variables beside the manifest's defaults.
        overrides: Other attributes of :class:`Account`, such as ``secrets`` or ``settings``.
    """
    session = requests.Session()
    held = Held(overrides.pop("secrets", {}))
    given: dict[str, Any] = {
        "id": 1,
        "plugin": manifest.name,
        "remote_id": "",
        "settings": {},
        "secrets": held,
        "renew": held.renew,
        "environment": {
            **{variable.name: variable.default for variable in manifest.environment if variable.default is not None},
            **(environment or {}),
        },
        "objects": {spec.key: None for spec in manifest.objects},
        "redirect_uri": f"http://127.0.0.1:8000/oauth/{manifest.name}/callback",
        "http": session if app is None else mount(session, app),
        "limiter": NoLimit(),
        "known": NothingKnown(),
        "log": logging.getLogger(f"mainstem.{manifest.name}"),
    }
    return Account(**{**given, **overrides})
