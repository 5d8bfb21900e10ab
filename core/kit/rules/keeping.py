"""What a plugin keeps to itself: secrets, writes, speed and memory."""

from __future__ import annotations

import gc
import json
import traceback
import tracemalloc
from collections.abc import Iterator
from typing import Any

from core.contract.errors import SourceError
from core.contract.types import Rejected
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial, listening, outcome
from core.kit.wire import Fault
from core.kit.world import World

PAGE_BYTES = 8_000_000
SHORT, LONG = 3, 12
SPARE = 256_000
"""Bytes that a reader may grow by anyway: caches of modules, of the interpreter, of the sandbox."""
_SHORTEST = 6


@rule("needed", breaks="`requests.get` is called beside the client.", after=("reads",))
def paced(trial: Trial) -> None:
    """Each request waits for the account's rate limit first.

    All workers share one limit for an account; a request that passes it by makes the vendor refuse the others.
    """
    trial.reading  # noqa: B018 (reads all)
    for sent in trial.usual.wire.sent:
        if not sent.paced:
            raise Broken(f"{sent.method} {sent.path} was sent without account.limiter.acquire()")


@rule("needed", breaks="Conversations are marked as read by a PUT.", after=("reads",))
def read_only(trial: Trial) -> None:
    """Nothing is ever written at the vendor.

    Mainstem promises its users to read. A POST that only reads is named by the sandbox, in `searches`.
    """
    trial.reading  # noqa: B018 (reads all)
    for write in trial.usual.wire.writes(getattr(trial.usual.sandbox, "searches", ())):
        raise Broken(f"{write}: a request that may write; if it only reads, put its path into the sandbox's searches")


@rule("needed", breaks="The token is part of an error's message, of the cursor, or of a log line.", after=("reads",))
def secretive(trial: Trial) -> None:
    """No secret is in a log, an error, a repr, a cursor or the settings.

    Logs go to other systems, cursors and settings into backups, errors onto the admin's page.
    """
    world, said = trial.world(), _Said(trial)
    with listening() as lines:
        said.take("Connected.settings", json.dumps(dict(world.connect().settings), default=repr))
        said.take("repr of Connected", repr(world.connect()))
        for step in trial.reading.steps:
            said.take("a cursor", json.dumps([step.partition.start, step.page.next], default=repr))
            said.take("repr of a page", repr(step.page))
        for where, found in _failures(trial, world):
            said.take(where, found)
        for step in trial.reading.steps[:3]:
            world.source().sync(account=world.account, partition=step.partition, cursor=step.cursor)
    said.take("the log", "\n".join(lines))


class _Said:
    """Looks for the secrets of an account in what is said."""

    def __init__(self, trial: Trial) -> None:
        given = {**trial.usual.sandbox.credentials, **trial.usual.connected.secrets}
        secret = {variable.name for variable in trial.manifest.environment if variable.secret}
        given |= {key: value for key, value in trial.usual.environment.items() if key in secret}
        fields = trial.manifest.credentials().fields
        public = {key for key, field in fields.items() if not field.metadata.get("secret")} & given.keys()
        public -= trial.usual.connected.secrets.keys()
        self._secrets = {key: value for key, value in given.items() if key not in public and len(value) >= _SHORTEST}
        self._secrets |= {f"wrong {key}": _wrong(value) for key, value in self._secrets.items()}

    def take(self, where: str, text: str) -> None:
        """Raise :class:`Broken` if a secret is in ``text``."""
        for key, secret in self._secrets.items():
            if secret in text:
                raise Broken(f"the secret {key!r} is in {where}")


def _wrong(secret: str) -> str:
    return f"wrong-{secret[::-1]}"


def _failures(trial: Trial, world: World) -> Iterator[tuple[str, str]]:
    """Yield what is said when things go wrong: error, traceback, messages of a rejection."""
    wrong = {key: _wrong(value) for key, value in world.typed.items()}
    if wrong:
        found = outcome(world.source().connect, account=world.draft, answers=wrong)
        yield "the answer to wrong credentials", str(found.errors) if isinstance(found, Rejected) else _told(found)
    faults: tuple[Fault, ...] = ("401", "403", "429", "500", "reset", "garbage")
    for call in trial.calls:
        for fault in faults:
            again = call.world()
            again.connected  # noqa: B018 (connects, before anything breaks)
            with again.wire.breaking(fault):
                found = outcome(call.make, world=again)
            yield f"the error of {call.label} after {fault}", _told(found)


def _told(found: Any) -> str:
    if not isinstance(found, SourceError):
        return repr(found)
    return f"{found!r} {found} " + "".join(traceback.format_exception(found))


@rule("needed", breaks="One page holds a whole account.", after=("reads",))
def small_pages(trial: Trial) -> None:
    """A page is smaller than 8 MB.

    A worker holds one page at a time; a page that grows with the account ends in a killed worker.
    """
    for step in trial.reading.steps:
        size = len(json.dumps([repr(item) for item in step.page.records])) + len(
            json.dumps([item.payload for item in step.page.records], default=repr)
        )
        if size > PAGE_BYTES:
            raise Broken(f"a page of {step.partition.object} has {size / 1e6:.1f} MB: ask for fewer records at once")


@rule("good", breaks="The plugin keeps all ids that it has seen.", after=("resumable",))
def lean(trial: Trial) -> None:
    """Memory does not grow with the pages read.

    An account may have a million people. A reader of twelve pages may hold no more than one of three.
    """
    if not trial.person_objects:
        raise NotApplicable("it brings no people")
    world = trial.world(people=(LONG + 1) * trial.page_size)
    _read(world, trial, LONG)  # fills the caches of modules and of the sandbox
    # What was there before is not looked through again by each collection.
    gc.freeze()
    tracemalloc.start()
    try:
        held = _read(world, trial, LONG)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    if len(held) < LONG:
        raise NotApplicable(f"its people do not fill {LONG} pages")
    grown, page = held[-1] - held[SHORT - 1], held[0]
    if grown > max(SPARE, page * (LONG - SHORT) // 2):
        raise Broken(f"after {LONG} pages {grown / 1e6:.1f} MB more are held than after {SHORT}")


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _read(world: World, trial: Trial, pages: int) -> list[int]:
    """Read pages of people by one plugin; return the bytes held after each, the first with the page itself."""
    source, held = world.source(), list[int]()
    partitions = [partition for partition in world.plan() if partition.object in trial.person_objects]
    for step in (step for partition in partitions for step in world.steps(partition, source)):
        page = step.page if not held else None
        del step
        held.append(_held() if tracemalloc.is_tracing() and len(held) + 1 in (1, SHORT, LONG) else 0)
        del page
        if len(held) == pages:
            break
    return held
