"""Ask the driver of one of the inbox's own engines, past SQLAlchemy's execution.

What SQLAlchemy does beside it is done here: a transaction begins with the first
statement, a driver's error becomes SQLAlchemy's, and nobody gets a lost connection again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import CompoundSelect, Connection, CursorResult, Delete, Insert, Select, Update
from sqlalchemy.exc import DBAPIError, OperationalError

OWN = "flask_paysafer_own"
"""The execution option of engines that were made for the inbox alone."""

Answer = TypeVar("Answer")


def ask_driver(
    connection: Connection, text: str, values: Any, take: Callable[[Any], Answer]
) -> Answer:
    """Run a statement by the driver's own cursor, in the connection's transaction.

    :param take: Takes the answer from the cursor: SQLite is not done before.
    :raises DBAPIError: as SQLAlchemy raises what the driver does.
    """
    if not connection.in_transaction():
        connection.begin()  # as SQLAlchemy does by itself, or its commit() would do nothing
    cursor: Any = None
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, values)
        return take(cursor)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _seen_to(connection, cursor, error, text) from error
    except OSError as error:  # pg8000 lets a lost connection's through
        connection.invalidate(error)
        raise OperationalError(text, None, error, hide_parameters=True) from error
    except BaseException as stop:
        if not isinstance(stop, Exception):
            connection.invalidate(stop)  # whoever gets it next would get this answer
        raise


def is_read_only(error: BaseException | None) -> bool:
    """Whether a server refused to write because it is read-only, as a former leader is."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    arguments: tuple[Any, ...] = getattr(error, "args", ())
    # MySQL and MariaDB: --read-only, read-only transaction, read-only tables.
    return code == "25006" or (bool(arguments) and arguments[0] in (1290, 1792, 1836))


def _seen_to(connection: Connection, cursor: Any, error: Any, text: str) -> BaseException:
    """Do with a driver's error as SQLAlchemy does, and return its own for it."""
    dialect = connection.dialect
    is_lost = is_read_only(error) or dialect.is_disconnect(
        error, connection.connection.dbapi_connection, cursor
    )
    if is_lost:
        connection.invalidate(error)
        connection.engine.dispose()  # the others in the pool were lost with it
    told: BaseException = DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return told


# Statements that every delivery needs, compiled once and handed to the driver as text.
#
# SQLAlchemy keeps compiled statements, but to find one again and to go through its
# parameters takes longer than SQLite takes to run it. This is for statements whose values
# drivers take and give as they are: text, numbers, bytes, booleans and None.
#
# On the inbox's own engines the driver is asked past SQLAlchemy's execution, which takes as
# long again. A merchant's engine may have listeners, modes and a pool that only SQLAlchemy
# looks after, so there it is asked as ever.


Statement = Insert | Update | Delete | Select[Any] | CompoundSelect[Any]


class _Compiled(NamedTuple):
    text: str
    fixed: dict[str, Any]
    """The values that the statement itself holds."""
    order: list[str] | None
    """The parameters' names, where the driver counts them."""


class Prepared:
    """One statement of one database."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def change(self, connection: Connection, row: Mapping[str, Any]) -> int:
        """Run the statement with the parameters in ``row``; return how many rows it changed."""
        options = connection.get_execution_options()
        if _may_ask_driver(options):
            return ask_driver(connection, *self._said(connection, row), _count)
        return self._ask(connection, row, options).rowcount

    def first(self, connection: Connection, row: Mapping[str, Any]) -> Any:
        """Run the statement with the parameters in ``row``; return the first row, or None."""
        options = connection.get_execution_options()
        if _may_ask_driver(options):
            found = ask_driver(connection, *self._said(connection, row), _fetch)
        else:
            found = self._ask(connection, row, options).fetchall()
        return found[0] if found else None

    def _ask(
        self, connection: Connection, row: Mapping[str, Any], options: Mapping[str, Any]
    ) -> CursorResult[Any]:
        if options.get("schema_translate_map"):
            # Tenants kept apart by schema: only SQLAlchemy knows whose turn it is.
            return connection.execute(self._statement, row)
        return connection.exec_driver_sql(*self._said(connection, row))

    def _said(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, Any]:
        """Return text and values as the driver takes them."""
        names = tuple(row)
        compiled = self._compiled.get(names) or self._compile(connection, names)
        values = {**compiled.fixed, **row}
        if compiled.order is None:
            return compiled.text, values
        return compiled.text, tuple([values[name] for name in compiled.order])

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        compiled: Any = self._statement.compile(connection, column_keys=[*names])
        fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        found = _Compiled(str(compiled), fixed, compiled.positiontup)
        self._compiled[names] = found
        return found


def _may_ask_driver(options: Mapping[str, Any]) -> bool:
    return OWN in options and not options.get("schema_translate_map")


def _count(cursor: Any) -> int:
    count: int = cursor.rowcount
    return count


def _fetch(cursor: Any) -> Any:
    return cursor.fetchall()
