"""The running system: its settings, database and plugins, handed to every service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from redis import Redis
from sqlalchemy import Engine

from core.config import Settings
from core.db.engine import make_engine
from core.host import Host
from core.services.vault import Vault


@dataclass(frozen=True)
class Mainstem:
    """One process's view of an installation.

    Attributes:
        settings: From the environment.
        engine: The database.
        host: The plugins.
        vault: Reads and writes secrets.
        environ: The process's environment, from which plugins get the variables they declare.
        redis: Where this process shares rate limits with others; None keeps them to itself.
    """

    settings: Settings
    engine: Engine
    host: Host
    vault: Vault
    environ: Mapping[str, str] = field(repr=False)
    redis: Redis | None = field(default=None, repr=False)

    @classmethod
    def open(cls, environ: Mapping[str, str] | None = None, host: Host | None = None) -> Mainstem:
        """Read the settings, load the plugins and make the engine; nothing is connected to yet.

        Args:
            environ: Variables; the process's by default.
            host: Plugins to use instead of the installed ones.

        Raises:
            core.config.ConfigError: A variable is missing or malformed.
        """
        environ = os.environ if environ is None else environ
        settings = Settings.load(environ)
        return cls(
            settings=settings,
            engine=make_engine(settings.database_url),
            host=host if host is not None else Host.from_entry_points(environ),
            vault=Vault(settings.encryption_keys),
            environ=environ,
        )
