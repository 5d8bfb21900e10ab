"""What may be wrong with a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from core.contract.types import Manifest
from core.host.environment import is_url
from core.host.shapes import misfits

KEY = re.compile(r"[a-z][a-z0-9_]*")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
ICON_BYTES = 4096


def faults(manifest: object) -> list[str]:
    """Return what is wrong with ``manifest``: wrong types, or else broken rules."""
    if not isinstance(manifest, Manifest):
        return [f"manifest must be of type Manifest, not {type(manifest).__name__}"]
    return list(misfits(manifest, Manifest, "manifest")) or [*_names(manifest), *_objects(manifest), *_rest(manifest)]


def _names(manifest: Manifest) -> Iterator[str]:
    yield from _malformed(KEY, {"manifest.name": manifest.name})
    yield from _malformed(KEY, {f"key of object {spec.key!r}": spec.key for spec in manifest.objects})
    yield from _malformed(KEY, {f"key of activity {spec.key!r}": spec.key for spec in manifest.activities})
    yield from _malformed(VARIABLE, {f"name of variable {spec.name!r}": spec.name for spec in manifest.environment})
    yield from _repeated("object", (spec.key for spec in manifest.objects))
    yield from _repeated("activity", (spec.key for spec in manifest.activities))
    yield from _repeated("step", manifest.steps)
    yield from _repeated("variable", (spec.name for spec in manifest.environment))
    texts = {f"manifest.{name}": getattr(manifest, name) for name in ("title", "category", "description")}
    texts |= {f"label of object {spec.key!r}": spec.label for spec in manifest.objects}
    texts |= {f"label of activity {spec.key!r}": spec.label for spec in manifest.activities}
    texts |= {f"help of variable {spec.name!r}": spec.help for spec in manifest.environment}
    for name, text in texts.items():
        if not text.strip():
            yield f"{name} is empty"


def _objects(manifest: Manifest) -> Iterator[str]:
    if not manifest.objects:
        yield "manifest.objects is empty: name at least one object"
    known = [spec.key for spec in manifest.objects]
    for activity in manifest.activities:
        if activity.object not in known:
            yield f"activity {activity.key!r} belongs to the unknown object {activity.object!r}: name one of {known}"


def _rest(manifest: Manifest) -> Iterator[str]:
    for variable in manifest.environment:
        if variable.kind == "url" and variable.default is not None and not is_url(variable.default):
            yield f"default of variable {variable.name!r} is not a URL"
    for key in set(manifest.consent_asks) - manifest.credentials().fields.keys():
        yield f"manifest.consent_asks names {key!r}, which is no field of its credentials"
    if manifest.icon and not manifest.icon.lstrip().startswith("<svg"):
        yield "manifest.icon must be SVG markup that begins with <svg"
    if len(manifest.icon.encode()) > ICON_BYTES:
        yield f"manifest.icon is longer than {ICON_BYTES} bytes"
    numbers: dict[str, float | None] = {
        "max_accounts": manifest.max_accounts,
        "max_parallel": manifest.max_parallel,
        "retention_days": manifest.retention_days,
        "resync_minutes": manifest.resync_minutes,
    }
    if manifest.rate_limit is not None:
        numbers |= {
            "rate_limit.requests": manifest.rate_limit.requests,
            "rate_limit.seconds": manifest.rate_limit.seconds,
        }
    for name, number in numbers.items():
        if number is not None and not number > 0:
            yield f"manifest.{name} must be greater than 0"


def _malformed(pattern: re.Pattern[str], names: dict[str, str]) -> Iterator[str]:
    for what, name in names.items():
        if not pattern.fullmatch(name):
            yield f"{what} must match {pattern.pattern}"


def _repeated(what: str, keys: Iterable[str]) -> Iterator[str]:
    for key, times in Counter(keys).items():
        if times > 1:
            yield f"{what} {key!r} is declared {times} times"
