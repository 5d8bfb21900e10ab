"""Rows as a file that spreadsheets open."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from itertools import chain
from typing import Any

BOM = "\ufeff"
"""What tells spreadsheets that a file is UTF-8: without it some take it for a page of their own country's letters."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PHONE = re.compile(r"\+[0-9]+")
"""The one thing behind a plus that computes nothing."""


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV (RFC 4180, with a header)."""
    return "".join(csv_lines(columns, ([row[column] for column in columns] for row in rows)))


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180) one by one.

    Moments are RFC 3339 in UTC, items of a list are joined by ``"; "``. A text that a spreadsheet would compute is put
    behind an apostrophe: it may come from a stranger. A phone number, a plus and digits, stays as it is.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for values in chain([header], rows):
        text.seek(0)
        text.truncate()
        writer.writerow(map(_cell, values))
        yield text.getvalue()


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case list():
            text = "; ".join(map(str, value))
        case dict():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _PHONE.fullmatch(text) else text
