"""What people are told when something foreseen goes wrong: one line with the mend, never a traceback."""

from __future__ import annotations

import os

from alembic.util.exc import CommandError
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from core.config import ConfigError, Settings
from core.contract.errors import SourceError
from core.host import PluginError
from core.runtime.valkey import ValkeyError
from core.services.errors import ServiceError
from core.services.vault import VaultError

TOLD = (ConfigError, PluginError, ServiceError, SourceError, ValkeyError, VaultError)
"""Errors whose text is already one line for people."""


def explain(error: Exception) -> str | None:
    """Return the line that tells people of ``error``; None for one that nobody foresaw."""
    if isinstance(error, TOLD):
        return str(error)
    if isinstance(error, OperationalError):
        url = make_url(Settings.load(os.environ).database_url).render_as_string(hide_password=True)
        return (
            f"DATABASE_URL: cannot use {url} ({first_line(error.orig or error)}); "
            "check that the database runs and that the URL is right"
        )
    if isinstance(error, RedisError):
        return f"REDIS_URL: cannot use Redis ({first_line(error)}); check that it runs and that the URL is right"
    if isinstance(error, CommandError):
        return f"The database cannot be migrated ({first_line(error)}): if a newer Mainstem made it, upgrade this one"
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of what ``error`` says, or its kind when it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:; ")
