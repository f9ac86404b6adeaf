"""Statements that every delivery needs, compiled once and handed to the driver as text.

SQLAlchemy keeps compiled statements, but to find one again and to go through its
parameters takes longer than SQLite takes to run it. This is for statements whose values
drivers take and give as they are: text, numbers, bytes, booleans and None.

On the inbox's own engines the driver is asked past SQLAlchemy's execution, which takes as
long again. A merchant's engine may have listeners, modes and a pool that only SQLAlchemy
looks after, so there it is asked as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Connection, CursorResult, Delete, Insert, Select, Update

from .driver import OWN, ask_driver

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
        if "schema_translate_map" in options:
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
    return OWN in options and "schema_translate_map" not in options


def _count(cursor: Any) -> int:
    count: int = cursor.rowcount
    return count


def _fetch(cursor: Any) -> Any:
    return cursor.fetchall()
