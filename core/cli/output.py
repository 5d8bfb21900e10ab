"""What every command has in common: ``--json``, tables, and the running system."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from core.services.mainstem import Mainstem

_JSON = "mainstem.json"


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_JSON] = True


def _json_option() -> click.Option:
    help_text = "Write one JSON document to standard output."
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=_remember, help=help_text)


class Command(click.Command):
    """A command that takes ``--json``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class Group(click.Group):
    """A group that takes ``--json``, as do its commands."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


def wants_json() -> bool:
    """Tell whether ``--json`` was given, on the command or on its group."""
    return bool(click.get_current_context().meta.get(_JSON, False))


def show(document: Any, text: str) -> None:
    """Write ``document`` as JSON if that is wanted, else ``text``."""
    click.echo(json.dumps(document, ensure_ascii=False) if wants_json() else text)


def tell(text: str) -> None:
    """Say something on standard error: for people, beside the result."""
    click.echo(text, err=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> str:
    """Return rows in aligned columns, or ``empty`` if there are none; a value that is None shows as a dash."""
    cells = [["–" if value is None or value == "" else str(value) for value in row] for row in rows]
    if not cells:
        return empty
    lines = [list(headings), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def open_mainstem(environ: Mapping[str, str] | None = None) -> Mainstem:
    """Open the running system for a command, once its database is reachable and migrated.

    Args:
        environ: Variables; the process's by default.

    Raises:
        click.ClickException: The database lacks a migration.
    """
    from core.db.migrate import pending

    mainstem = open_unmigrated(environ)
    if pending(mainstem.engine):
        raise click.ClickException("The database lacks tables of this version: run mainstem init")
    return mainstem


def open_unmigrated(environ: Mapping[str, str] | None = None) -> Mainstem:
    """Open the running system without asking its database anything."""
    from core.host import Host
    from core.services.mainstem import Mainstem

    ctx = click.get_current_context()
    # A caller of main() may hand over plugins of its own, as tests do.
    mainstem = Mainstem.open(environ, host=ctx.find_object(Host))
    ctx.call_on_close(mainstem.engine.dispose)
    return mainstem
