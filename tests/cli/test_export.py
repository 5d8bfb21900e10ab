"""Records on standard output."""

from __future__ import annotations

import csv
import io
import json

import pytest

from core.services.exporting import EXPORTS
from tests.cli.conftest import Cli


@pytest.fixture
def filled(connected: Cli) -> Cli:
    connected("sources", "sync", "1", "--inline")
    connected("users", "add", "ann@example.com", "--role", "owner")
    return connected


def test_jsonl_is_one_object_a_line(filled: Cli):
    people = [json.loads(line) for line in filled("export", "people").stdout.splitlines()]
    assert sorted(person["email"] for person in people) == ["ann@example.com", "bob@example.com", "cid@example.com"]


def test_json_is_one_document(filled: Cli):
    assert [user["email"] for user in filled.json("export", "users")] == ["ann@example.com"]
    assert len(filled.json("export", "people")) == 3
    assert filled.json("export", "articles") == []


def test_csv_has_a_header_and_a_row_each(filled: Cli):
    rows = list(csv.DictReader(io.StringIO(filled("export", "people", "--format", "csv").stdout)))
    assert sorted(row["sources"] for row in rows) == ["1:ann@example.com", "1:bob@example.com", "1:cid@example.com"]


@pytest.mark.parametrize("kind", EXPORTS)
def test_without_records_there_is_nothing_but_the_header(cli: Cli, kind: str):
    assert cli("export", kind).stdout == ""
    header = cli("export", kind, "--format", "csv").stdout
    assert header.startswith("id,")
    assert len(header.splitlines()) == 1
