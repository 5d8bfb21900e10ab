"""``mainstem worker``."""

from __future__ import annotations

import logging

import click

from core import jobs, logs
from core.cli.output import Command, open_mainstem, show


@click.command("worker", cls=Command)
@click.option("-n", "count", default=1, show_default=True, type=click.IntRange(1), help="How many processes.")
def command(count: int) -> None:
    """Run workers and the periodic tasks until told to stop (SIGTERM, Ctrl-C).

    Any number of machines may do so: they share the database and Redis. A worker that is told to stop ends the page
    it is at; one that is killed loses nothing, another goes on where it was.
    """
    logs.configure(logging.INFO)
    mainstem = open_mainstem()
    jobs.redis_of(mainstem).ping()
    show({"workers": count}, f"{count} worker{'s' * (count > 1)} at work")
    jobs.run_worker(mainstem, count)
