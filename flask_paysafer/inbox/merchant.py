"""Find where the merchant's database is spoken to: their engine, or a test's own connection.

A test suite may hold all that its tests do in one transaction, and roll that back: it puts a
connection in the engine's place, makes the engine hand out one connection, or binds the
session to one. The inbox then works on that connection too, in savepoints. On another one it
would wait for locks that are held until the test ends.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine, MetaData, Transaction
from sqlalchemy.orm import Session, scoped_session

from .tables import Tables, tables_in

Bind = Engine | Connection

_UNATTACHED = MetaData()


def tables_of(db: Any) -> Tables:
    """Put the inbox's tables into the metadata of ``db`` and return them.

    Flask-SQLAlchemy-Lite has no metadata of its own: for Alembic to see the tables,
    call ``tables_in(Model.metadata)`` from :mod:`flask_paysafer.inbox`.
    """
    metadata = getattr(db, "metadata", None)
    return tables_in(metadata if isinstance(metadata, MetaData) else _UNATTACHED)


def current_session(db: Any) -> Session:
    """Return the session of the current app context, from either extension.

    :param db: Flask-SQLAlchemy's object or Flask-SQLAlchemy-Lite's.
    """
    found = db.session
    session: Session = found() if isinstance(found, scoped_session) else found
    return session


class MerchantBind:
    """Finds the merchant's default engine, or the connection that a test put in its place."""

    def __init__(self, db: Any, app: Flask) -> None:
        self._db = db
        self._app = app
        self._engines: MutableMapping[Any, Bind] | None = None

    def __call__(self) -> Bind:
        """Return it as it is now: a test's fixtures come and go."""
        bound = self._bound_session()
        if bound is not None:
            return bound
        if self._engines is None:
            with self._app.app_context():
                self._engines = self._db.engines
        engines = self._engines
        return engines[None] if None in engines else engines["default"]

    def _bound_session(self) -> Connection | None:
        """Return the connection that the session's factory was given, if it uses it."""
        session = vars(self._db).get("session")
        if not isinstance(session, scoped_session):
            return None
        options = getattr(session.session_factory, "kw", {})
        if not isinstance(options.get("bind"), Connection):
            return None
        # Flask-SQLAlchemy's own class of sessions does not look at its bind: ask it.
        found = session.session_factory().get_bind()
        return found if isinstance(found, Connection) else None


@contextmanager
def connecting(bind: Bind) -> Iterator[Connection]:
    """Give a connection: a new one, or the test's own, which stays open."""
    if isinstance(bind, Connection):
        yield bind
    else:
        with bind.connect() as connection:
            yield connection


@contextmanager
def beginning(bind: Bind) -> Iterator[Connection]:
    """Give a connection in a transaction, or in a savepoint of the test's own transaction."""
    with connecting(bind) as connection, begin_on(connection):
        yield connection


def begin_on(connection: Connection) -> Transaction:
    """Begin a transaction, or a savepoint where one is under way."""
    return connection.begin_nested() if connection.in_transaction() else connection.begin()
