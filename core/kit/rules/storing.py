"""What the tables say after pages have been applied to them."""

from __future__ import annotations

import random

from core.kit.rule import Broken, rule
from core.kit.tables import difference, tables
from core.kit.trial import Trial
from core.kit.world import Reading


@rule("needed", breaks="A field holds the time of reading.", after=("typed", "merges", "unique_ids"))
def repeatable(trial: Trial) -> None:
    """Reading the same again changes nothing.

    A nightly run over unchanged data must write nothing, or every night looks like news, and a page that is applied
    twice after a crash would do harm. Each reading here has a sandbox of its own, so a sandbox too must hold the same
    for the same options, whenever it is made: its times are counted from a fixed moment, not from the present one.
    """
    with tables(trial.policy, trial.filled) as database:
        counts = database.apply(trial.world().read().pages)
        for object, told in counts.items():
            if changed := {what: number for what, number in told.items() if what in ("created", "updated", "merged")}:
                raise Broken(
                    f"{object}: read again, and {changed} of {told['read']} records of an equal sandbox were written"
                )


@rule(
    "needed", breaks="A partition leaves out people whose organization another partition reads.", after=("repeatable",)
)
def order_free(trial: Trial) -> None:
    """Partitions can be read in any order, page by page in turns, and the tables say the same.

    Workers read partitions side by side; which comes first is chance.
    """
    with tables(trial.policy, trial.filled) as database:
        expected = database.snapshot()
    with tables(trial.policy) as database:
        database.apply(_in_turns(trial).pages)
        if found := difference(expected, database.snapshot()):
            raise Broken(f"read in another order, {found}")


def _in_turns(trial: Trial) -> Reading:
    """Read all partitions of an equal sandbox, a page of one and then a page of another."""
    dice, reading, world = random.Random(7), Reading(), trial.world()  # noqa: S311
    running = [world.steps(partition) for partition in world.plan() if not partition.unbroken]
    while running:
        one = dice.choice(running)
        step = next(one, None)
        if step is None:
            running.remove(one)
        else:
            reading.steps.append(step)
    for partition in world.plan():
        if partition.unbroken:
            reading.steps += world.steps(partition)
    return reading
