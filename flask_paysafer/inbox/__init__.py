"""The inbox: stores every event once, and knows what became of it.

Nothing here loads SQLAlchemy before an inbox is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .records import STATES, Claim, Recorded, State

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import MetaData

    from ..config import Config
    from .store import Inbox
    from .tables import Tables

__all__ = [
    "STATES",
    "Claim",
    "Recorded",
    "State",
    "add_tables",
    "open_inbox",
]


def open_inbox(config: Config, app: Flask, *, db: Any = None) -> Inbox:
    """Return the inbox of one extension in one app. No database is touched yet.

    :param db: The merchant's Flask-SQLAlchemy object; the inbox then lives in its
        database. None: the inbox has one of its own.
    :raises ConfigurationError: for a setting that can't be used.
    """
    from .engine import open_inbox as really_open

    return really_open(config, app, db=db)


def add_tables(metadata: MetaData) -> Tables:
    """Put the inbox's tables into ``metadata``, so that migrations see them.

    Flask-SQLAlchemy's own metadata gets them from ``PaySafer(db=db)``. With
    Flask-SQLAlchemy-Lite call this with ``Model.metadata``.
    """
    from .tables import tables_in

    return tables_in(metadata)
