"""The database's own clock in SQL: UTC milliseconds.

Leases are compared between hosts whose clocks differ; the one clock they share is
the database's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import BigInteger, Connection, Engine, Table, insert, literal_column
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, ReturningInsert
from sqlalchemy.sql.functions import FunctionElement

from ..errors import ConfigurationError, InboxUnavailableError
from .merchant import Bind, begin_on, beginning, connecting
from .statements import OWN, Prepared
from .tables import Tables


class now_ms(FunctionElement[int]):  # noqa: N801 (reads as an SQL function)
    """Milliseconds since 1970 as the database sees it."""

    name = "now_ms"
    type = BigInteger()
    inherit_cache = True


_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    # now() would be the transaction's start, which a slow handler leaves far behind.
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    # UNIX_TIMESTAMP(NOW()) goes through the session's time zone and repeats an hour in autumn.
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
}
_NOW["mariadb"] = _NOW["mysql"]


@compiles(now_ms)
def _compile(_: now_ms, compiler: SQLCompiler, **__: Any) -> str:
    dialect = compiler.dialect.name
    if dialect not in _NOW:
        raise ConfigurationError(
            f"The inbox runs on SQLite, PostgreSQL, MariaDB and MySQL, not on {dialect}."
        )
    return _NOW[dialect]


# Where the databases differ in SQL: insert-if-absent and insert-or-overwrite.


InsertAbsent = Callable[[Connection, Mapping[str, Any]], Any]
"""Insert the row and return its first key column, or None where its key is taken."""

_CONFLICT_AWARE: dict[str, Callable[[Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def insert_absent(dialect: str, table: Table, values: Mapping[str, Any]) -> InsertAbsent:
    """Return a function that inserts into ``table`` unless a unique key is taken.

    The statement is built once; ``values`` adds SQL expressions to its parameters.
    """
    if dialect not in _CONFLICT_AWARE:
        return _insert_and_see(insert(table).values(values))
    key = next(iter(table.primary_key))
    built = _CONFLICT_AWARE[dialect](table).values(values)
    # RETURNING and not rowcount, which psycopg gives as -1 after "do nothing".
    statement = Prepared(built.on_conflict_do_nothing().returning(key))

    def run(connection: Connection, row: Mapping[str, Any]) -> Any:
        added = statement.first(connection, row)
        return None if added is None else added[0]

    return run


def insert_or_overwrite(dialect: str, table: Table, values: Mapping[str, Any]) -> Insert:
    """Return the statement that inserts into ``table``, or overwrites the row with its key."""
    if dialect not in _CONFLICT_AWARE:
        built = mysql.insert(table).values(values)
        return built.on_duplicate_key_update(_but_the_key(table, built.inserted))
    inserted = _CONFLICT_AWARE[dialect](table).values(values)
    overwritten: Insert = inserted.on_conflict_do_update(
        index_elements=[*table.primary_key], set_=_but_the_key(table, inserted.excluded)
    )
    return overwritten


def _but_the_key(table: Table, new: Any) -> dict[str, Any]:
    return {column.name: new[column.name] for column in table.c if not column.primary_key}


def _insert_and_see(statement: Insert) -> InsertAbsent:
    # MariaDB's INSERT IGNORE would also ignore a value that does not fit, and MySQL has no
    # RETURNING. A refused INSERT leaves their transaction usable.
    def run(connection: Connection, row: Mapping[str, Any]) -> Any:
        try:
            result = connection.execute(statement, row)
        except IntegrityError:
            return None
        primary_key = result.inserted_primary_key
        return primary_key[0] if primary_key else None

    return run


# One database as the inbox uses it: transactions, and one error for all that can be wrong.
#
# Rule of this file: whatever a driver raises leaves it as
# :class:`~flask_paysafer.errors.InboxUnavailableError`, without parameters, for
# they hold payloads.


def once(open_engine: Callable[[], Engine]) -> Callable[[], Engine]:
    """Return a function that opens the engine with its first call, and gives it ever after."""
    lock = threading.Lock()
    opened: list[Engine] = []

    def find() -> Engine:
        if not opened:
            with lock:
                if not opened:
                    opened.append(open_engine())
        return opened[0]

    return find


class Database:
    """The inbox's engine and tables.

    :param find: Returns the engine, or the connection that a test put in its place.
    :param prepare: Called once with it: makes or checks the tables.
    """

    def __init__(
        self,
        find: Callable[[], Bind],
        tables: Tables,
        *,
        prepare: Callable[[Bind, Tables], None],
    ) -> None:
        self.tables = tables
        self._find = find
        self._prepare = prepare
        self._is_ready = False
        self._lock = threading.Lock()
        self._held_by_tests: WeakSet[Connection] = WeakSet()

    @property
    def bind(self) -> Bind:
        """The engine, with the tables made or checked, or a test's own connection."""
        bind = self._open()
        if not self._is_ready:
            with self._lock, translated_errors():
                if not self._is_ready:
                    self._prepare(bind, self.tables)
                    self._is_ready = True
        return bind

    @property
    def engine(self) -> Engine:
        """The engine, with the tables made or checked."""
        return self.bind.engine

    @property
    def unprepared_engine(self) -> Engine:
        """The engine as it is, for making the tables."""
        return self._open().engine

    def _open(self) -> Bind:
        with translated_errors():
            return self._find()

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``."""
        return self.engine.dialect.name

    @property
    def _is_own(self) -> bool:
        """Whether the engine was made for the inbox alone, so that its connections may be tuned."""
        return OWN in self.engine.get_execution_options()

    @property
    def has_one_writer(self) -> bool:
        """Whether a handler may be SQLite's only writer: then nobody may wait to write."""
        return self.dialect == "sqlite" and not self._is_own

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection whose work is committed at the end, or not at all."""
        with translated_errors(), beginning(self.bind) as connection:
            yield connection

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Give a connection to read with, and for what :meth:`committing` says.

        On PostgreSQL it commits each statement as it is carried out: one trip to the server
        where a transaction takes three. So several writes in one block are not one.
        """
        with translated_errors(), self._by_statement() as connection:
            yield connection

    @contextmanager
    def _by_statement(self) -> Iterator[Connection]:
        with connecting(self.bind) as connection:
            if connection.in_transaction():  # a test's, which holds all that is done in it
                self._held_by_tests.add(connection)
                yield connection
            elif self.dialect != "postgresql":
                yield connection
            elif self._is_own:
                with _each_committed(connection):
                    yield connection
            else:
                # Refused where a listener of the merchant's has begun a transaction: then the
                # statement is part of that, and committed with it.
                with suppress(connection.dialect.loaded_dbapi.Error):
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection

    def committing(self, connection: Connection) -> AbstractContextManager[Any]:
        """Commit the one statement of the block, on a connection from :meth:`connected`."""
        if connection in self._held_by_tests:
            return begin_on(connection)
        connection.rollback()  # what was read before has begun a transaction
        return connection.begin()

    def committing_relaxed(self, connection: Connection) -> AbstractContextManager[Any]:
        """As :meth:`committing`, for what a power cut may undo: good to know, no more.

        On the merchant's own SQLite engine it is an ordinary commit: without a write-ahead
        log, weaker synchronisation could damage the file. PostgreSQL is told by
        :meth:`relaxed`.
        """
        if self.dialect == "sqlite" and self._is_own:
            return _unsynchronised(connection)
        return self.committing(connection)

    def relaxed(self, statement: Insert) -> Insert | ReturningInsert[Any]:
        """Return the statement as :meth:`committing_relaxed` is to commit it."""
        if self.dialect != "postgresql":
            return statement
        # Said in the statement itself, it holds for its own commit and saves three trips.
        return statement.returning(literal_column("set_config('synchronous_commit', 'off', true)"))

    @contextmanager
    def single_write(self) -> Iterator[Connection]:
        """Give a connection for exactly one statement, and commit it."""
        with self.connected() as connection, self.committing(connection):
            yield connection


@contextmanager
def _each_committed(connection: Connection) -> Iterator[None]:
    """Have the driver commit each statement; every PostgreSQL driver has this switch.

    SQLAlchemy's AUTOCOMMIT turns it too, through events that cost as much as a statement.
    It is for the inbox's own engine: no listener has begun a transaction there.
    """
    before: bool = connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]
    _tell(connection, lambda driver: setattr(driver, "autocommit", True))
    try:
        yield
    except Exception:
        raise
    except BaseException as stop:
        connection.invalidate(stop)  # it may have been in the middle of a statement
        raise
    finally:
        if not connection.invalidated:
            _tell(connection, lambda driver: setattr(driver, "autocommit", before))


@contextmanager
def _unsynchronised(connection: Connection) -> Iterator[None]:
    """Begin a transaction on the inbox's own SQLite file whose commit does not wait for the disk.

    A power cut may undo it, but damages nothing.
    """
    connection.rollback()  # what was read before has begun a transaction
    # By the driver itself: through SQLAlchemy the two cost as much as the write.
    _tell(connection, lambda driver: driver.execute("PRAGMA synchronous = NORMAL"))
    try:
        with connection.begin():
            yield
    finally:
        if not connection.invalidated:
            _tell(connection, lambda driver: driver.execute("PRAGMA synchronous = FULL"))


def _tell(connection: Connection, act: Callable[[Any], object]) -> None:
    """Change the mode of the driver's connection; nobody gets it again if that fails."""
    try:
        act(connection.connection.dbapi_connection)
    except connection.dialect.loaded_dbapi.Error as error:
        connection.invalidate(error)
        raise _unavailable(error) from None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what a database raises into :class:`InboxUnavailableError`."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _unavailable(error.orig) from None
    except PoolTimeoutError:
        raise InboxUnavailableError(
            "No connection to the inbox's database became free in time. "
            "Raise its pool size, or run fewer threads per worker."
        ) from None


_NOT_SET_UP = re.compile(
    r"no such (table|column)|(relation|column) .* does not exist|Table .* doesn't exist"
)
"""What SQLite, PostgreSQL and MariaDB say of tables; of a role or database they say it alike."""


def _unavailable(error: BaseException | None) -> InboxUnavailableError:
    text = str(error).partition("\n")[0]
    if _NOT_SET_UP.search(text):
        return InboxUnavailableError(
            f"The inbox's tables are not all there ({text}). Run `flask paysafer init-db`, "
            "or, where Flask-Migrate makes them, `flask db migrate` and `flask db upgrade`."
        )
    return InboxUnavailableError(
        f"The inbox's database can't be used: {type(error).__name__}: {text}"
    )
