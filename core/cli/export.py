"""``mainstem export``."""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper

import click

from core.cli.output import Command, open_mainstem, wants_json
from core.services.exporting import EXPORTS, export, write_csv


@click.command("export", cls=Command)
@click.argument("kind", type=click.Choice(list(EXPORTS)))
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True,
    help="jsonl: one JSON object a line. csv: with a header, lists joined by «; ».",
)  # fmt: skip
def command(kind: str, format_: str) -> None:
    """Write all records of KIND to standard output, any number in constant memory.

    With --json they come as one JSON array. Times are RFC 3339 in UTC.
    """
    engine = open_mainstem().engine
    out = sys.stdout
    if isinstance(out, TextIOWrapper):
        out.reconfigure(encoding="utf-8")
    if wants_json():
        separator = "["
        for record in export(engine, kind):
            out.write(f"{separator}{json.dumps(record, ensure_ascii=False)}")
            separator = ",\n"
        out.write("]\n" if separator != "[" else "[]\n")
    elif format_ == "csv":
        write_csv(engine, kind, out)
    else:
        for record in export(engine, kind):
            out.write(f"{json.dumps(record, ensure_ascii=False)}\n")
    # A reader that has left is noticed here, where it is no error, and not when the process ends.
    out.flush()
