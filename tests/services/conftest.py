"""A running system with one vendor, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Engine, Table, select

from core.db.bulk import table_of
from core.host import Host
from core.services import syncing
from core.services.connecting import connect
from core.services.mainstem import Mainstem
from core.services.syncing import RunProgress
from tests.services.vendor import Vendor
from tests.web.factories import Factory

CONFIG = {"credentials": {"token": "open-sesame"}}


@pytest.fixture
def vendor() -> Vendor:
    """The one plugin; where rows are made by hand, it is the help desk that they name."""
    return Vendor()


def open_mainstem(database_url: str, instance: Path, vendor: object, **variables: str) -> Mainstem:
    """Another process's view of the system."""
    environ = {"DATABASE_URL": database_url, "MAINSTEM_INSTANCE": str(instance), **variables}
    return Mainstem.open(environ, Host([vendor]))


@pytest.fixture
def mainstem(database_url: str, tmp_path: Path, vendor: object) -> Iterator[Mainstem]:
    mainstem = open_mainstem(database_url, tmp_path / "instance", vendor)
    yield mainstem
    mainstem.engine.dispose()


@pytest.fixture
def factory(mainstem: Mainstem) -> Factory:
    return Factory(mainstem.engine)


@pytest.fixture
def source(mainstem: Mainstem) -> int:
    """Id of a connected data source."""
    return connect(mainstem, "acme", CONFIG, "test")


def run(mainstem: Mainstem, source_id: int, full: bool = False) -> RunProgress:
    """Sync in this process, to the end."""
    run_id = syncing.start(mainstem, source_id, full)
    syncing.run_inline(mainstem, run_id)
    return syncing.progress(mainstem, run_id)


def counts(progress: RunProgress) -> dict[str, dict[str, int]]:
    """What a run brought, without the zeros."""
    objects = progress.summary()["objects"]
    return {key: {name: n for name, n in values.items() if n} for key, values in objects.items()}


def rows(engine: Engine, model: type[Any], *where: ColumnElement[bool]) -> Sequence[Mapping[str, Any]]:
    """The rows of a table, the eldest first."""
    table: Table = table_of(model)
    with engine.connect() as connection:
        found = connection.execute(select(table).where(*where)).mappings()
        return sorted((dict(row) for row in found), key=lambda row: (str(row.get("created_at", "")), str(row["id"])))


def emails(engine: Engine) -> list[str]:
    """The emails of all people, sorted."""
    from core.db.models import Person

    people = rows(engine, Person)
    return sorted(row["email"] for row in people if not row["stub"] and row["merged_into"] is None)
