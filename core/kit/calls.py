"""The calls of hooks that ask the vendor: what is broken on the wire to see what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.contract.errors import Refused
from core.contract.types import Ref
from core.kit.world import Step, World, name, stored

if TYPE_CHECKING:
    from core.kit.trial import Trial


@dataclass(frozen=True)
class Call:
    """A call of a hook that asks the vendor.

    Attributes:
        label: For messages.
        make: Makes it, with a plugin and a session that are fresh.
        world: Returns the world in which it can be made again: a scroll needs a sandbox that has none open.
        is_page: It is ``sync``.
        requests: How many requests it sends.
    """

    label: str
    make: Callable[[World], Any]
    world: Callable[[], World]
    is_page: bool = False
    requests: int = 0


def calls_of(trial: Trial) -> list[Call]:
    """Return the hooks that ask the vendor, among them the first two pages of each object; see :attr:`Trial.calls`."""
    makes: dict[str, Callable[[World], Any]] = {
        "field_schema": lambda world: world.source().field_schema(account=world.account),
        "plan_sync": lambda world: world.plan(),
        "count": lambda world: world.source().count(account=world.account),
        "fetch": lambda world: world.source().fetch(account=world.account, refs=refs),
    }
    if trial.manifest.teams:
        makes["import_team"] = lambda world: world.source().import_team(account=world.account)
    refs = list({record.object: Ref(record.object, record.remote_id) for record in trial.reading.records}.values())
    found = [Call(label, make, lambda: trial.usual) for label, make in makes.items()]
    found += [
        Call(_label(step), _page(step), trial.world if step.partition.unbroken else lambda: trial.usual, True)
        for step in _first_steps(trial)
    ]
    return [call for given in found if (call := _measured(given)).requests]


def _page(step: Step) -> Callable[[World], Any]:
    cursor = stored(step.cursor)
    return lambda world: world.source().sync(account=world.account, partition=step.partition, cursor=cursor)


def _label(step: Step) -> str:
    return f"sync of {name(step.partition)} at {step.cursor!r:.60}"


def _first_steps(trial: Trial) -> Iterator[Step]:
    taken: dict[str, int] = {}
    for step in trial.reading.steps:
        taken[step.partition.object] = taken.get(step.partition.object, 0) + 1
        if taken[step.partition.object] <= 2 and not (step.partition.unbroken and step.cursor != step.partition.start):
            yield step


def _measured(call: Call) -> Call:
    world = call.world()
    world.connected  # noqa: B018 (connects)
    before = len(world.wire.sent)
    # Not every vendor lets single objects be read.
    with suppress(Refused):
        call.make(world)
    return replace(call, requests=len(world.wire.sent) - before)
