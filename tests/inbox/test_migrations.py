"""Tables are made once by any number of workers, upgraded, and refused from the future."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, MetaData, inspect, text, update

from flask_paysafer.inbox.errors import InboxUnavailableError
from flask_paysafer.inbox.migrations import check_tables, make_or_check_tables, make_tables
from flask_paysafer.inbox.schema import SCHEMA_VERSION, Tables, tables_in

from .conftest import open_engine


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """An engine for the empty database."""
    made = open_engine(empty_url)
    yield made
    made.dispose()


@pytest.fixture
def tables() -> Tables:
    """The tables."""
    return tables_in(MetaData())


def test_tables_are_made_once(engine: Engine, tables: Tables) -> None:
    assert make_tables(engine, tables) == [f"made the tables (version {SCHEMA_VERSION})"]
    assert make_tables(engine, tables) == []
    check_tables(engine, tables)


def test_workers_that_start_together_all_survive(empty_url: str) -> None:
    workers = 6
    start = Barrier(workers)

    def boot(_: int) -> list[str]:
        engine = open_engine(empty_url)
        start.wait()
        try:
            return make_tables(engine, tables_in(MetaData()))
        finally:
            engine.dispose()

    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(boot, range(workers)))

    assert [len(lines) for lines in done].count(1) == 1


def test_past_version_is_upgraded_step_by_step_once(engine: Engine, tables: Tables) -> None:
    make_tables(engine, tables)
    ran: list[int] = []

    def add_colour(connection: Connection, tables: Tables) -> None:
        ran.append(1)
        connection.execute(text("ALTER TABLE paysafer_delivery ADD COLUMN colour VARCHAR(20)"))

    def add_shape(connection: Connection, tables: Tables) -> None:
        ran.append(2)
        connection.execute(text("ALTER TABLE paysafer_delivery ADD COLUMN shape VARCHAR(20)"))

    steps = {SCHEMA_VERSION + 1: add_colour, SCHEMA_VERSION + 2: add_shape}
    for _ in range(2):
        make_tables(engine, tables, steps=steps, target=SCHEMA_VERSION + 2)

    assert ran == [1, 2]
    columns = {column["name"] for column in inspect(engine).get_columns("paysafer_delivery")}
    assert {"colour", "shape"} <= columns


def test_future_version_is_refused(engine: Engine, tables: Tables) -> None:
    make_tables(engine, tables)
    with engine.begin() as connection:
        connection.execute(update(tables.schema).values(version=SCHEMA_VERSION + 1))

    for refuse in (make_tables, check_tables, make_or_check_tables):
        with pytest.raises(InboxUnavailableError, match="knows versions up to"):
            refuse(engine, tables)


def test_missing_tables_name_the_cure(engine: Engine, tables: Tables) -> None:
    with pytest.raises(InboxUnavailableError, match="flask paysafer init-db"):
        check_tables(engine, tables)


def test_tables_that_a_migration_made_are_taken_as_they_are(engine: Engine, tables: Tables) -> None:
    tables.event.metadata.create_all(engine)

    check_tables(engine, tables)

    with engine.connect() as connection:
        assert connection.execute(tables.schema.select()).one().version == SCHEMA_VERSION


def test_column_that_a_migration_forgot_is_named(engine: Engine, tables: Tables) -> None:
    tables.event.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE paysafer_handler_failure DROP COLUMN error"))

    with pytest.raises(InboxUnavailableError, match=r"no paysafer_handler_failure\.error"):
        check_tables(engine, tables)


def test_several_extensions_share_one_set_of_tables() -> None:
    metadata = MetaData()

    assert tables_in(metadata) == tables_in(metadata)
    assert len(metadata.tables) == len(tables_in(metadata).all())
