from __future__ import annotations

from sqlalchemy import Integer, column, func, select
from sqlalchemy.orm import Session

from core.db.engine import make_engine
from core.db.estimates import statistics


def test_postgresql_says_how_many_rows_it_expects_without_reading_them(postgres_url):
    engine = make_engine(postgres_url)
    numbers = func.generate_series(1, 4321).table_valued(column("n", Integer())).render_derived()
    with Session(engine) as session:
        of = statistics(session)
        assert of is not None
        assert of.expected(select(numbers.c.n)) == 4321
        # Reading them would fail.
        assert of.expected(select(1 / (numbers.c.n - numbers.c.n))) == 4321
        assert of.found(select(numbers.c.n).where(numbers.c.n > 4000)) == 321
    engine.dispose()


def test_sqlite_expects_nothing(sqlite_url):
    engine = make_engine(sqlite_url)
    with Session(engine) as session:
        assert statistics(session) is None
    engine.dispose()
