"""``mainstem sandbox``."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import click

from core.cli.output import Command, open_unmigrated, wants_json
from core.cli.serve import refuse_busy
from core.contract.types import Sandbox, SandboxOptions
from core.host import BadAnswer, Host

HOST = "127.0.0.1"


@click.command("sandbox", cls=Command)
@click.argument("plugin")
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65535))
@click.option("--people", default=500, show_default=True, type=click.IntRange(0), help="How many people to generate.")
@click.option("--seed", default=1, show_default=True, help="Equal seeds give equal data.")
@click.option("--latency-ms", default=0, show_default=True, type=click.IntRange(0), help="Added to each answer.")
@click.option("--rpm", default=10_000, show_default=True, type=click.IntRange(1), help="Requests a minute allowed.")
@click.option(
    "--token-seconds", type=click.IntRange(1), help="For how long access tokens are good; for ever without it."
)
@click.option("--webhook-url", help="Where webhooks are sent; none without it.")
@click.option("--faults", default="", help="Faults to make, in the sandbox's own words.")
@click.option(
    "--examples",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of payloads published by the vendor, served instead of generated ones.",
)
def command(plugin: str, port: int, **options: Any) -> None:
    """Run a local imitation of PLUGIN's vendor until told to stop (SIGTERM, Ctrl-C).

    Once it answers it prints its address, what it accepts as credentials, and the variables that point the plugin at
    it. It listens on 127.0.0.1 alone.
    """
    sandbox = make(open_unmigrated().host, plugin, SandboxOptions(**options))
    refuse_busy(HOST, port)
    url = f"http://{HOST}:{port}"
    facts = {
        "plugin": plugin,
        "url": url,
        "credentials": dict(sandbox.credentials),
        "environment": dict(sandbox.environment(url)),
    }
    text = json.dumps(facts) if wants_json() else describe(facts)
    with _announced(port, text, sys.stdout), contextlib.redirect_stdout(sys.stderr):
        # Standard output says one thing alone; what the sandbox prints is its log.
        sandbox.serve(HOST, port)


def make(host: Host, plugin: str, options: SandboxOptions) -> Sandbox:
    """Return the sandbox of ``plugin``.

    Raises:
        PluginMissing: There is no such plugin.
        click.ClickException: It has no sandbox, or does not understand the options.
    """
    try:
        return host.source(plugin).sandbox(options=options)
    except BadAnswer:
        raise click.ClickException(f"Plugin {plugin!r} has no sandbox") from None
    except ValueError as error:
        raise click.ClickException(f"Plugin {plugin!r} refuses these options: {error}") from None


def describe(facts: Mapping[str, Any]) -> str:
    """Return the facts for people; the variables in a form that a shell takes."""
    lines = [f"The sandbox of {facts['plugin']} answers at {facts['url']}; Ctrl-C stops it.", "", "Credentials:"]
    typed = [f"  {key}: {value}" for key, value in facts["credentials"].items()]
    lines += typed or ["  none: consent in the web admin"]
    lines += ["", "Point the plugin at it:"]
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in facts["environment"].items()]
    return "\n".join(lines)


@contextlib.contextmanager
def _announced(port: int, text: str, stream: TextIO) -> Iterator[None]:
    """Write ``text`` as soon as somebody listens on ``port``, from a thread that ends with the block."""
    ended = threading.Event()

    def announce() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                # Past Python's buffer, whose lock a server that forks just now would copy as taken.
                os.write(stream.fileno(), f"{text}\n".encode())
                return
            ended.wait(0.02)

    announcer = threading.Thread(target=announce, name="announcer")
    announcer.start()
    try:
        yield
    finally:
        ended.set()
        announcer.join()
