"""The canonical shape of values, declared with marshmallow.

A value that already has exactly the right type is taken as it is; any other one goes through its marshmallow field,
which converts it or says what is wrong. So the usual page costs one look-up of a type per value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import nh3
from marshmallow import ValidationError, fields, validate

from core.contract.fields import ARTICLE, COLLECTION, SYSTEM_FIELDS
from core.contract.types import FieldType, Kind

COLUMN_LENGTH = 500
"""Longest text of a column with an index: a longer one may not fit a PostgreSQL index entry (2,704 bytes)."""


def tidy(text: str) -> str:
    """Return the text without surrounding space and without NUL, which PostgreSQL does not store."""
    return (text.replace("\0", "") if "\0" in text else text).strip()


class Text(fields.Field[str]):
    """Text; numbers and booleans are written out. Surrounding space goes, and nothing but space is no value."""

    default_error_messages = {"invalid": "must be text"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float) and _fits(value):
            return str(value)
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return tidy(value)


class StrictText(Text):
    """Text that must be text: an identifier made of a number or a list is a fault of the vendor's data."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class Moment(fields.Field[str]):
    """A moment as RFC 3339 text in UTC, from unix seconds, ISO 8601 text or a datetime."""

    default_error_messages = {"invalid": "must be a time: unix seconds or ISO 8601"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            if isinstance(value, bool):
                raise ValueError
            if isinstance(value, int | float):
                value = datetime.fromtimestamp(value, UTC)
            elif isinstance(value, str):
                value = datetime.fromisoformat(value)
            return as_text(value)
        except (ValueError, TypeError, AttributeError, OverflowError, OSError):
            raise self.make_error("invalid") from None


class Day(fields.Field[str]):
    """A day as ``YYYY-MM-DD``, from ISO text, a date, or a moment's day in UTC."""

    default_error_messages = {"invalid": "must be a date"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is date:
            return value.isoformat()
        try:
            if isinstance(value, str) and len(value) == len("2026-01-31"):
                return date.fromisoformat(value).isoformat()
            return Moment()._deserialize(value, attr, data)[:10]
        except (ValueError, ValidationError):
            raise self.make_error("invalid") from None


class Whole(fields.Integer):
    """A whole number that fits 64 bits."""

    default_error_messages = dict.fromkeys(("invalid", "too_large"), "must be a whole number of at most 64 bits")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number: int = super()._deserialize(value, attr, data, **kwargs)
        if not _fits(number) or (isinstance(value, float) and value != number):
            raise self.make_error("invalid")
        return number


class Number(fields.Float):
    """A finite number."""

    default_error_messages = dict.fromkeys(("invalid", "too_large", "special"), "must be a finite number")


class YesNo(fields.Boolean):
    """True or false."""

    default_error_messages = {"invalid": "must be true or false"}


class Texts(fields.List[str]):
    """A list of texts."""

    default_error_messages = {"invalid": "must be a list of texts"}

    def __init__(self) -> None:
        super().__init__(Text())

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if type(value) is list and all(type(item) is str for item in value):
            return [tidy(item) for item in value]
        return super()._deserialize(value, attr, data, **kwargs)


def _fits(number: Any) -> bool:
    return bool(-(2**63) <= number < 2**63)


def as_text(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 text in UTC, to the second."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


_FIELDS: Mapping[FieldType, Callable[[], fields.Field[Any]]] = {
    "text": Text,
    "integer": Whole,
    "decimal": Number,
    "boolean": YesNo,
    "date": Day,
    "datetime": Moment,
    "list": Texts,
}


def _short(text: str) -> str:
    if len(text) > COLUMN_LENGTH:
        raise ValueError("it does not fit an index")
    return tidy(text)


def _in_bounds(number: float) -> float:
    if not _fits(number):
        raise ValueError("it is too large, or no number")
    return number


_USUAL: Mapping[FieldType, Mapping[type, Callable[[Any], Any]]] = {
    "text": {str: tidy},
    "integer": {int: _in_bounds},
    "decimal": {float: _in_bounds},
    "boolean": {bool: bool},
    "datetime": {int: lambda seconds: as_text(datetime.fromtimestamp(seconds, UTC))},
}
"""How values of the usual types are read, with ValueError, OverflowError or OSError for what the field shall judge."""


class Reader:
    """Reads one value: None and empty text are no value.

    Args:
        key: Name of the field, for the message.
        type: What it must be.
        identifier: Text must have been text, and fit an index.
        lower: Compare without regard to case: keep in lower case.
    """

    def __init__(self, key: str, type: FieldType, *, identifier: bool = False, lower: bool = False) -> None:
        self.key = key
        self._lower = lower
        self._usual = {str: _short} if identifier else _USUAL.get(type, {})
        checks = [validate.Length(max=COLUMN_LENGTH)] if identifier else []
        self._field = StrictText(validate=checks) if identifier else _FIELDS[type]()

    def __call__(self, value: Any) -> Any:
        """Return the value in its canonical form.

        Raises:
            ValidationError: It has another type; the message names the field.
        """
        if value is None:
            return None
        read = self._usual.get(type(value))
        try:
            value = self._deserialize(value) if read is None else read(value)
        except ValidationError:
            raise
        except (ValueError, OverflowError, OSError):
            value = self._deserialize(value)
        if value == "":
            return None
        return value.lower() if self._lower else value

    def _deserialize(self, value: Any) -> Any:
        try:
            return self._field.deserialize(value)
        except ValidationError as error:
            messages: Any = error.messages
            while isinstance(messages, dict):
                messages = next(iter(messages.values()))
            text = " ".join(messages) if isinstance(messages, Sequence) and not isinstance(messages, str) else messages
            raise ValidationError(f"{self.key}: {text}", self.key) from None


_LOWER = frozenset({"email", "domain"})
_ARTICLE_TEXT = frozenset(ARTICLE + COLLECTION) - {"translations", "position"}


def value_readers(kind: Kind) -> dict[str, Callable[[Any], Any]]:
    """Return the readers of a kind's :attr:`core.contract.types.Record.values`, by key."""
    if kind in ("person", "organization"):
        return {
            system.key: Reader(system.key, system.type, identifier=system.column, lower=system.key in _LOWER)
            for system in SYSTEM_FIELDS["person" if kind == "person" else "organization"]
        }
    if kind == "activity":
        return {}
    readers: dict[str, Callable[[Any], Any]] = {
        key: Reader(key, "text") for key in (ARTICLE if kind == "article" else COLLECTION) if key in _ARTICLE_TEXT
    }
    readers["translations"] = _translations
    if kind == "article":
        readers["body"] = _html
    if kind == "collection":
        readers["position"] = Reader("position", "integer")
    return readers


def _translations(value: Any) -> dict[str, dict[str, str]]:
    """Texts by locale: ``{"fr": {"title": …, "body": …}}``; a body is HTML."""
    schema = fields.Dict(fields.String(), fields.Dict(fields.String(), fields.String(allow_none=True)))
    try:
        translations: dict[str, dict[str, str]] = schema.deserialize(value) if value else {}
    except ValidationError as error:
        raise ValidationError(f"translations: {error.messages}", "translations") from None
    for texts in translations.values():
        if texts.get("body"):
            texts["body"] = nh3.clean(texts["body"])
    return translations


_read_body = Reader("body", "text")


def _html(value: Any) -> str:
    """HTML that is safe to show."""
    return nh3.clean(_read_body(value) or "")
