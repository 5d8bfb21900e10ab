"""Finds installed plugins by their entry points, and imports them one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from core.contract.hookspecs import ENTRY_POINT_GROUP
from core.host.environment import flag

DISABLED = "MAINSTEM_DISABLED_PLUGINS"
SAFE_MODE = "MAINSTEM_SAFE_MODE"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """Something that may become a plugin.

    Attributes:
        name: Its name: the entry point's, which is the manifest's too.
        load: Imports it; may raise anything.
        distribution: The distribution that installed it; "" for one made by hand.
        version: Of the distribution.
        disabled: Why it must not be imported; "" if it may.
    """

    name: str
    load: Callable[[], object]
    distribution: str = ""
    version: str = ""
    disabled: str = ""

    @classmethod
    def of(cls, plugin: object) -> Candidate:
        """Wrap a plugin that is already there."""
        try:
            name = cast(Any, plugin).manifest.name
        except Exception:  # noqa: BLE001 (the checks will say what is wrong with it)
            name = None
        return cls(name if isinstance(name, str) else type(plugin).__name__, lambda: plugin)


def installed(environ: Mapping[str, str]) -> list[Candidate]:
    """List the entry points of the group ``mainstem.plugins``, importing none of them.

    Raises:
        PluginConfigError: ``MAINSTEM_SAFE_MODE`` is malformed.
    """
    safe_mode = flag(environ, SAFE_MODE)
    disabled = {name.strip() for name in environ.get(DISABLED, "").split(",")} - {""}
    found = entry_points(group=ENTRY_POINT_GROUP)
    for name in sorted(disabled - found.names):
        log.warning("%s names %r, which is not installed", DISABLED, name)

    def candidate(point: EntryPoint) -> Candidate:
        reason = f"{SAFE_MODE} is set" if safe_mode else f"named in {DISABLED}" if point.name in disabled else ""
        distribution, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
        return Candidate(point.name, point.load, distribution, version, reason)

    return [candidate(point) for point in found]
