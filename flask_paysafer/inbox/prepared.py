"""Statements that every delivery needs, compiled once and handed to the driver as text.

SQLAlchemy keeps compiled statements, but to find one again and to go through its
parameters takes longer than SQLite takes to run it; so does what it makes of the result,
and SQLite's driver, which has no lost connection to be looked after, is asked directly.
This is for statements whose values drivers take and give as they are: text, numbers,
bytes, booleans and None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from sqlalchemy import CompoundSelect, Connection, Delete, Insert, Select, Update
from sqlalchemy.sql.dml import UpdateBase

Statement = Insert | Update | Delete | Select[Any] | CompoundSelect[Any]


class _Compiled(NamedTuple):
    text: str
    fixed: dict[str, Any]
    """The values that the statement itself holds."""
    order: list[str] | None
    """The parameters' names, where the driver counts them."""
    is_direct: bool
    """Whether the driver is asked, and not SQLAlchemy."""


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
        values = {**compiled.fixed, **row}
        if compiled.order is None:
            return connection.exec_driver_sql(compiled.text, values)
        counted = tuple([values[name] for name in compiled.order])
        if compiled.is_direct:
            return self._ask_driver(connection, compiled.text, counted)
        return connection.exec_driver_sql(compiled.text, counted)

    def _ask_driver(self, connection: Connection, text: str, values: tuple[Any, ...]) -> _Result:
        if self._writes and not connection.in_transaction():
            connection.begin()  # as SQLAlchemy does by itself, or its commit() would do nothing
        result: _Result = connection.connection.cursor().execute(text, values)
        return result

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        compiled: Any = self._statement.compile(connection, column_keys=[*names])
        fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        is_direct = connection.dialect.driver == "pysqlite"
        found = _Compiled(str(compiled), fixed, compiled.positiontup, is_direct)
        self._compiled[names] = found
        return found
