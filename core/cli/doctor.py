"""``mainstem doctor``."""

from __future__ import annotations

import dataclasses
import os

import click

from core.cli.output import Command, open_unmigrated, show
from core.services.health import Check, configuration, examine


@click.command("doctor", cls=Command)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check configuration, database, Redis, workers, mail and plugins, and say the mend of each fault.

    Changes and starts nothing. Exits with 1 if anything must be mended.
    """
    checks = [configuration(os.environ)]
    if checks[0].ok:
        checks += examine(open_unmigrated())
    failed = [check for check in checks if not check.ok]
    show(
        {"ok": not failed, "checks": [dataclasses.asdict(check) for check in checks]},
        "\n".join([*map(_line, checks), "", _verdict(len(failed))]),
    )
    ctx.exit(1 if failed else 0)


def _line(check: Check) -> str:
    mark = click.style("✓", fg="green") if check.ok else click.style("✗", fg="red")
    mend = f"\n    → {check.mend}" if check.mend else ""
    return f"{mark} {check.name}: {check.detail}{mend}"


def _verdict(failed: int) -> str:
    if not failed:
        return "All is well."
    return f"{failed} of these {'need' if failed > 1 else 'needs'} mending."
