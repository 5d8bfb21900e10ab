"""Environment variables: those that plugins declare, and those that say which plugins to load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from core.contract.types import EnvVar
from core.host.errors import PluginConfigError


def values(variables: Iterable[EnvVar], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each variable that has one; an empty one counts as not set.

    Raises:
        PluginConfigError: A value is malformed.
    """
    found: dict[str, str] = {}
    for variable in variables:
        value = environ.get(variable.name, "").strip() or variable.default
        if value is None:
            continue
        if variable.kind == "url" and not is_url(value):
            raise PluginConfigError(f"{variable.name} is not a URL: set it to one such as https://api.example.com")
        found[variable.name] = value
    return found


def is_url(text: str) -> bool:
    """Tell whether ``text`` is an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (reading it raises ValueError when it is no port)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(map(str.isspace, text))


def flag(environ: Mapping[str, str], name: str) -> bool:
    """Read a switch.

    Raises:
        PluginConfigError: It is neither 1, 0 nor empty.
    """
    value = environ.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise PluginConfigError(f"{name} must be 1 or 0")
    return value == "1"
