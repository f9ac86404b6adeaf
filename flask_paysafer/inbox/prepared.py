"""Statements that every delivery needs, compiled once and handed to the driver as text.

SQLAlchemy keeps compiled statements, but to find one again and to go through its
parameters takes longer than SQLite takes to run it, and so does what it makes of the
result. This is for statements whose values drivers take and give as they are: text,
numbers, bytes, booleans and None.

What listens to an engine's execution events does not hear of them; everything else is as
with SQLAlchemy: transactions, errors, and what becomes of a lost connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from sqlalchemy import CompoundSelect, Connection, Delete, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase

Statement = Insert | Update | Delete | Select[Any] | CompoundSelect[Any]


class _Compiled(NamedTuple):
    text: str
    fixed: dict[str, Any]
    """The values that the statement itself holds."""
    order: list[str] | None
    """The parameters' names, where the driver counts them."""


class _Result(Protocol):
    """What SQLAlchemy's results and the driver's cursors have in common."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> Any: ...


class Prepared:
    """One statement of one database."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._writes = isinstance(statement, UpdateBase)
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def change(self, connection: Connection, row: Mapping[str, Any]) -> int:
        """Run the statement with the parameters in ``row``; return how many rows it changed."""
        return self._run(connection, row).rowcount

    def first(self, connection: Connection, row: Mapping[str, Any]) -> Any:
        """Run the statement with the parameters in ``row``; return the first row, or None."""
        found = self._run(connection, row).fetchall()
        return found[0] if found else None

    def _run(self, connection: Connection, row: Mapping[str, Any]) -> _Result:
        if "schema_translate_map" in connection.get_execution_options():
            # Tenants kept apart by schema: only SQLAlchemy knows whose turn it is.
            return connection.execute(self._statement, row)
        names = tuple(row)
        compiled = self._compiled.get(names) or self._compile(connection, names)
        values: Any = {**compiled.fixed, **row}
        if compiled.order is not None:
            values = tuple([values[name] for name in compiled.order])
        if self._writes and not connection.in_transaction():
            connection.begin()  # as SQLAlchemy does by itself, or its commit() would do nothing
        return ask_driver(connection, compiled.text, values)

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        compiled: Any = self._statement.compile(connection, column_keys=[*names])
        fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        found = _Compiled(str(compiled), fixed, compiled.positiontup)
        self._compiled[names] = found
        return found


def ask_driver(connection: Connection, text: str, values: Any) -> _Result:
    """Run a statement by the driver's own cursor, in the connection's transaction.

    :raises SQLAlchemyError: as SQLAlchemy raises what the driver does.
    """
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(text, values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _seen_to(connection, cursor, error, text) from error
    result: _Result = cursor
    return result


def _seen_to(connection: Connection, cursor: Any, error: Any, text: str) -> BaseException:
    """Do with a driver's error as SQLAlchemy does, and return its own for it."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
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
