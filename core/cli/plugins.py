"""``mainstem plugins``."""

from __future__ import annotations

import dataclasses

import click

from core.cli.output import Command, open_unmigrated, show, table


@click.command("plugins", cls=Command)
def command() -> None:
    """List the installed plugins with their state, and the reason where one is left out.

    A data source plugin that works is "loaded", a plugin that only surrounds others a "wrapper"; "broken" ones and
    those "disabled" by MAINSTEM_DISABLED_PLUGINS or MAINSTEM_SAFE_MODE are left out and harm nobody.
    """
    reports = open_unmigrated().host.report()
    show(
        [dataclasses.asdict(report) for report in reports],
        table(
            ["NAME", "STATE", "VERSION", "FROM", "TITLE", "REASON"],
            [(r.name, r.state, r.version, r.distribution, r.title, r.reason) for r in reports],
            empty="No plugin is installed: pip install one",
        ),
    )
