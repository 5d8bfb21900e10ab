"""The command ``mainstem`` itself: finds its commands, and turns foreseen errors into one line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "init": "Create or migrate the database; safe to repeat.",
    "demo": "Try Mainstem on this machine: sandbox, sync, worker and web admin.",
    "serve": "Run the web admin, the JSON API and the webhooks.",
    "worker": "Run workers and the periodic tasks.",
    "sandbox": "Run a local imitation of a plugin's vendor.",
    "plugins": "List, check and begin plugins.",
    "sources": "Connect, sync and manage data sources.",
    "export": "Write records to standard output.",
    "users": "List and add those who may log in.",
    "doctor": "Check the installation and say how to mend it.",
}
"""Name and summary of each command; the module of that name in this package holds it as ``command``."""


class Root(click.Group):
    """Imports no more than the command that is called, so that help comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"core.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            from core.cli.errors import explain

            text = explain(error)
            if text is None:
                raise
            raise click.ClickException(text) from error


@click.command(cls=Root)
@click.version_option(package_name="mainstem", message="%(prog)s %(version)s")
def main() -> None:
    """Mainstem: the customer data platform that your data sources flow into.

    Every command takes --json: one JSON document on standard output, logs on standard error. It exits with 0 when
    done, 1 when the work failed and 2 for wrong usage. Settings come from environment variables; `mainstem doctor`
    checks them.
    """
    import os

    from core import logs
    from core.runtime.parent import leave_with_parent

    logs.configure()
    leave_with_parent(os.environ)
