"""The merchant's database objects, as Flask-SQLAlchemy or Flask-SQLAlchemy-Lite give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Engine, MetaData

from .schema import Tables, tables_in

_UNATTACHED = MetaData()


def tables_of(db: Any) -> Tables:
    """Put the inbox's tables into the metadata of ``db`` and return them.

    Flask-SQLAlchemy-Lite has no metadata of its own: for Alembic to see the tables,
    call ``tables_in(Model.metadata)`` from :mod:`flask_paysafer.inbox`.
    """
    metadata = getattr(db, "metadata", None)
    return tables_in(metadata if isinstance(metadata, MetaData) else _UNATTACHED)


def engine_of(db: Any, app: Flask) -> Callable[[], Engine]:
    """Return a function that gives the merchant's default engine."""

    def open_engine() -> Engine:
        with app.app_context():
            engine: Engine = db.engine
            return engine

    return open_engine
