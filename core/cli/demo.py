"""``mainstem demo``: all of Mainstem on one machine, with a sandbox instead of a vendor."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import click
from sqlalchemy import select

from core import jobs
from core.cli.children import Child, Children
from core.cli.output import Command, open_mainstem, open_unmigrated, show, table, tell
from core.cli.progress import follow, outcome
from core.cli.sources import DONE
from core.contract.types import Redirect, SandboxOptions
from core.db.migrate import upgrade
from core.db.models import User
from core.host import BadAnswer, Host
from core.kit.consenting import agree
from core.kit.rule import Broken
from core.runtime.valkey import redis_url, stop_embedded
from core.services import connecting, drafts
from core.services.accounts import draft_account
from core.services.exporting import EXPORTS, count
from core.services.mainstem import Mainstem
from core.services.progress import RunProgress, progress
from core.services.sources import list_sources
from core.services.users import add_user, reset_password

ADMIN = "admin@example.com"
ACTOR = "demo"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Facts:
    """What the sandbox says of itself."""

    url: str
    credentials: Mapping[str, str]
    environment: Mapping[str, str]


@click.command("demo", cls=Command)
@click.argument("plugin", required=False)
@click.option("--once", is_flag=True, help="Stop everything after the first sync.")
@click.option("--people", default=500, show_default=True, type=click.IntRange(1), help="How many the sandbox has.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the web admin; 8000 if it is free, without it.")
def command(plugin: str | None, once: bool, people: int, port: int | None) -> None:
    """Try Mainstem on this machine: sandbox, first sync, workers and web admin.

    Starts PLUGIN's sandbox (of the first plugin that has one), connects it, brings its data in and says where to log
    in. Ctrl-C stops all that was started. Data, keys and logs are kept in the instance folder (MAINSTEM_INSTANCE), so
    that a second demo goes on where the first one was; DATABASE_URL and REDIS_URL are used where they are set.
    """
    mainstem = open_unmigrated()
    upgrade(mainstem.settings.database_url)
    plugin = plugin or first_with_sandbox(mainstem.host)
    existing = demo_source(mainstem, plugin)
    with Children(mainstem.settings.instance / "logs", afterwards=partial(stop_valkey, mainstem)) as children:
        redis_url(mainstem.settings)
        address = web_address(os.environ, port)
        sandbox = start_sandbox(children, plugin, people, address)
        environ = {**os.environ, **sandbox.environment, "PUBLIC_URL": address.public}
        children.start("worker", ["worker", "-n", "2"], environ)
        web = children.start("web admin", ["serve", "--port", str(address.port)], environ)
        run = bring_in(open_mainstem(environ), plugin, sandbox, existing, children)
        wait_until_answers(f"http://127.0.0.1:{address.port}/healthz", web, children)
        with suppress(KeyboardInterrupt):
            finish(mainstem, run, address.public, plugin)
            tell("\nEverything stops now; mainstem demo starts it again." if once else "\nCtrl-C stops everything.")
            while not once:
                children.check()
                time.sleep(0.5)
    if once and run.status not in DONE:
        raise click.ClickException(f"The sync {run.status}: {run.error}")


def stop_valkey(mainstem: Mainstem) -> None:
    """Leave no embedded Valkey behind."""
    if mainstem.settings.redis_url is None:
        stop_embedded(mainstem.settings)


def first_with_sandbox(host: Host) -> str:
    """Return the name of the first plugin that can imitate its vendor.

    Raises:
        click.ClickException: None can.
    """
    for name in host.names():
        with suppress(BadAnswer):
            host.source(name).sandbox(options=SandboxOptions(people=0))
            return name
    raise click.ClickException("No installed plugin has a sandbox: see mainstem plugins")


def demo_source(mainstem: Mainstem, plugin: str) -> int | None:
    """Return the data source of an earlier demo, if there is one.

    Raises:
        click.ClickException: There are data sources that no demo made; they must not meet a sandbox.
    """
    sources = list_sources(mainstem)
    if not sources:
        return None
    note = mainstem.settings.instance / "demo.json"
    ours = json.loads(note.read_text()) if note.exists() else {}
    found = [row["id"] for row in sources if row["plugin"] == plugin and row["id"] == ours.get(plugin)]
    if not found:
        raise click.ClickException(
            "This installation has data sources of its own: give the demo another one, MAINSTEM_INSTANCE=./demo"
        )
    return int(found[0])


def start_sandbox(children: Children, plugin: str, people: int, web: Address) -> Facts:
    """Start the sandbox on the port next to the web admin's, or a free one; return what it says once it answers."""
    webhooks = f"http://127.0.0.1:{web.port}/webhooks/{plugin}"
    port = str(free_port(min(web.port + 1, 65535)))
    arguments = ["sandbox", plugin, "--json", "--port", port, "--people", str(people), "--webhook-url", webhooks]
    tell(f"Starting the sandbox of {plugin} with {people:,} people")
    child = children.start("sandbox", arguments, os.environ)
    assert child.process.stdout
    line = child.process.stdout.readline()
    if not line:
        child.process.wait()
        children.check()
    told = json.loads(line)
    return Facts(told["url"], told["credentials"], told["environment"])


@dataclass(frozen=True)
class Address:
    """Where the web admin is: its port here, and the address that browsers use."""

    port: int
    public: str


def web_address(environ: Mapping[str, str], port: int | None) -> Address:
    """Choose the web admin's port: the one asked for, that of a local PUBLIC_URL, or a free one."""
    public = environ.get("PUBLIC_URL", "").strip()
    if port is None and public and urlsplit(public).hostname in ("127.0.0.1", "localhost"):
        port = urlsplit(public).port
    port = port or free_port(8000)
    return Address(port, public or f"http://127.0.0.1:{port}")


def free_port(preferred: int) -> int:
    """Return ``preferred`` if nobody listens there, else a port where nobody does."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise click.ClickException("This machine has no free port")


def bring_in(mainstem: Mainstem, plugin: str, sandbox: Facts, source_id: int | None, children: Children) -> RunProgress:
    """Connect the sandbox, or the data source of an earlier demo again, and sync it."""
    source_id = connect(mainstem, plugin, sandbox, source_id)
    note = mainstem.settings.instance / "demo.json"
    note.write_text(json.dumps({plugin: source_id}))
    tell(f"Connected {plugin} at {sandbox.url}; bringing its data in")
    run_id = jobs.start_sync(mainstem, source_id)
    follow(mainstem, run_id, between=children.check)
    return progress(mainstem, run_id)


def connect(mainstem: Mainstem, plugin: str, sandbox: Facts, source_id: int | None) -> int:
    """Connect the sandbox, or the data source of an earlier demo again: by its credentials, or else by consent."""
    if sandbox.credentials.keys() - set(mainstem.host.manifest(plugin).consent_asks):
        if source_id is None:
            return connecting.connect(mainstem, plugin, {"credentials": dict(sandbox.credentials)}, ACTOR)
        connecting.reconnect(mainstem, source_id, ACTOR, credentials=sandbox.credentials)
        return source_id
    answers = agreed(mainstem, plugin, sandbox)
    if source_id is None:
        draft = drafts.create(mainstem, plugin, {}, ACTOR)
        drafts.open_with_consent(mainstem, draft, answers)
        return drafts.finish(mainstem, draft, ACTOR)
    connecting.reconnect(mainstem, source_id, ACTOR, consent=answers)
    return source_id


def agreed(mainstem: Mainstem, plugin: str, sandbox: Facts) -> Mapping[str, str]:
    """Go through the sandbox's consent page, which asks nobody; return what comes back.

    Raises:
        click.ClickException: The plugin does not lead to a consent page, or that leads nowhere.
    """
    account = draft_account(mainstem, plugin)
    answer = mainstem.host.source(plugin).connect(account=account, answers=sandbox.credentials)
    if not isinstance(answer, Redirect):
        raise click.ClickException(f"Plugin {plugin!r} answers its sandbox with {answer!r}: see mainstem plugins check")
    try:
        return {**agree(account.http, answer, account.redirect_uri), **answer.keep}
    except Broken as error:
        raise click.ClickException(f"Plugin {plugin!r}: {error}") from None


def wait_until_answers(url: str, child: Child, children: Children) -> None:
    """Wait until the web admin answers.

    Raises:
        click.ClickException: It does not, or a child has ended.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        children.check()
        with suppress(URLError, OSError), urlopen(url, timeout=5):  # noqa: S310 -- our own address
            return
        if time.monotonic() > deadline:
            raise click.ClickException(f"The {child.name} does not answer at {url}; see {child.log}")
        time.sleep(0.1)


def finish(mainstem: Mainstem, run: RunProgress, url: str, plugin: str) -> None:
    """Say what came in, and how to log in."""
    counts = {kind: count(mainstem.engine, kind) for kind in EXPORTS}
    password = admin_password(mainstem)
    rows = [(kind, f"{number:>9,}") for kind, number in counts.items()]
    show(
        {"plugin": plugin, "sync": run.summary(), "counts": counts, "url": url, "email": ADMIN, "password": password},
        f"{outcome(run)}\n\n{table(['KEPT NOW', '   NUMBER'], rows, empty='')}\n\n"
        f"Web admin: {url}\nEmail:     {ADMIN}\nPassword:  {password}",
    )


def admin_password(mainstem: Mainstem) -> str:
    """Return a password that opens the admin's account: a new one at each demo, as none is kept in clear."""
    with mainstem.engine.connect() as connection:
        known = connection.scalar(select(User.id).where(User.email == ADMIN))
    if known is not None:
        return reset_password(mainstem, known, ACTOR)
    _, made = add_user(mainstem, ADMIN, "owner", name="Demo", actor=ACTOR)
    assert made
    return made
