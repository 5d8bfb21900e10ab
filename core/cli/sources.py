"""``mainstem sources``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from core.cli.output import Group, open_mainstem, show, table, tell
from core.cli.progress import Follower, follow, outcome
from core.db.models import DataSource
from core.host import PluginMissing
from core.pipeline.schemas import as_text
from core.runtime import memory
from core.services import connecting, controls, overview, syncing
from core.services.completeness import completeness
from core.services.mainstem import Mainstem
from core.services.progress import RunProgress, latest, progress

ACTOR = "command line"
DONE = ("succeeded", "partial")
_ID = click.argument("source_id", metavar="ID", type=int)
_CONFIG = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.group("sources", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Connect, sync and manage data sources."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
def list_() -> None:
    """List the data sources (also without "list")."""
    mainstem = open_mainstem()
    with Session(mainstem.engine) as session:
        found = [
            {
                **facts(summary.source),
                "people": summary.counts.people,
                "organizations": summary.counts.organizations,
                "activities": summary.counts.activities,
                "activities_kept": summary.counts.activities_kept,
                "articles": summary.counts.articles,
                "last_run": summary.run and {"run": summary.run.id, "status": summary.run.state},
            }
            for summary in overview.listing(session, mainstem.host)
        ]
    columns = ("id", "plugin", "name", "state", "account", "people", "organizations", "activities", "articles")
    rows = [[source[column] for column in columns] for source in found]
    show(found, table([c.upper() for c in columns], rows, empty="No data sources yet: mainstem sources connect"))


@command.command("connect")
@click.argument("plugin")
@click.option("--config", required=True, type=_CONFIG, help="JSON file; see docs/admins.md. - reads standard input.")
def connect(plugin: str, config: str) -> None:
    """Connect an account with PLUGIN, without a browser.

    Nothing is saved unless the vendor accepts the credentials. Prints the new data source as JSON.
    """
    mainstem = open_mainstem()
    source_id = connecting.connect(mainstem, plugin, read_json(config), ACTOR)
    click.echo(json.dumps(_source(mainstem, source_id), ensure_ascii=False))
    tell(f"Connected. Bring its data in: mainstem sources sync {source_id}")


@command.command("show")
@_ID
def show_(source_id: int) -> None:
    """Show a data source: state, choices and last run."""
    mainstem = open_mainstem()
    source = _source(mainstem, source_id)
    run = last_run(mainstem, source_id)
    lines = [f"{key}: {value if isinstance(value, str | int) else json.dumps(value)}" for key, value in source.items()]
    compared = {key: each.as_json() for key, each in completeness(mainstem, source_id).items()}
    source |= {"completeness": compared, "last_run": run.summary() if run else None}
    if compared:
        columns = ("expected", "imported", "merged", "left", "skipped", "refused", "outside", "missing")
        rows = [
            [key, *("?" if each[name] is None else each[name] for name in columns)] for key, each in compared.items()
        ]
        lines.append(table(["OBJECT", *(name.upper() for name in columns)], rows, empty=""))
    show(source, "\n".join([*lines, outcome(run) if run else "No sync yet"]))


@command.command("sync")
@_ID
@click.option("--wait", is_flag=True, help="Follow it to its end.")
@click.option("--inline", is_flag=True, help="Do the work in this process, without Redis and workers.")
@click.option("--full", is_flag=True, help="Read everything again, not only what changed.")
@click.pass_context
def sync(ctx: click.Context, source_id: int, wait: bool, inline: bool, full: bool) -> None:
    """Queue a sync of a data source, which a worker then does.

    With --wait or --inline it exits with 0 when the run succeeded, or succeeded in part (some records or objects were
    refused), and with 1 when it failed or was cancelled. A sync that was interrupted goes on where it was.
    """
    if wait and inline:
        raise click.UsageError("--wait follows the workers, --inline does their work: give one of them")
    _sync(ctx, source_id, wait=wait, inline=inline, full=full)


@command.command("reconcile")
@_ID
@click.option("--wait", is_flag=True, help="Follow it to its end.")
@click.option("--inline", is_flag=True, help="Do the work in this process, without Redis and workers.")
@click.pass_context
def reconcile(ctx: click.Context, source_id: int, wait: bool, inline: bool) -> None:
    """Compare a data source with its vendor, and repair what had been missed.

    Workers do this once a day by themselves.
    """
    if wait and inline:
        raise click.UsageError("--wait follows the workers, --inline does their work: give one of them")
    _sync(ctx, source_id, wait=wait, inline=inline, reconcile=True)


def _sync(
    ctx: click.Context, source_id: int, *, wait: bool, inline: bool, full: bool = False, reconcile: bool = False
) -> None:
    mainstem = open_mainstem()
    mainstem.host.manifest(_source(mainstem, source_id)["plugin"])
    if inline:
        run_id = syncing.start(mainstem, source_id, full=full, reconcile=reconcile)
        with Follower(mainstem, run_id) as follower:
            memory.tune()
            syncing.run_inline(mainstem, run_id, on_progress=follower.refresh)
    else:
        run_id = _queue(mainstem, source_id, full, reconcile)
        if not wait:
            show({"run": run_id, "status": "queued"}, f"Queued as run {run_id}; a worker (mainstem worker) does it")
            return
        follow(mainstem, run_id)
    run = progress(mainstem, run_id)
    show(run.summary(), outcome(run))
    if run.status not in DONE:
        tell(f"Error: run {run.run} {run.status}: {run.error or 'see the log of the workers'}")
    ctx.exit(0 if run.status in DONE else 1)


@command.command("pause")
@_ID
def pause(source_id: int) -> None:
    """Stop the sync of a data source until it is resumed."""
    run_id = controls.pause_run(open_mainstem(), source_id, ACTOR)
    show({"id": source_id, "run": run_id, "status": "paused"}, f"Run {run_id} is paused")


@command.command("resume")
@_ID
def resume(source_id: int) -> None:
    """Let the paused sync of a data source go on; a worker does it."""
    run_id = controls.resume_run(open_mainstem(), source_id, ACTOR)
    show({"id": source_id, "run": run_id, "status": "resumed"}, f"Run {run_id} goes on")


@command.command("cancel")
@_ID
def cancel(source_id: int) -> None:
    """End the sync of a data source; what it read stays, and the next one reads the rest."""
    run_id = controls.cancel_run(open_mainstem(), source_id, ACTOR)
    show({"id": source_id, "run": run_id, "status": "cancelled"}, f"Run {run_id} is cancelled")


@command.command("retry")
@_ID
def retry(source_id: int) -> None:
    """Read the refused records of a data source again, one by one, and take in what can be taken now."""
    found = controls.retry_refused(open_mainstem(), source_id, ACTOR)
    show(
        {"id": source_id, **asdict(found)},
        f"Asked for {found.asked:,} refused records: {found.settled:,} are settled, {found.left:,} are left",
    )


@command.command("replay")
@_ID
def replay(source_id: int) -> None:
    """Give the webhooks of a data source that failed for good another chance; workers do it."""
    from core import jobs

    mainstem = open_mainstem()
    count = jobs.replay_webhooks(mainstem, source_id, ACTOR)
    show({"id": source_id, "replayed": count}, f"{count} webhooks of data source {source_id} are worked off again")


@command.command("rename")
@_ID
@click.argument("name")
def rename(source_id: int, name: str) -> None:
    """Give a data source another name."""
    mainstem = open_mainstem()
    connecting.rename(mainstem, source_id, name, ACTOR)
    _changed(mainstem, source_id)


@command.command("disconnect")
@_ID
def disconnect(source_id: int) -> None:
    """Stop taking anything from a data source; what came stays."""
    mainstem = open_mainstem()
    connecting.disconnect(mainstem, source_id, ACTOR)
    _changed(mainstem, source_id)


@command.command("reconnect")
@_ID
@click.option("--config", type=_CONFIG, help="JSON file with new credentials; the stored ones are tried without it.")
def reconnect(source_id: int, config: str | None) -> None:
    """Connect a data source again, with the choices it had."""
    mainstem = open_mainstem()
    given = read_json(config) if config else None
    credentials = given.get("credentials") if isinstance(given, dict) else None
    if config and not isinstance(credentials, dict):
        raise click.ClickException(f'{config}: holds no credentials; write {{"credentials": {{…}}}}')
    connecting.reconnect(mainstem, source_id, ACTOR, credentials=credentials)
    _changed(mainstem, source_id)


@command.command("archive")
@_ID
def archive(source_id: int) -> None:
    """Put a disconnected data source away."""
    mainstem = open_mainstem()
    connecting.archive(mainstem, source_id, ACTOR)
    _changed(mainstem, source_id)


@command.command("restore")
@_ID
def restore(source_id: int) -> None:
    """Fetch an archived data source back, disconnected."""
    mainstem = open_mainstem()
    connecting.restore(mainstem, source_id, ACTOR)
    _changed(mainstem, source_id)


@command.command("delete")
@_ID
def delete(source_id: int) -> None:
    """Remove an archived data source for good; people, organizations and activities stay."""
    mainstem = open_mainstem()
    connecting.delete(mainstem, source_id, ACTOR)
    show({"id": source_id, "state": "deleted"}, f"Data source {source_id} is deleted")


def facts(source: DataSource) -> dict[str, Any]:
    """Return what may be shown of a data source in a list."""
    return {
        "id": source.id,
        "state": source.state,
        "plugin": source.plugin,
        "name": source.name,
        "account": source.account_name,
        "remote_id": source.remote_id,
        "error": source.error,
        "connected_at": _moment(source.connected_at),
    }


def last_run(mainstem: Mainstem, source_id: int) -> RunProgress | None:
    """Return the progress of the last run; None if there is none, or its plugin is gone."""
    try:
        return latest(mainstem, source_id)
    except PluginMissing:
        return None


def read_json(path: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        click.ClickException: It cannot be read or is no JSON; says where.
    """
    name = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise click.ClickException(f"{name}, line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{name}: is not UTF-8 text") from None
    except OSError as error:
        raise click.ClickException(f"{name}: cannot be read ({error.strerror})") from None


def _queue(mainstem: Mainstem, source_id: int, full: bool, reconcile: bool) -> int:
    from core import jobs
    from core.services.health import workers_at_work

    run_id: int = jobs.start_sync(mainstem, source_id, full=full, reconcile=reconcile)
    if not workers_at_work(mainstem.settings):
        tell("No worker is at work: start mainstem worker")
    return run_id


def _source(mainstem: Mainstem, source_id: int) -> dict[str, Any]:
    with Session(mainstem.engine) as session:
        source = overview.get(session, source_id)
        return {**facts(source), "settings": source.settings, "config": source.config}


def _changed(mainstem: Mainstem, source_id: int) -> None:
    source = _source(mainstem, source_id)
    show(source, f"Data source {source_id}, {source['name']}, is {source['state'].replace('_', ' ')}")


def _moment(value: datetime | None) -> str | None:
    return None if value is None else as_text(value)
