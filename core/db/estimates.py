"""What PostgreSQL expects of a statement before it runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, null, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Executable


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, rows: Select[Any]) -> None:
        self.rows = rows


@compiles(_Explain, "postgresql")
def _in_postgresql(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.rows, **options)}"


@dataclass(frozen=True)
class Statistics:
    """How many rows statements find."""

    session: Session

    def expected(self, rows: Select[Any]) -> int:
        """Return how many PostgreSQL expects."""
        # The plan is read in place of a row, whose types are not the plan's.
        untyped = select(null()).select_from(rows.subquery())
        return int(self.session.execute(_Explain(untyped)).scalar_one()[0]["Plan"]["Plan Rows"])

    def found(self, rows: Select[Any]) -> int:
        """Return how many there are."""
        return self.session.execute(select(func.count()).select_from(rows.subquery())).scalar_one()


def statistics(session: Session) -> Statistics | None:
    """Return what says how many rows a statement finds; None on SQLite, which expects nothing."""
    return Statistics(session) if session.get_bind().dialect.name == "postgresql" else None


def expect_long_scans(session: Session) -> None:
    """Let PostgreSQL share out its scans, and take groups in the order of an index, until the transaction ends.

    It knows nothing of the values in documents and takes a third of all rows to have a number above any other, so that
    a few thousand would soon be found by a single process. And it thinks few groups of any kind will do, so that all
    might as well be made before the first is looked at. On SQLite nothing changes.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL parallel_setup_cost = 100; SET LOCAL enable_hashagg = off"))
