"""Records that an admin chooses by conditions: what a plugin makes of them at its vendor."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from core.contract.types import Conditions, FieldSpec, Record, Scope
from core.filters import parse, sentence
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial
from core.services.selecting import catalogue_of, selection_of, wanted_by

SINGLE, JOINED = 10, 6
"""How many conditions are tried by themselves and in groups, of each object."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Conditions that an admin could choose.

    Attributes:
        object: Whose records.
        words: For messages.
        conditions: As the plugin is told.
        wanted: Remote ids of those of the sandbox's records that meet them.
    """

    object: str
    words: str
    conditions: Conditions
    wanted: frozenset[str]


@rule(
    "needed",
    breaks='`"is"` is asked of a vendor that tells capitals from small letters.',
    after=("complete", "fields_honoured", "repeatable"),
)
def selected(trial: Trial) -> None:
    """Every record that meets the admin's conditions is read.

    A plugin may ask its vendor for less than everything (`Scope.selection`): for what holds wherever the conditions do.
    The host looks at each record again, but not at what it has never seen.
    """
    world, heeded = trial.usual, False
    plain = {part.key: part for part in world.plan()}
    for choice in _choices(trial):
        scope = Scope({choice.object: None}, selection={choice.object: choice.conditions})
        planned = [part for part in world.plan(scope) if part.object == choice.object]
        if all(plain.get(part.key) == part for part in planned):
            continue
        heeded = True
        found = {key for _, key in world.read(planned).ids([choice.object])}
        if missing := sorted(choice.wanted - found):
            raise Broken(f"of {choice.object}, {choice.words}: {len(missing)} are not read, such as {missing[0]}")
        everything = {key for _, key in trial.reading.ids([choice.object])}
        if everything - found and not any(part.narrowed for part in planned):
            raise Broken(f"of {choice.object}, {choice.words}: not everything is read, set Partition.narrowed")
    if not heeded:
        raise NotApplicable("it reads everything, and leaves conditions to the host")


@rule("good", breaks="`count_selected` counts without the conditions that it cannot ask for.", after=("selected",))
def selected_counted(trial: Trial) -> None:
    """What is counted of the records that meet conditions are these very ones.

    The admin sees the number while choosing, and afterwards whether as many have come in.
    """
    source, account, told = trial.usual.source(), trial.usual.account, False
    for choice in _choices(trial):
        if not trial.implements("count_selected"):
            break
        counts = source.count_selected(account=account, selection={choice.object: choice.conditions})
        if (counted := counts.get(choice.object)) is None:
            continue
        told = True
        if counted != len(choice.wanted):
            raise Broken(
                f"of {choice.object}, {choice.words}: {counted} are counted, and {len(choice.wanted)} are there"
            )
    if not told:
        raise NotApplicable("the vendor does not count what meets conditions")


def _choices(trial: Trial) -> Iterator[_Choice]:
    """Yield conditions that some of the sandbox's records meet.

    Raises:
        NotApplicable: The admin cannot choose.
    """
    if not trial.manifest.selective:
        raise NotApplicable("manifest.selective is not set")
    now, kinds = datetime.now(UTC), {spec.key: spec.kind for spec in trial.manifest.objects}
    for object, kind in kinds.items():
        records = [record for record in trial.reading.records if record.object == object]
        if kind not in ("person", "organization") or not records:
            continue
        fields = [field for field in trial.fields if field.object == object]
        for tree in _trees(fields, records):
            filters: Any = {kind: parse(tree, catalogue_of(trial.manifest, fields, kind))}
            told = selection_of(filters, trial.manifest, fields, now, UTC)[object]
            meets = wanted_by(filters, trial.manifest, fields, now, UTC)[object]
            wanted = frozenset(record.remote_id for record in records if meets(record))
            yield _Choice(object, sentence(filters[kind]), told, wanted)


def _trees(fields: Sequence[FieldSpec], records: Sequence[Record]) -> Iterator[Mapping[str, Any]]:
    """Yield filters with values that records have; the same ones for the same records."""
    dice = random.Random(9)  # noqa: S311
    leaves: list[dict[str, Any]] = []
    for key, type in (*((field.key, field.type) for field in fields), ("tags", "tags")):
        values = [value for record in records if (value := _value(record, key)) not in (None, "", [], ())]
        if values:
            leaves += [{"field": key, **asked} for asked in _asked(type, dice.choice(values))]
    singles = dice.sample(leaves, min(SINGLE, len(leaves)))
    yield from singles
    for number in range(JOINED if leaves else 0):
        one, two, three = (dice.choice(leaves) for _ in range(3))
        join, other = ("all", "any") if number % 2 else ("any", "all")
        yield {join: [one, {other: [two, three]}]}


def _value(record: Record, key: str) -> Any:
    return record.tags if key == "tags" else {**record.values, **record.fields}.get(key)


def _asked(type: str, value: Any) -> Iterator[dict[str, Any]]:
    """Yield comparisons that a value meets, and some that it does not."""
    asked = partial(dict[str, Any])
    yield asked(op="has_value")
    yield asked(op="has_no_value")
    match type:
        case "text":
            text = str(value).strip()[:50].strip() or "x"
            yield asked(op="is", value=text.swapcase())
            yield asked(op="is_not", value=text.upper())
            yield asked(op="starts_with", value=text[: len(text) // 2 + 1].upper())
            yield asked(op="contains", value=text[len(text) // 2 :].lower().strip() or "x")
        case "integer" | "decimal" if isinstance(value, int | float):
            yield asked(op="at_least", value=value)
            yield asked(op="less_than", value=value)
            yield asked(op="is", value=value)
            yield asked(op="not_between", value=[value, value + 1])
        case "boolean":
            yield asked(op="is", value=bool(value))
            yield asked(op="is", value=not value)
        case "date" | "datetime":
            day = (datetime.now(UTC) - timedelta(days=100)).date().isoformat()
            yield asked(op="after", value=day)
            yield asked(op="before", value=day)
            yield asked(op="in_the_last", value=30)
        case "tags":
            yield asked(op="has", value=str(value[0]))
            yield asked(op="has_none", value=[str(value[0])])
