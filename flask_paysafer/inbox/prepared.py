"""Statements that every delivery needs, compiled once and handed to the driver as text.

SQLAlchemy keeps compiled statements, but to find one again and to go through its
parameters takes longer than SQLite takes to run it. This is for statements whose
values drivers take and give as they are: text, numbers, bytes, booleans and None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Connection, CursorResult, Delete, Insert, Select, Update

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

    def execute(self, connection: Connection, row: Mapping[str, Any]) -> CursorResult[Any]:
        """Run the statement with the parameters in ``row``."""
        if "schema_translate_map" in connection.get_execution_options():
            # Tenants kept apart by schema: only SQLAlchemy knows whose turn it is.
            return connection.execute(self._statement, row)
        names = tuple(row)
        compiled = self._compiled.get(names) or self._compile(connection, names)
        values = {**compiled.fixed, **row}
        if compiled.order is None:
            return connection.exec_driver_sql(compiled.text, values)
        return connection.exec_driver_sql(
            compiled.text, tuple([values[name] for name in compiled.order])
        )

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        compiled: Any = self._statement.compile(connection, column_keys=[*names])
        fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        found = _Compiled(str(compiled), fixed, compiled.positiontup)
        self._compiled[names] = found
        return found
