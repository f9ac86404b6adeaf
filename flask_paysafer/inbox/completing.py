"""Find what the inbox's tables lack beside what this release uses, and add it.

It goes by what is there, not by a list of changes: however old the tables are, and
wherever an upgrade was interrupted (MariaDB commits every change of a table at once), what
is lacking is added once. Columns that a later version brings can therefore be null or have a
default of the server's.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Index, Inspector, Table, inspect, text
from sqlalchemy.schema import CreateColumn

from .schema import Tables

Lacking = Table | Column[object] | Index


def lacking(connection: Connection, tables: Tables) -> list[Lacking]:
    """Return the tables, columns and indices that are not there, or not as they should be."""
    inspector = inspect(connection)
    known = set(inspector.get_table_names(schema=tables.event.schema))
    found: list[Lacking] = []
    for table in tables.all():
        if table.name in known:
            found.extend(_lacking_columns(inspector, table))
            found.extend(_lacking_indices(inspector, table))
        else:
            found.append(table)
    return found


def _lacking_columns(inspector: Inspector, table: Table) -> Iterator[Column[object]]:
    known = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
    return (column for column in table.columns if column.name not in known)


def _lacking_indices(inspector: Inspector, table: Table) -> Iterator[Index]:
    if not table.indexes:
        return
    known = {
        found["name"]: found["column_names"]
        for found in inspector.get_indexes(table.name, schema=table.schema)
    }
    for index in sorted(table.indexes, key=name_of):
        if known.get(str(index.name)) != [column.name for column in index.columns]:
            yield index


def name_of(thing: Lacking) -> str:
    """Return what a person calls it: ``table``, ``table.column`` or the index."""
    return f"{thing.table.name}.{thing.name}" if isinstance(thing, Column) else str(thing.name)


def complete(connection: Connection, tables: Tables) -> list[str]:
    """Add what is lacking; say what was done, one line each."""
    return [_add(connection, thing) for thing in lacking(connection, tables)]


def _add(connection: Connection, thing: Lacking) -> str:
    if isinstance(thing, Table):
        thing.create(connection)
        return f"made the table {name_of(thing)}"
    if isinstance(thing, Column):
        _add_column(connection, thing)
        return f"added the column {name_of(thing)}"
    if _is_there(connection, thing):  # on other columns
        thing.drop(connection)
    thing.create(connection)
    return f"made the index {name_of(thing)}"


def _add_column(connection: Connection, column: Column[object]) -> None:
    dialect = connection.dialect
    table = dialect.identifier_preparer.format_table(column.table)
    definition = CreateColumn(column).compile(dialect=dialect)
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {definition}"))


def _is_there(connection: Connection, index: Index) -> bool:
    table = index.table
    if table is None:
        return False
    known = inspect(connection).get_indexes(table.name, schema=table.schema)
    return any(found["name"] == index.name for found in known)
