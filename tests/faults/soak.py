"""``make soak ARGS="--minutes 10 --seed 7"``: chaos for as long as wanted, and another seed each time."""

from __future__ import annotations

import secrets

import click

from tests.faults.chaos import run


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long events go on.")
@click.option("--seed", type=int, help="Chooses the events; another one each time without it.")
def main(minutes: float, seed: int | None) -> None:
    """Kill, cut off and restart everything again and again, then prove that nothing was lost."""
    run(secrets.randbelow(1_000_000) if seed is None else seed, click.echo, minutes * 60)


if __name__ == "__main__":
    main()
