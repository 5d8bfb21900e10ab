"""People of two vendors, connected to one system, become one customer each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.contract.types import SandboxOptions
from core.db.bulk import table_of
from core.db.models import Activity, Link, Person
from core.host import Host
from core.services import syncing
from core.services.connecting import connect
from core.services.mainstem import Mainstem
from plugins.intercom import plugin as intercom
from plugins.zendesk import plugin as zendesk
from plugins.zendesk.sandbox.data import FIRST_USER
from tests.support.serving import served

SHARED, PEOPLE = 12, 40


@pytest.fixture
def vendors() -> Mapping[str, Any]:
    """Both sandboxes; some of Zendesk's users have the emails of Intercom's contacts."""
    made: dict[str, Any] = {
        plugin.manifest.name: plugin.sandbox(SandboxOptions(people=PEOPLE)) for plugin in (intercom, zendesk)
    }
    contacts = [contact.fields["email"] for contact in made["intercom"].store.contacts]
    for number, email in enumerate(sorted({email.lower() for email in contacts if email})[:SHARED]):
        made["zendesk"].data.rows["users"][FIRST_USER + number]["email"] = email.upper()
    return made


def bring_in(mainstem: Mainstem, plugin: str, sandbox: Any) -> int:
    """Connect a sandbox and sync it; return the id of its data source."""
    config = {"credentials": dict(sandbox.credentials), "retention": {"days": None}}
    source = connect(mainstem, plugin, config, "test")
    run = syncing.start(mainstem, source)
    syncing.run_inline(mainstem, run)
    assert syncing.progress(mainstem, run).status == "succeeded"
    return source


def rows(mainstem: Mainstem, model: type[Any]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a table."""
    with mainstem.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table_of(model))).mappings()]


def sources_of(rows: Sequence[Mapping[str, Any]], key: str) -> Mapping[Any, set[int]]:
    """Return the data sources that rows come from, by what ``key`` holds."""
    found: dict[Any, set[int]] = {}
    for row in rows:
        found.setdefault(row[key], set()).add(row["source_id"])
    return found


@pytest.mark.parametrize("order", [("intercom", "zendesk"), ("zendesk", "intercom")])
def test_people_of_two_vendors_meet_by_their_email(
    database_url: str, tmp_path: Path, vendors: Mapping[str, Any], order: tuple[str, str]
):
    with ExitStack() as stack:
        variables: dict[str, str] = {}
        for sandbox in vendors.values():
            variables |= sandbox.environment(stack.enter_context(served(sandbox.app)))
        environ = {"DATABASE_URL": database_url, "MAINSTEM_INSTANCE": str(tmp_path / "instance"), **variables}
        mainstem = Mainstem.open(environ, Host([intercom, zendesk]))
        stack.callback(mainstem.engine.dispose)
        sources = {plugin: bring_in(mainstem, plugin, vendors[plugin]) for plugin in order}

        both_sources = set(sources.values())

        people = rows(mainstem, Person)
        both = {
            entity for entity, found in sources_of(rows(mainstem, Link), "entity_id").items() if found >= both_sources
        }
        talked = sources_of(rows(mainstem, Activity), "person_id")

    merged = [row for row in people if row["id"] in both]
    users = vendors["zendesk"].data.rows["users"]
    assert {row["email"] for row in merged} == {users[FIRST_USER + n]["email"].lower() for n in range(SHARED)}
    assert len(merged) == SHARED
    assert all({"zendesk.alias", "intercom.role"} <= row["fields"].keys() for row in merged)
    assert any(talked.get(row["id"]) == both_sources for row in merged), "nobody talked to both"
