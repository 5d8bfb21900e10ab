"""``mainstem plugins``."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli.output import Group, open_unmigrated, show, table, tell, wants_json

if TYPE_CHECKING:
    from core.kit.scaffold import Choices
    from core.kit.trial import Result

OBJECTS = ("people", "organizations", "conversations", "articles")
AUTHS = ("token", "oauth")
PAGINATIONS = ("cursor", "page", "link", "offset")
MARKS = {"kept": "✓", "broken": "✗", "exempt": "–", "not applicable": "·", "blocked": "…"}


@click.group("plugins", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, check and begin plugins."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
def list_() -> None:
    """List the installed plugins (also without "list").

    A data source plugin that works is "loaded", a plugin that only surrounds others a "wrapper"; "broken" ones and
    those "disabled" by MAINSTEM_DISABLED_PLUGINS or MAINSTEM_SAFE_MODE are left out and harm nobody. The tier is that
    of the last `mainstem plugins check`.
    """
    from core.kit.report import kept

    mainstem = open_unmigrated()
    found = []
    for report in mainstem.host.report():
        last = kept(report.name, mainstem.settings.instance)
        found.append({**dataclasses.asdict(report), "tier": last and last["tier"]})
    columns = ("name", "state", "tier", "version", "distribution", "title", "reason")
    headings = [{"distribution": "FROM"}.get(column, column.upper()) for column in columns]
    rows = [[plugin[column] for column in columns] for plugin in found]
    show(found, table(headings, rows, empty="No plugin is installed: pip install one"))


@command.command("check")
@click.argument("name")
@click.option("--exempt", multiple=True, metavar="RULE=REASON", help="Leave out a rule that does not concern it.")
@click.option("--people", type=click.IntRange(1), help="How many people its sandbox has; by default three pages.")
@click.pass_context
def check(ctx: click.Context, name: str, exempt: Sequence[str], people: int | None) -> None:
    """Check the plugin NAME against every rule of docs/rules.md, with its own sandbox and without a network.

    The report is kept, and its tier shown by `mainstem plugins`. Exits with 1 if a needed rule is broken.
    """
    from core.kit.report import keep, run_checks

    mainstem = open_unmigrated()
    plugin = mainstem.host.plugin(name)
    # The faults that the checks make are logged by the plugin, by the hundred.
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    versions = {report.name: report.version for report in mainstem.host.report()}
    try:
        report = run_checks(
            plugin,
            dict(_exemption(text) for text in exempt),
            people,
            versions[name],
            on_result=lambda result: None if wants_json() else click.echo(_line(result)),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    keep(report, mainstem.settings.instance)
    if wants_json():
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        broken = "1 broken rule" if len(report.broken) == 1 else f"{len(report.broken) or 'no'} broken rules"
        reached = "no tier" if report.tier == "none" else f"tier {report.tier}"
        click.echo(f"\n{name} reaches {reached}: {broken}, see docs/rules.md")
    ctx.exit(1 if report.tier == "none" else 0)


@command.command("new")
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Folder to make; by default mainstem-NAME.")
@click.option("--auth", type=click.Choice(AUTHS), help="How an account is connected; by default token.")
@click.option("--pagination", type=click.Choice(PAGINATIONS), help="How listings go on; by default cursor.")
@click.option("--objects", help=f"Comma-separated: {', '.join(OBJECTS)}; by default people.")
@click.option("--webhooks/--no-webhooks", default=None, help="Whether changes come by webhook too; by default not.")
def new(
    name: str, folder: Path | None, auth: str | None, pagination: str | None, objects: str | None, webhooks: bool | None
) -> None:
    """Begin a data source plugin NAME: an installable package with plugin, sandbox, tests and README.

    Without any of these options it asks, if it is run in a terminal. Tests and `mainstem plugins check` of the package
    pass at once; then put the vendor in, step by step. With `oauth` access tokens that expire are renewed.
    """
    from core.kit.scaffold import Choices, ScaffoldError, check, write

    target = folder or Path(f"mainstem-{name.replace('_', '-')}")
    choices = Choices(name, auth or "token", pagination or "cursor", _keys(objects or "people"), bool(webhooks))
    try:
        check(target, choices)
        if (auth, pagination, objects, webhooks) == (None,) * 4 and at_terminal():
            choices = _asked(choices)
        files = write(target, choices)
    except ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    document: dict[str, Any] = {"name": name, "folder": str(target), "files": [str(file) for file in files]}
    show(document, "\n".join(str(target / file) for file in files))
    tell(f"Next: pip install -e {target} && mainstem plugins check {name}")


def at_terminal() -> bool:
    """Tell whether somebody is there to be asked."""
    return sys.stdin.isatty() and not wants_json()


def _asked(choices: Choices) -> Choices:
    """Ask for each choice, again until the answer is one."""
    return dataclasses.replace(
        choices,
        auth=click.prompt("How is an account connected?", choices.auth, type=click.Choice(AUTHS)),
        pagination=click.prompt("How do listings go on?", choices.pagination, type=click.Choice(PAGINATIONS)),
        objects=click.prompt(
            f"What is imported? ({', '.join(OBJECTS)})", ",".join(choices.objects), value_proc=_chosen
        ),
        webhooks=click.confirm("Do changes come by webhook too?", choices.webhooks),
    )


def _chosen(text: str) -> tuple[str, ...]:
    keys = _keys(text)
    if not keys or not set(keys) <= set(OBJECTS):
        raise click.UsageError(f"choose among {', '.join(OBJECTS)}, separated by commas")
    return keys


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in text.split(",") if key.strip())


def _exemption(text: str) -> tuple[str, str]:
    rule, found, reason = text.partition("=")
    if not found:
        raise click.UsageError(f"--exempt {text}: write RULE=REASON")
    return rule, reason


def _line(result: Result) -> str:
    detail = f": {result.detail}" if result.detail else ""
    text = f"{MARKS[result.status]} {result.rule.tier:9}  {result.rule.key}{detail}"
    return click.style(text, fg="red") if result.status == "broken" else text
