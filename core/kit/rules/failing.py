"""What a plugin does when its vendor fails. The faults are made on the wire; the sandbox knows nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from core.contract.errors import Reauthorise, Restart, Retry, SourceError
from core.contract.types import JSON, Page
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial, hurried, outcome
from core.kit.wire import WAIT, Fault
from core.kit.world import name, stored

PATIENCE = 60
"""Seconds that a plugin may wait by itself: a worker is not for sleeping."""
_NOWHERE = 10**9


def _broken(trial: Trial, fault: Fault, times: int | None = None) -> Iterator[tuple[str, Any, float]]:
    """Break the first and the last request of each call; yield where, what came of it, and the seconds slept."""
    for call in trial.calls:
        for first in sorted({1, call.requests}):
            world = call.world()
            world.connected  # noqa: B018 (connects, before anything breaks)
            struck = world.wire.struck
            with world.wire.breaking(fault, first, times), hurried() as slept:
                found = outcome(call.make, world=world)
            if world.wire.struck > struck:
                yield f"{call.label}, request {first} of {call.requests}", found, sum(slept)


@rule("needed", breaks="A 401 becomes a `Retry`: the run tries all night with a dead token.", after=("reads",))
def reauthorises(trial: Trial) -> None:
    """A 401 raises Reauthorise.

    Only then does an admin learn that the data source needs new credentials, and do its partitions wait.
    """
    for where, found, _ in _broken(trial, "401"):
        if not isinstance(found, Reauthorise):
            raise Broken(f"{where}: answered with 401, and {_did(found)}, not Reauthorise")


@rule("needed", breaks="A 429 is sent again at once, ten times.", after=("reads",))
def waits(trial: Trial) -> None:
    """A 429 is waited for as long as the vendor asks.

    Either by raising Retry with the seconds of `Retry-After`, or, when they are few, by waiting them. A vendor blocks
    those who do not.
    """
    for where, found, slept in (*_broken(trial, "429", times=1), *_broken(trial, "429")):
        if slept > PATIENCE:
            raise Broken(f"{where}: answered with 429, and the plugin sleeps for {slept:.0f} s: raise Retry(after=…)")
        asked_later = isinstance(found, Retry) and found.after is not None and found.after >= WAIT - 1
        if not asked_later and not (slept >= WAIT - 1 and not isinstance(found, SourceError)):
            after = f" (after={found.after})" if isinstance(found, Retry) else ""
            raise Broken(f"{where}: answered with 429 and Retry-After: {WAIT}, and {_did(found)}{after}")


@rule("needed", breaks="A body that is cut off ends in JSONDecodeError; a 502 skips the page.", after=("reads",))
def retries(trial: Trial) -> None:
    """What may pass raises Retry: 500, no answer, a reset, a cut-off body, a body that is no JSON.

    The host then comes back at the same cursor. Any other error fails the partition, and an empty page loses records.
    """
    for fault in ("500", "timeout", "reset", "truncated", "garbage"):
        for where, found, slept in _broken(trial, fault):
            if not isinstance(found, Retry):
                raise Broken(f"{where}: answered with {fault}, and {_did(found)}, not Retry")
            if slept > PATIENCE:
                raise Broken(f"{where}: answered with {fault}, and the plugin sleeps for {slept:.0f} s itself")
        _connects_later(trial, fault)


def _connects_later(trial: Trial, fault: Fault) -> None:
    world = trial.usual
    answers = world.typed
    if not answers:
        return
    with world.wire.breaking(fault):
        found = outcome(world.source().connect, account=world.draft, answers=answers)
    if not isinstance(found, Retry):
        raise Broken(f"connect, answered with {fault}: {_did(found)}, not Retry")


@rule("good", breaks="A 403 ends in a KeyError while its body is read.", after=("reads",))
def refusals(trial: Trial) -> None:
    """What the vendor forbids raises Refused, or is done without.

    A missing scope must read as a sentence for the admin, not as a traceback.
    """
    for where, found, _ in _broken(trial, "403"):
        if isinstance(found, Retry):
            raise Broken(f"{where}: answered with 403, and {_did(found)}: it will never work, raise Refused")


@rule(
    "needed", breaks="A cursor that the vendor has forgotten raises Refused: the partition fails.", after=("resumable",)
)
def lost_cursor(trial: Trial) -> None:
    """A cursor that the vendor no longer knows raises Restart or Retry.

    Cursors expire while a run pauses. The vendor's own parts of each cursor are spoilt here; a number becomes huge, to
    which an empty page is an answer as well.
    """
    tried = False
    for step in trial.reading.steps:
        if step.page.next is None or step.partition.unbroken:
            continue
        spoilt = _spoil(stored(step.page.next), stored(step.cursor))
        if spoilt is None:
            continue
        tried = True
        call = trial.usual.source().sync
        found = outcome(call, account=trial.usual.account, partition=step.partition, cursor=spoilt)
        # A number is the plugin's own, and beyond the end there may be an empty page.
        own = isinstance(found, Page) and not any(isinstance(part, str) for part in _spoilt(spoilt, step.page.next))
        if not isinstance(found, Restart | Retry) and not own:
            raise Broken(f"{name(step.partition)}: at the lost cursor {spoilt!r} {_did(found)}, not Restart")
    if not tried:
        raise NotApplicable("no cursor has a part of the vendor's")


def _spoil(cursor: JSON, before: JSON) -> JSON:
    """Return the cursor with those parts changed that moved since the page before; None if none can be."""
    if isinstance(cursor, dict):
        old = before if isinstance(before, dict) else {}
        parts = {key: _spoil(value, old.get(key)) for key, value in cursor.items()}
        return {**cursor, **changed} if (changed := {k: v for k, v in parts.items() if v is not None}) else None
    if cursor == before or isinstance(cursor, bool | float):
        return None
    if isinstance(cursor, int):
        return _NOWHERE
    return _spoilt_text(cursor) if isinstance(cursor, str) and not _is_own(cursor) else None


def _spoilt_text(text: str) -> str:
    link = urlsplit(text)
    if not link.query:
        return f"lost-{text[::-1]}"
    return link._replace(query="&".join(f"{part}-lost" for part in link.query.split("&"))).geturl()


def _is_own(text: str) -> bool:
    """Tell whether a text is a number or a moment, which the plugin made and no vendor forgets."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return text.isdigit()
    return True


def _spoilt(cursor: JSON, before: JSON) -> list[JSON]:
    """Return the parts of a spoilt cursor that differ from what they were."""
    if isinstance(cursor, dict):
        return [part for key, value in cursor.items() for part in _spoilt(value, before[key])]
    return [] if cursor == before else [cursor]


def _did(found: Any) -> str:
    if isinstance(found, SourceError):
        return f"the plugin raises {type(found).__name__}"
    return f"the plugin returns a {type(found).__name__}"
