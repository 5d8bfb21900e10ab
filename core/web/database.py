"""The database session of a request."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.services.mainstem import Mainstem


class _Database(SQLAlchemy):
    """Sessions on the installation's engine, which has the settings that Mainstem relies on."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        mainstem: Mainstem = app.extensions["mainstem"]
        return mainstem.engine


# It is given no model class: the models know no web, and Flask-SQLAlchemy 3.1 cannot derive from a base that has a
# registry and a type map of its own.
db = _Database()


def session() -> Session:
    """Return this request's session, for reading; whatever writes is a service."""
    return db.session()
