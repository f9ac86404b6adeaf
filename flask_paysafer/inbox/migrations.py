"""Make the inbox's tables, and bring those of earlier versions up to date.

A row in ``paysafer_schema`` holds the tables' version. :data:`STEPS` lead from each version
to the next. Every step can be interrupted and run again: MariaDB commits every change of a
table at once, so a step looks whether a change was made already. SQLite adds no constraint
to a table that is there: the table is made anew and filled with the old one's rows.

Whoever changes the tables writes a step, and adds the rows of the version before to
``tests/inbox/``. Tables of a later version are left alone: this release can't know what
they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    Engine,
    ForeignKeyConstraint,
    MetaData,
    Table,
    delete,
    exists,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateColumn, CreateTable

from ..errors import InboxUnavailableError
from .merchant import Bind, beginning, connecting
from .tables import SCHEMA_VERSION, Tables

Step = Callable[[Connection, Tables], None]

_LOCK = 0x7061_7973  # any number that nobody else in the database locks
_LOCK_SECONDS = 30
_HANDLED_AS = "handled as "  # began a note in version 2


def _to_version_2(connection: Connection, tables: Tables) -> None:
    """Add the checkout, reconciliation events and replay locks."""
    _add_columns(connection, tables.event.c.replay_locked_until)
    _add_tables(connection, tables.checkout, tables.checkout_attempt, tables.fact)


def _to_version_3(connection: Connection, tables: Tables) -> None:
    """Add subscriptions, local events and expiry; have the database hold what a state implies."""
    _add_tables(
        connection,
        tables.wakeup,
        tables.subscription,
        tables.subscription_period,
        tables.saved_card,
    )
    event, checkout, attempt = tables.event, tables.checkout, tables.checkout_attempt
    _add_columns(
        connection,
        *(event.c.stopped_at, event.c.sequence, event.c.handled_as, event.c.amount_refunded),
        *(checkout.c.payment_id, checkout.c.closed_at, checkout.c.due_at),
        *(checkout.c.expires_at, checkout.c.expired_at),
        *(attempt.c.updated_at, attempt.c.held_until, attempt.c.misses, attempt.c.refunded),
    )
    _drop_index(connection, event, "paysafer_event_unfinished")
    _separate_stopped_from_due(connection, event)
    _move_notes_on_reconciliation(connection, event)
    for table in (tables.failure, tables.delivery):
        is_there = exists().where(event.c.key == table.c.event_key)
        connection.execute(delete(table).where(~is_there))
    _take_any_alphabet(connection, tables.failure.c.error)
    for table in (event, tables.failure, tables.delivery, checkout):
        _hold(connection, table)


STEPS: Mapping[int, Step] = {2: _to_version_2, 3: _to_version_3}
"""By the version that each leads to."""


def _separate_stopped_from_due(connection: Connection, event: Table) -> None:
    stopped = event.c.state.in_(("failed", "quarantined"))
    connection.execute(
        update(event)
        .where(stopped, event.c.stopped_at.is_(None))
        .values(stopped_at=func.coalesce(event.c.finished_at, event.c.received_at))
    )
    is_due = event.c.state.in_(("pending", "processing"))
    connection.execute(
        update(event).where(is_due, event.c.due_at.is_(None)).values(due_at=event.c.received_at)
    )
    not_due = event.c.state.not_in(("pending", "processing"))
    connection.execute(
        update(event).where(not_due, event.c.due_at.is_not(None)).values(due_at=None)
    )


def _move_notes_on_reconciliation(connection: Connection, event: Table) -> None:
    name = func.substr(event.c.note, len(_HANDLED_AS) + 1)
    is_such = event.c.note.startswith(_HANDLED_AS, autoescape=True)
    # One after the other: MariaDB would take the new note for the name.
    connection.execute(
        update(event).where(is_such, event.c.handled_as.is_(None)).values(handled_as=name)
    )
    connection.execute(update(event).where(is_such).values(note=None))


# What steps are made of. Each does nothing where it was done.


def _add_tables(connection: Connection, *tables: Table) -> None:
    for table in tables:
        table.create(connection, checkfirst=True)


def _add_columns(connection: Connection, *columns: Column[Any]) -> None:
    for column in columns:
        table = column.table
        known = inspect(connection).get_columns(table.name, schema=table.schema)
        if column.name not in {found["name"] for found in known}:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            _alter(connection, table, f"ADD COLUMN {definition}")


def _drop_index(connection: Connection, table: Table, name: str) -> None:
    if name in _names(inspect(connection).get_indexes(table.name, schema=table.schema)):
        prepare = connection.dialect.identifier_preparer
        quoted = prepare.quote(name)
        if connection.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql(f"DROP INDEX {quoted} ON {prepare.format_table(table)}")
        else:
            schema = f"{prepare.quote_schema(table.schema)}." if table.schema else ""
            connection.exec_driver_sql(f"DROP INDEX {schema}{quoted}")


def _take_any_alphabet(connection: Connection, column: Column[Any]) -> None:
    if connection.dialect.name in ("mysql", "mariadb"):
        definition = CreateColumn(column).compile(dialect=connection.dialect)
        _alter(connection, column.table, f"MODIFY COLUMN {definition}")


def _hold(connection: Connection, table: Table) -> None:
    """Add the table's indices, checks and foreign keys."""
    lacking = list(_lacking_constraints(connection, table))
    if lacking and connection.dialect.name == "sqlite":
        _make_anew(connection, table)
    else:
        compiler = connection.dialect.ddl_compiler(connection.dialect, None)  # type: ignore[arg-type]  # as SQLAlchemy does to show a constraint
        for constraint in lacking:
            _alter(connection, table, f"ADD {compiler.process(constraint)}")
    known = _names(inspect(connection).get_indexes(table.name, schema=table.schema))
    for index in sorted(table.indexes, key=_name_of):
        if index.name not in known:
            index.create(connection)


def _lacking_constraints(connection: Connection, table: Table) -> Iterator[Constraint]:
    inspector = inspect(connection)
    known = _names(inspector.get_check_constraints(table.name, schema=table.schema))
    known |= _names(inspector.get_foreign_keys(table.name, schema=table.schema))
    for constraint in sorted(table.constraints, key=_name_of):
        is_such = isinstance(constraint, (CheckConstraint, ForeignKeyConstraint))
        if is_such and constraint.name not in known:
            yield constraint


def _make_anew(connection: Connection, table: Table) -> None:
    """Make a SQLite table with its constraints, and move the rows."""
    for index in inspect(connection).get_indexes(table.name):
        _drop_index(connection, table, str(index["name"]))
    columns: list[Column[Any]] = [Column(column.name) for column in table.columns]
    old = Table(f"{table.name}_old", MetaData(), *columns)
    _alter(connection, table, f"RENAME TO {old.name}")
    connection.execute(CreateTable(table))
    connection.execute(insert(table).from_select(table.columns.keys(), select(*columns)))
    old.drop(connection)


def _alter(connection: Connection, table: Table, change: str) -> None:
    name = connection.dialect.identifier_preparer.format_table(table)
    connection.execute(text(f"ALTER TABLE {name} {change}"))


def _names(found: Any) -> set[str]:
    return {one["name"] for one in found}


def _name_of(thing: Any) -> str:
    return str(thing.name)


def make_tables(
    engine: Engine,
    tables: Tables,
    *,
    steps: Mapping[int, Step] = STEPS,
    target: int = SCHEMA_VERSION,
) -> list[str]:
    """Make what is missing, upgrade what is old; say what was done, one line each.

    Any number of workers may do this at once: one does it, the others wait.

    :raises InboxUnavailableError: for tables of a later version.
    """
    with _alone(engine) as connection:
        version = _version(connection, tables)
        _refuse_future(version or 0, target)
        if not _is_there(connection, tables.event):
            tables.event.metadata.create_all(connection, tables=tables.all())
            _set_version(connection, tables, target)
            return [f"made the tables (version {target})"]
        if version is None:
            # Made by create_all or a migration, maybe of an earlier release: steps that were
            # done change nothing.
            version = 1
            tables.schema.create(connection, checkfirst=True)
        for step in range(version + 1, target + 1):
            if step in steps:
                steps[step](connection, tables)
            _set_version(connection, tables, step)
    return [f"upgraded the tables to version {step}" for step in range(version + 1, target + 1)]


def _version(connection: Connection, tables: Tables) -> int | None:
    if not _is_there(connection, tables.schema):
        return None
    version: int | None = connection.scalar(select(tables.schema.c.version))
    return version


def _is_there(connection: Connection, table: Table) -> bool:
    return inspect(connection).has_table(table.name, schema=table.schema)


def _set_version(connection: Connection, tables: Tables, version: int) -> None:
    if connection.execute(update(tables.schema).values(version=version)).rowcount == 0:
        connection.execute(insert(tables.schema), {"id": 1, "version": version})


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


def make_or_check_tables(bind: Bind, tables: Tables) -> None:
    """Make the tables of a SQLite file; elsewhere ``init-db`` does, and this only checks.

    :raises InboxUnavailableError: for tables that are missing, old or of a later version.
    """
    if bind.dialect.name != "sqlite":
        check_tables(bind, tables)
        return
    with connecting(bind) as connection:
        is_current = _version(connection, tables) == SCHEMA_VERSION
    if not is_current:
        make_tables(bind.engine, tables)


def check_tables(bind: Bind, tables: Tables) -> None:
    """Refuse tables that are missing, old or of a later version.

    Tables that Flask-Migrate or ``create_all`` made have no version row yet: it is set, if
    they have all that this release needs.

    :raises InboxUnavailableError: with the cure in its message.
    """
    with connecting(bind) as connection:
        version = _version(connection, tables)
        _refuse_future(version or 0, SCHEMA_VERSION)
        missing = _first_missing(connection, tables)
    if missing is not None:
        raise InboxUnavailableError(
            f"The inbox's tables are not all there (no {missing}). Run `flask paysafer "
            "init-db`, or, where Flask-Migrate makes them, `flask db migrate` and "
            "`flask db upgrade`."
        )
    if version is None:
        _set_first_version(bind, tables)
    elif version < SCHEMA_VERSION:
        raise InboxUnavailableError(
            f"The inbox's tables are of version {version}, and this release of flask-paysafer "
            f"needs {SCHEMA_VERSION}. Run `flask paysafer init-db`."
        )


def _first_missing(connection: Connection, tables: Tables) -> str | None:
    """Return the name of a table or column that is not there."""
    inspector = inspect(connection)
    for table in tables.all():
        if not inspector.has_table(table.name, schema=table.schema):
            return table.name
        known = _names(inspector.get_columns(table.name, schema=table.schema))
        for column in table.columns:
            if column.name not in known:
                return f"{table.name}.{column.name}"
    return None


def _set_first_version(bind: Bind, tables: Tables) -> None:
    try:
        with beginning(bind) as connection:
            connection.execute(insert(tables.schema), {"id": 1, "version": SCHEMA_VERSION})
    except IntegrityError:
        pass  # another worker, starting at the same time, has just set it
