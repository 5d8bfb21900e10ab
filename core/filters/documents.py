"""Values out of JSON documents, as SQL expressions that SQLite and PostgreSQL each write in their own way.

A key is always a bound value, whatever characters it has. A value that is absent or null is NULL. Numbers, booleans
and lists are NULL too where something else is stored, as it can be when a vendor has changed the type of a field.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Double, Float, Integer, Text, and_, func, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from core.db.documents import holds


class _Expression(FunctionElement[Any]):
    """An expression with a template for each database: {0}, {1} are its operands, {others} all but the first.

    A template for SQLite names each operand once and in order, as its parameters have no names.
    """

    inherit_cache = True
    sqlite: str
    postgresql: str


@compiles(_Expression, "sqlite")
def _in_sqlite(element: _Expression, compiler: SQLCompiler, **options: Any) -> str:
    return _filled(element.sqlite, element, compiler, options)


@compiles(_Expression, "postgresql")
def _in_postgresql(element: _Expression, compiler: SQLCompiler, **options: Any) -> str:
    return _filled(element.postgresql, element, compiler, options)


def _filled(template: str, element: _Expression, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    operands = [compiler.process(each, **options) for each in element.clauses]
    return template.format(*operands, others=", ".join(operands[1:]))


class _AsText(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Text()
    sqlite = (
        "(SELECT CASE e.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(e.value AS TEXT) END"
        " FROM json_each({0}) AS e WHERE e.key = {1})"
    )
    postgresql = "({0} ->> {1})"


class _AsDay(_AsText):
    # Days and moments are texts that sort by time, but not by the rules of a language.
    inherit_cache = True
    postgresql = '(({0} ->> {1}) COLLATE "C")'


class _AsNumber(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Float()
    sqlite = "(SELECT e.value FROM json_each({0}) AS e WHERE e.key = {1} AND e.type IN ('integer', 'real'))"
    postgresql = "(CASE WHEN jsonb_typeof({0} -> {1}) = 'number' THEN ({0} -> {1})::numeric END)"


class _AsBoolean(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Boolean()
    sqlite = "(SELECT e.type = 'true' FROM json_each({0}) AS e WHERE e.key = {1} AND e.type IN ('true', 'false'))"
    postgresql = "(CASE WHEN jsonb_typeof({0} -> {1}) = 'boolean' THEN ({0} -> {1})::boolean END)"


class _AsList(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Text()
    sqlite = "(SELECT e.value FROM json_each({0}) AS e WHERE e.key = {1} AND e.type = 'array')"
    postgresql = "(CASE WHEN jsonb_typeof({0} -> {1}) = 'array' THEN {0} -> {1} END)"


class _ItemCount(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Integer()
    sqlite = "coalesce(json_array_length({0}), 0)"
    postgresql = "coalesce(jsonb_array_length({0}), 0)"


class _HasItem(_Expression):
    inherit_cache = True
    type: TypeEngine[Any] = Boolean()
    sqlite = "EXISTS (SELECT 1 FROM json_each({0}) AS item WHERE lower(item.value) IN ({others}))"
    # What lower() makes of a list, as it is written, is the list of its items in lower case.
    postgresql = "(lower(({0})::text)::jsonb ?| ARRAY[{others}])"


class _Path(_Expression):
    """Whether what a path asks holds; only PostgreSQL is asked."""

    inherit_cache = True
    type: TypeEngine[Any] = Boolean()
    postgresql = "({0} @@ {1}::jsonpath)"


class _Hint(_Expression):
    """A cheap condition, true at least wherever the one beside it is; only PostgreSQL is asked."""

    inherit_cache = True
    type: TypeEngine[Any] = Boolean()
    postgresql = "({0})"


@compiles(_Hint, "sqlite")
def _not_asked(element: _Hint, compiler: SQLCompiler, **options: Any) -> str:
    return "1"


_READERS: dict[str, type[_Expression]] = {
    "text": _AsText,
    "integer": _AsNumber,
    "decimal": _AsNumber,
    "boolean": _AsBoolean,
    "date": _AsDay,
    "datetime": _AsDay,
    "list": _AsList,
}


_IN_PATHS: dict[Any, str] = {
    operator.eq: "==",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}


def value_in(document: ColumnElement[Any], key: str, type: str) -> ColumnElement[Any]:
    """Return the value under ``key``: text for texts, days, moments; the list itself, for the functions below."""
    return _READERS[type](document, literal(key, Text()))


def item_count(items: ColumnElement[Any]) -> ColumnElement[int]:
    """Return how many items a list of :func:`value_in` has; 0 when there is none."""
    return _ItemCount(items)


def has_item(items: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """Return whether a list of :func:`value_in` has one of ``texts`` as an item, in upper or lower case."""
    texts = list(texts)
    written = (json.dumps(text, ensure_ascii=False)[1:-1] for text in texts)
    # Most lists, as they are written, do not hold what an item is written as.
    whole = func.lower(_AsText(*items.clauses))
    may = or_(*(func.strpos(whole, func.lower(literal(each, Text()))) > 0 for each in written))
    return and_(_Hint(may), _HasItem(items, *(func.lower(literal(text, Text())) for text in texts)))


def may_hold(document: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Return whether PostgreSQL's index says that a document holds one of ``values``, which are written as JSON."""
    return _Hint(or_(*(holds(document, value) for value in values)))


def compared(
    number: Any, compare: Callable[[Any, Any], ColumnElement[bool]], bound: int | float
) -> ColumnElement[bool]:
    """Return how a number of :func:`value_in` compares with ``bound``: by ``eq``, ``lt``, ``le``, ``gt`` or ``ge``."""
    typed = literal(bound, BigInteger() if isinstance(bound, int) else Double())
    if not isinstance(number, _AsNumber):
        return compare(number, typed)
    # A path compares numbers as they lie there: what it leaves out need not be taken out and converted.
    document, key = number.clauses
    path = f"$.{json.dumps(key.value, ensure_ascii=False)} {_IN_PATHS[compare]} {bound!r}"
    return and_(_Hint(_Path(document, literal(path, Text()))), compare(number, typed))
