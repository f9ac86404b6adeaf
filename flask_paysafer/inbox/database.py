"""One database as the inbox uses it: transactions, and one error for all that can be wrong.

Rule of this file: whatever a driver raises leaves it as
:class:`~flask_paysafer.inbox.errors.InboxUnavailableError`, without parameters, for
they hold payloads.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Engine, literal_column
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.sql.dml import Insert, ReturningInsert

from .errors import InboxUnavailableError
from .schema import Tables


class Database:
    """The inbox's engine and tables.

    :param open_engine: Called once, when the database is first used.
    :param prepare: Called once with the engine: makes or checks the tables.
    :param is_own: The engine was made for the inbox alone, so that its
        connections may be tuned; False for the merchant's.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        tables: Tables,
        *,
        prepare: Callable[[Engine, Tables], None],
        is_own: bool,
    ) -> None:
        self.tables = tables
        self.is_own = is_own
        self._open_engine = open_engine
        self._prepare = prepare
        self._opened: Engine | None = None
        self._ready: Engine | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine, with the tables made or checked."""
        return self._ready or self._get_ready()

    def _get_ready(self) -> Engine:
        with self._lock:
            if self._ready is None:
                engine = self._open()
                with translated_errors():
                    self._prepare(engine, self.tables)
                self._ready = engine
            return self._ready

    @property
    def unprepared_engine(self) -> Engine:
        """The engine as it is, for making the tables."""
        with self._lock:
            return self._open()

    def _open(self) -> Engine:
        if self._opened is None:
            with translated_errors():
                self._opened = self._open_engine()
        return self._opened

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``."""
        return self.engine.dialect.name

    @property
    def has_one_writer(self) -> bool:
        """Whether a handler may be SQLite's only writer: then nobody may wait to write."""
        return self.dialect == "sqlite" and not self.is_own

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection whose work is committed at the end, or not at all."""
        with translated_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def single_write(self) -> Iterator[Connection]:
        """Give a connection for exactly one statement that is committed as it is carried out.

        On PostgreSQL that is one trip to the server where a transaction takes three.
        """
        if self.dialect != "postgresql":
            with self.transaction() as connection:
                yield connection
            return
        with translated_errors(), self._direct.connect() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading."""
        engine = self._direct if self.dialect == "postgresql" else self.engine
        with translated_errors(), engine.connect() as connection:
            yield connection

    @cached_property
    def _direct(self) -> Engine:
        # Shares the engine's pool; psycopg changes the mode without asking the server.
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def relaxed(self, statement: Insert) -> Insert | ReturningInsert[Any]:
        """Return the statement as :meth:`relaxed_write` is to carry it out."""
        if self.dialect != "postgresql":
            return statement
        # Said in the statement itself, it holds for its own commit and saves three trips.
        return statement.returning(literal_column("set_config('synchronous_commit', 'off', true)"))

    @contextmanager
    def relaxed_write(self) -> Iterator[Connection]:
        """Give a connection for one statement that a power cut may undo: good to know, no more.

        On the merchant's own SQLite engine it is an ordinary one: without a write-ahead
        log, weaker synchronisation could damage the file.
        """
        if not (self.dialect == "sqlite" and self.is_own):
            with self.single_write() as connection:
                yield connection
            return
        with translated_errors(), self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
            try:
                yield connection
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql("PRAGMA synchronous = FULL")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what a database raises into :class:`InboxUnavailableError`."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _unavailable(error) from None
    except PoolTimeoutError:
        raise InboxUnavailableError(
            "No connection to the inbox's database became free in time. "
            "Raise its pool size, or run fewer threads per worker."
        ) from None


_NOT_SET_UP = re.compile(
    r"no such (table|column)|(relation|column) .* does not exist|Table .* doesn't exist"
)
"""What SQLite, PostgreSQL and MariaDB say of tables; of a role or database they say it alike."""


def _unavailable(error: DBAPIError) -> InboxUnavailableError:
    text = str(error.orig).partition("\n")[0]
    if _NOT_SET_UP.search(text):
        return InboxUnavailableError(
            f"The inbox's tables are not all there ({text}). Run `flask paysafer init-db`, "
            "or, where Flask-Migrate makes them, `flask db migrate` and `flask db upgrade`."
        )
    return InboxUnavailableError(
        f"The inbox's database can't be used: {type(error.orig).__name__}: {text}"
    )
