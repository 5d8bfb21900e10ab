"""How long the server takes for each page of a large installation on PostgreSQL, asked as a browser asks."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from cryptography.fernet import Fernet
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.filters import NOW, fill
from benchmarks.support import databases, figure
from core.app import served
from core.db.models import DataSource
from core.services import counting
from core.services.mainstem import Mainstem
from tests.web.factories import Factory
from tests.web.helpers import log_in

_LINKS = """INSERT INTO link (id, source_id, object, remote_id, entity_id, identity_ids, apart_from, content_hash)
    SELECT id, 1, '{object}', id::text, id, '[]', '[]', '\\x00' FROM {kind}"""


def add_source(engine: Engine) -> None:
    """Say that one connected account brought all that :func:`benchmarks.filters.fill` wrote."""
    row = DataSource(plugin="intercom", remote_id="bench", name="Intercom", state="connected", created_at=NOW)
    with Session(engine) as session:
        session.add(row)
        session.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", mainstem_write=True) as connection:
        for kind, object in (("person", "contact"), ("organization", "company")):
            connection.execute(text(_LINKS.format(kind=kind, object=object)))
        connection.execute(text("VACUUM ANALYZE link"))


def addresses(engine: Engine) -> dict[str, str]:
    """Return the pages that are measured, each with what it shows."""
    with engine.connect() as connection:
        person = connection.execute(text("SELECT person_id FROM activity LIMIT 1")).scalar_one()
        organization = connection.execute(text("SELECT organization_id FROM membership LIMIT 1")).scalar_one()
    return {
        "home": "/",
        "data sources": "/sources/",
        "catalogue": "/sources/new",
        **{f"data source: {tab or 'overview'}": f"/sources/1{tab and '/'}{tab}" for tab in _TABS},
        "people": "/people/",
        "people, archived": "/people/?state=archived",
        "people of a data source": "/people/?source=1",
        "people, searched by email": "/people/?q=person777@",
        "people, searched by name": "/people/?q=Name+77",
        "people, searched in vain": "/people/?q=nobody",
        "people, by email": "/people/?sort=email",
        "members": f"/people/?organization={organization}",
        "person": f"/people/{person}",
        "organizations": "/organizations/",
        "organizations, searched": "/organizations/?q=77",
        "organization": f"/organizations/{organization}",
        "users": "/users/",
        "teams": "/teams/",
        "audit log": "/audit/",
        "plugins": "/plugins/",
        "outbox": "/outbox/",
    }


_TABS = ("", "activity", "audience", "health")


def measure(browser: FlaskClient, path: str, repeat: int) -> tuple[float, int]:
    """Return the 95th percentile of the milliseconds that a page takes, once it was shown, and its status."""
    status = browser.get(path).status_code
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        browser.get(path)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.quantiles(taken, n=20, method="inclusive")[-1], status


def run(people: int = 100_000, repeat: int = 20) -> None:
    """Fill a PostgreSQL with so many people and print a figure for each page."""
    with databases(roomy=True) as fresh:
        measure_all(fresh.fresh("postgresql"), fresh.folder, people, repeat)


def measure_all(url: str, folder: Path, people: int, repeat: int) -> None:
    """Fill an empty database and print a figure for each page."""
    environment = {
        "DATABASE_URL": url,
        "MAINSTEM_INSTANCE": str(folder / "instance"),
        "SECRET_KEY": "of the benchmark",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    mainstem = Mainstem.open(environment)
    fill(mainstem.engine, people)
    add_source(mainstem.engine)
    # As a worker does every few minutes.
    counting.recount(mainstem, 1)
    browser = log_in(served(mainstem), Factory(mainstem.engine).user().email)
    for name, path in addresses(mainstem.engine).items():
        value, status = measure(browser, path, repeat)
        figure("page p95", value, "ms", page=name, status=status, people=people)
    mainstem.engine.dispose()
