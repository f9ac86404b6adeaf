"""Make the inbox's tables, and bring older ones up to date.

A row in ``paysafer_schema`` says which version the tables are of. Tables of a later
version are left alone: this release does not know what they mean. To older ones
:mod:`.completing` adds what they lack; then the steps run that change what is in them. One
worker at a time does this, and each step once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from .completing import complete, lacking, name_of
from .errors import InboxUnavailableError
from .schema import SCHEMA_VERSION, Tables

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


def make_or_check_tables(engine: Engine, tables: Tables) -> None:
    """Make the tables of a SQLite file; elsewhere ``init-db`` does, and this only checks.

    :raises InboxUnavailableError: for tables that are missing, old or of a later version.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            is_current = _is_current(connection, tables)
        if not is_current:
            make_tables(engine, tables)
    else:
        check_tables(engine, tables)


def _is_current(connection: Connection, tables: Tables) -> bool:
    names = inspect(connection).get_table_names()
    if not {table.name for table in tables.all()} <= set(names):
        return False
    return _version(connection, tables) == SCHEMA_VERSION


def check_tables(engine: Engine, tables: Tables, *, steps: Mapping[int, Step] = STEPS) -> None:
    """Refuse tables that are missing, old or of a later version.

    Tables that Flask-Migrate or ``create_all`` made have no version row yet, and after
    an upgrade by migration an old one: where nothing is lacking, and no step has to
    change what is in them, the row is set.

    :raises InboxUnavailableError: with the cure in its message.
    """
    with engine.connect() as connection:
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


def _set_version(engine: Engine, tables: Tables, version: int | None) -> None:
    try:
        with engine.begin() as connection:
            if version is None:
                connection.execute(insert(tables.schema), {"id": 1, "version": SCHEMA_VERSION})
            else:
                connection.execute(update(tables.schema).values(version=SCHEMA_VERSION))
    except IntegrityError:
        pass  # another worker, starting at the same time, has just set it
