"""Find what the inbox's tables lack beside what this release uses, and add it.

It goes by what is there, not by a list of changes: however old the tables are, and
wherever an upgrade was interrupted (MariaDB commits every change of a table at once), what
is lacking is added once. Columns that a later version brings can therefore be null or have a
default of the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Inspector,
    Table,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateColumn

from ..errors import InboxUnavailableError
from .merchant import Bind, beginning, connecting
from .tables import SCHEMA_VERSION, Tables

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


# Make the inbox's tables, and bring older ones up to date.
#
# A row in ``paysafer_schema`` says which version the tables are of. Tables of a later
# version are left alone: this release does not know what they mean. To older ones
# :mod:`.completing` adds what they lack; then the steps run that change what is in them. One
# worker at a time does this, and each step once.


Step = Callable[[Connection, Tables], None]

STEPS: Mapping[int, Step] = {}
"""By the version that each leads to: how rows change. It can be interrupted and run again."""

_LOCK = 0x7061_7973  # any number that nobody else in the database locks
_LOCK_SECONDS = 30


def make_tables(
    engine: Engine,
    tables: Tables,
    *,
    steps: Mapping[int, Step] = STEPS,
    target: int = SCHEMA_VERSION,
) -> list[str]:
    """Make what is missing, upgrade what is old; say what was done, one line each.

    Any number of workers may do this at once.

    :raises InboxUnavailableError: for tables of a later version.
    """
    with _alone(engine) as connection:
        known = inspect(connection).get_table_names(schema=tables.event.schema)
        version = _version(connection, tables) if tables.schema.name in known else None
        _refuse_future(version or 0, target)
        is_empty = not {table.name for table in tables.all()} & set(known)
        done = complete(connection, tables)
        if version is None:
            connection.execute(insert(tables.schema), {"id": 1, "version": target})
            made = [f"made the tables (version {target})"]
            return made if is_empty else [*done, *made]
        return done + _upgrade(connection, tables, version, target, steps)


def _upgrade(
    connection: Connection, tables: Tables, version: int, target: int, steps: Mapping[int, Step]
) -> list[str]:
    for step in range(version + 1, target + 1):
        if step in steps:
            steps[step](connection, tables)
        connection.execute(update(tables.schema).values(version=step))
    return [f"upgraded the tables to version {step}" for step in range(version + 1, target + 1)]


def _version(connection: Connection, tables: Tables) -> int | None:
    version: int | None = connection.scalar(select(tables.schema.c.version))
    return version


def _refuse_future(version: int, target: int) -> None:
    if version > target:
        raise InboxUnavailableError(
            f"The inbox's tables are of version {version}, and this release of flask-paysafer "
            f"knows versions up to {target}. Install the release that made them, or a later one."
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that no other worker's runs beside."""
    with engine.connect() as connection:
        dialect = engine.dialect.name
        if dialect == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        else:
            _lock_by_name(connection)
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if dialect not in ("sqlite", "postgresql"):
                connection.execute(text("SELECT RELEASE_LOCK('paysafer_schema')"))


def _lock_by_name(connection: Connection) -> None:
    taken = connection.scalar(text(f"SELECT GET_LOCK('paysafer_schema', {_LOCK_SECONDS})"))
    if taken != 1:
        raise InboxUnavailableError(
            f"Another process has been making the inbox's tables for {_LOCK_SECONDS} seconds. "
            "Try again when it is done."
        )


def make_or_check_tables(engine: Bind, tables: Tables) -> None:
    """Make the tables of a SQLite file; elsewhere ``init-db`` does, and this only checks.

    :raises InboxUnavailableError: for tables that are missing, old or of a later version.
    """
    if engine.dialect.name == "sqlite":
        with connecting(engine) as connection:
            is_current = _is_current(connection, tables)
        if not is_current:
            make_tables(engine.engine, tables)
    else:
        check_tables(engine, tables)


def _is_current(connection: Connection, tables: Tables) -> bool:
    names = inspect(connection).get_table_names()
    if not {table.name for table in tables.all()} <= set(names):
        return False
    return _version(connection, tables) == SCHEMA_VERSION


def check_tables(engine: Bind, tables: Tables, *, steps: Mapping[int, Step] = STEPS) -> None:
    """Refuse tables that are missing, old or of a later version.

    Tables that Flask-Migrate or ``create_all`` made have no version row yet, and after
    an upgrade by migration an old one: where nothing is lacking, and no step has to
    change what is in them, the row is set.

    :raises InboxUnavailableError: with the cure in its message.
    """
    with connecting(engine) as connection:
        found = lacking(connection, tables)
        has_version = all(thing is not tables.schema for thing in found)
        version = _version(connection, tables) if has_version else None
    _refuse_future(version or 0, SCHEMA_VERSION)
    if found:
        raise InboxUnavailableError(
            f"The inbox's tables are not all there (no {name_of(found[0])}). Run `flask paysafer "
            "init-db`, or, where Flask-Migrate makes them, `flask db migrate` and "
            "`flask db upgrade`."
        )
    _refuse_past(version, steps)
    if version != SCHEMA_VERSION:
        _set_version(engine, tables, version)


def _refuse_past(version: int | None, steps: Mapping[int, Step]) -> None:
    if version is not None and any(version < step <= SCHEMA_VERSION for step in steps):
        raise InboxUnavailableError(
            f"What is in the inbox's tables is of version {version}, and this release of "
            f"flask-paysafer needs {SCHEMA_VERSION}. Run `flask paysafer init-db`."
        )


def _set_version(engine: Bind, tables: Tables, version: int | None) -> None:
    try:
        with beginning(engine) as connection:
            if version is None:
                connection.execute(insert(tables.schema), {"id": 1, "version": SCHEMA_VERSION})
            else:
                connection.execute(update(tables.schema).values(version=SCHEMA_VERSION))
    except IntegrityError:
        pass  # another worker, starting at the same time, has just set it
