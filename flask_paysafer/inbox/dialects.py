"""Where the databases differ in SQL: insert-if-absent and insert-or-overwrite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Insert

from .prepared import Prepared

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
