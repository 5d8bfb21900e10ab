"""What every value of a record must be, and a form of it that every database takes. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from marshmallow import ValidationError

from core.contract.types import JSON, Activity, Channel
from core.pipeline.schemas import as_text, tidy

ID_LENGTH = 200


def check_id(value: Any, name: str) -> None:
    """Raise ValidationError if ``value``, called ``name``, is no id of the vendor's."""
    if value is None or value == "":
        raise ValidationError(f"{name}: missing", name)
    if not (isinstance(value, str) and len(value) <= ID_LENGTH and value.isprintable()):
        raise ValidationError(f"{name}: must be text of at most {ID_LENGTH} printable characters", name)


def moment(value: datetime | None, name: str, *, required: bool = False) -> str | None:
    """Return a moment as text."""
    if value is None and not required:
        return None
    try:
        return as_text(value)  # type: ignore[arg-type]
    except (ValueError, AttributeError, OverflowError):
        raise ValidationError(f"{name}: must be a moment with a time zone", name) from None


def tag_name(value: Any) -> str:
    """Return the name of a tag, trimmed."""
    name = tidy(value)[:200] if isinstance(value, str) else ""
    if not name:
        raise ValidationError("tags: must be names", "tags")
    return name


def checked_permissions(permissions: Mapping[Channel, bool]) -> Mapping[Channel, bool]:
    """Return permissions, checked."""
    for channel, allowed in permissions.items():
        if not isinstance(allowed, bool):
            raise ValidationError(f"permissions.{channel}: must be true or false", "permissions")
    return permissions


_USUAL = frozenset({type(None), bool, int, str})


def flat(activity: Activity) -> dict[str, Any]:
    """Return an activity's attributes, checked."""
    for name, value in activity.attributes.items():
        if type(value) not in _USUAL:
            _check_flat(f"{activity.type}.{name}", name, value)
    return dict(activity.attributes)


def _check_flat(path: str, name: str, value: Any) -> None:
    items = value if isinstance(value, list | tuple) else (value,)
    if any(type(item) not in _USUAL and type(item) is not float for item in items):
        raise ValidationError(f"{path}: must be a scalar or a list of scalars", name)
    if any(type(item) is float and not math.isfinite(item) for item in items):
        raise ValidationError(f"{path}: must be a finite number", name)


def clean(content: list[Any]) -> tuple[list[Any], bytes]:
    """Return checked ``content`` in a form that every database takes, and its JSON.

    Keys are sorted, so that a vendor who sends the same in another order has changed nothing.
    """
    try:
        data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _cleaned(content)
    return (content, data) if b"\\u0000" not in data else _cleaned(content)


_dumps: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def _cleaned(content: list[Any]) -> tuple[list[Any], bytes]:
    """Do the same for content that may be anything.

    PostgreSQL stores neither the character NUL nor half of a surrogate pair; vendors send both.
    """
    try:
        text = _dumps(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValidationError(f"a value cannot be stored: {error}") from None
    try:
        data = text.encode()
    except UnicodeEncodeError:
        scrubbed = scrub(content)
        return scrubbed, _dumps(scrubbed).encode()
    if b"\\u0000" not in data:
        return content, data
    scrubbed = scrub(content)
    return scrubbed, _dumps(scrubbed).encode()


def scrub(value: Any) -> Any:
    """Return ``value`` without the characters that no database stores."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {scrub(key): scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def storable(payload: JSON) -> tuple[Any, str]:
    """Return what can be kept of a payload that may be anything, and a text that tells it from others."""
    try:
        text = repr(scrub(payload))[:100_000]
    except (ValueError, RecursionError) as error:
        return {"text": f"not kept: {error}"}, ""
    try:
        (kept,), data = _cleaned([payload])
    except ValidationError:
        return {"text": text}, text
    return (kept if isinstance(kept, dict) else {"value": kept}), data.decode()


def reason(error: ValidationError) -> str:
    """Return why, in one line."""
    messages: Sequence[Any] = error.messages if isinstance(error.messages, list) else [error.messages]
    return "; ".join(str(message) for message in messages)
