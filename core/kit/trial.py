"""A plugin on trial: what the proofs of the rules ask it, each thing once."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal, cast
from unittest.mock import patch

from core.contract.errors import SourceError
from core.contract.hookspecs import SourceSpecs
from core.contract.types import FieldSpec, Manifest, Partition, SandboxOptions
from core.host import Host
from core.kit.calls import Call, calls_of
from core.kit.rule import RULES, Broken, NotApplicable, Rule
from core.kit.tables import policy_for, tables
from core.kit.world import Reading, World
from core.pipeline.policy import Policy

Status = Literal["kept", "broken", "exempt", "not applicable", "blocked"]
FIRST_GUESS = 300
SECOND_GUESS = 3_000
FIRST_PAGES = 3
RPM = 100_000_000
"""The sandbox's own rate limit stays out of the way; the wire has faults of its own."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one rule.

    Attributes:
        rule: The rule.
        status: ``"blocked"``: another rule that it stands on is broken.
        detail: Why, unless it is kept.
    """

    rule: Rule
    status: Status
    detail: str = ""


class Trial:
    """Runs rules against a plugin and its sandbox.

    Args:
        plugin: The plugin, as its entry point holds it.
        exempt: Rules that shall not count, each with the reason.
        people: How many people the sandbox has; by default three of the plugin's pages.

    Raises:
        ValueError: An exemption names no rule, or gives no reason.
    """

    def __init__(self, plugin: object, exempt: Mapping[str, str] | None = None, people: int | None = None) -> None:
        import core.kit.rules  # noqa: F401 (fills RULES)

        self.plugin = plugin
        self.exempt = dict(exempt or {})
        for key, reason in self.exempt.items():
            if key not in RULES:
                raise ValueError(f"exempt: there is no rule {key!r}")
            if not reason.strip():
                raise ValueError(f"exempt: say why {key!r} does not concern this plugin")
        self._people = people
        self._results: dict[str, Result] = {}

    def check(self, key: str) -> Result:
        """Return what becomes of a rule, and first of those that it stands on."""
        if key not in self._results:
            self._results[key] = self._check(RULES[key])
        return self._results[key]

    def _check(self, rule: Rule) -> Result:
        if rule.key in self.exempt:
            return Result(rule, "exempt", self.exempt[rule.key])
        for other in rule.after:
            if self.check(other).status in ("broken", "blocked"):
                return Result(rule, "blocked", f"stands on {other}")
        try:
            with hurried():
                rule.prove(self)
        except NotApplicable as why:
            return Result(rule, "not applicable", str(why))
        except Broken as why:
            return Result(rule, "broken", str(why))
        except Exception as error:  # noqa: BLE001 (whatever a plugin does is a finding)
            return Result(rule, "broken", f"{type(error).__name__}: {error}")
        return Result(rule, "kept")

    # What proofs ask.

    @property
    def manifest(self) -> Manifest:
        """The plugin's manifest."""
        return cast(Manifest, cast(Any, self.plugin).manifest)

    @property
    def source(self) -> SourceSpecs:
        """A fresh caller of the plugin's hooks."""
        return Host([self.plugin]).source(self.manifest.name)

    def implements(self, hook: str) -> bool:
        """Tell whether the plugin has a hook."""
        return Host([self.plugin]).implements(self.manifest.name, hook)

    def world(self, people: int | None = None, **options: Any) -> World:
        """Return a fresh sandbox with a plugin that has seen nothing."""
        chosen = SandboxOptions(people=self.people if people is None else people, rpm=RPM, **options)
        return World(self.plugin, self.manifest, chosen)

    @property
    def person_objects(self) -> list[str]:
        """Keys of the objects that become people."""
        return [spec.key for spec in self.manifest.objects if spec.kind == "person"]

    @cached_property
    def page_size(self) -> int:
        """How many people one page of the plugin holds at most."""
        for people in (FIRST_GUESS, SECOND_GUESS):
            world = self.world(people)
            partitions = [partition for partition in world.plan() if partition.object in self.person_objects]
            largest = max((_largest(world, partition) for partition in partitions), default=0)
            if largest < people:
                return max(1, largest)
        return people

    @property
    def people(self) -> int:
        """How many people the usual sandbox has."""
        return self._people or 3 * self.page_size

    @cached_property
    def usual(self) -> World:
        """The usual sandbox; proofs leave it unchanged."""
        return self.world()

    @cached_property
    def reading(self) -> Reading:
        """All that the usual sandbox holds."""
        return self.usual.read()

    @cached_property
    def calls(self) -> list[Call]:
        """The calls that ask the vendor."""
        return calls_of(self)

    @cached_property
    def fields(self) -> list[FieldSpec]:
        """The fields of the usual sandbox's account."""
        return list(self.usual.source().field_schema(account=self.usual.account))

    @cached_property
    def policy(self) -> Policy:
        """The policy of a data source with everything selected."""
        source, account = self.usual.source(), self.usual.account
        matching = {
            spec.key: source.merge(account=account, object=spec.key)
            for spec in self.manifest.objects
            if spec.kind in ("person", "organization")
        }
        return policy_for(self.manifest, self.fields, matching)

    @cached_property
    def filled(self) -> bytes:
        """The tables when all of the usual sandbox has been read."""
        with tables(self.policy) as database:
            database.apply(self.reading.pages)
            return database.copy()


def _largest(world: World, partition: Partition) -> int:
    """Return how many records the largest of the first pages of a partition has."""
    largest = 0
    with suppress(Broken):
        for step in islice(world.steps(partition), FIRST_PAGES):
            largest = max(largest, len(step.page.records))
    return largest


@contextmanager
def hurried() -> Iterator[list[float]]:
    """Let nobody sleep; yields the seconds that they wanted to."""
    slept: list[float] = []
    with patch.object(time, "sleep", slept.append):
        yield slept


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect everything that is logged meanwhile, at every level, and show nothing of it."""
    lines: list[str] = []
    formatter = logging.Formatter("%(name)s %(message)s")

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    root = logging.getLogger()
    loggers = [root, *(found for found in root.manager.loggerDict.values() if isinstance(found, logging.Logger))]
    levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    handlers, root.handlers[:] = list(root.handlers), [Collector()]
    try:
        yield lines
    finally:
        root.handlers[:] = handlers
        for logger, level in levels:
            logger.setLevel(level)


def outcome(call: Any, **arguments: Any) -> Any:
    """Return what ``call`` answers to ``arguments``, or the :class:`SourceError` that it raises."""
    try:
        return call(**arguments)
    except SourceError as error:
        return error


def is_json(value: Any) -> bool:
    """Tell whether a value is the same after a journey through JSON."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
