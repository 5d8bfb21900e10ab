"""``mainstem init``."""

from __future__ import annotations

import click
from sqlalchemy.engine import make_url

from core.cli.output import Command, open_unmigrated, show
from core.db.migrate import pending, upgrade


@click.command("init", cls=Command)
def command() -> None:
    """Create or migrate the database; safe to repeat.

    Needs DATABASE_URL for anything but the SQLite file in the instance folder.
    """
    mainstem = open_unmigrated()
    behind = pending(mainstem.engine)
    upgrade(mainstem.settings.database_url)
    url = make_url(mainstem.settings.database_url).render_as_string(hide_password=True)
    show(
        {"database": url, "migrated": behind},
        f"{url}: {'migrated' if behind else 'nothing to do, all tables are as this version needs them'}",
    )
