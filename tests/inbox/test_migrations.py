"""Tables are made once by any number of workers, upgraded, and refused from the future."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, MetaData, inspect, text, update

from flask_paysafer import PaySafer
from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.migrations import check_tables, make_or_check_tables, make_tables
from flask_paysafer.inbox.tables import SCHEMA_VERSION, Tables, tables_in
from flask_paysafer.state import get_state
from tests.databases import Kind
from tests.test_extension import SECRET, deliver

from .conftest import UrlOf, open_engine
from .version_1 import BODIES, make_version_1


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


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A database whose tables the code of version 1 made, with its rows in them."""
    engine = open_engine(empty_url)
    make_version_1(engine)
    engine.dispose()
    return empty_url


def shape_of(engine: Engine, tables: Tables) -> dict[str, object]:
    """Return what the database says of its tables."""
    inspector = inspect(engine)
    return {
        table.name: (
            sorted(column["name"] for column in inspector.get_columns(table.name)),
            sorted(
                (str(index["name"]), index["column_names"])
                for index in inspector.get_indexes(table.name)
            ),
        )
        for table in tables.all()
    }


class TestDatabaseOfVersion1:
    """A shop that comes from version 1 goes on where it was."""

    @pytest.fixture
    def engine(self, old_url: str) -> Iterator[Engine]:
        """An engine for the old database."""
        made = open_engine(old_url)
        yield made
        made.dispose()

    def test_is_upgraded_once_to_what_a_new_one_is(
        self, engine: Engine, tables: Tables, url_of: UrlOf
    ) -> None:
        assert make_tables(engine, tables) == [
            "added the column paysafer_event.visited_until",
            "added the column paysafer_event.sequence",
            "made the index paysafer_event_sequence",
            "made the index paysafer_event_unfinished",
            "made the table paysafer_checkout",
            "made the table paysafer_checkout_attempt",
            "made the table paysafer_fact",
            "made the table paysafer_subscription",
            "made the table paysafer_subscription_period",
            "made the table paysafer_saved_card",
            "upgraded the tables to version 2",
            "upgraded the tables to version 3",
        ]
        assert make_tables(engine, tables) == []
        kind: Kind = "mariadb" if engine.dialect.name == "mysql" else engine.dialect.name  # type: ignore[assignment]
        new = open_engine(url_of(kind))
        assert shape_of(engine, tables) == shape_of(new, tables)
        new.dispose()

    def test_is_refused_until_it_is_upgraded_but_for_a_file_which_upgrades_itself(
        self, engine: Engine, tables: Tables
    ) -> None:
        if engine.dialect.name == "sqlite":
            make_or_check_tables(engine, tables)
        else:
            with pytest.raises(InboxUnavailableError, match="flask paysafer init-db"):
                make_or_check_tables(engine, tables)
            make_tables(engine, tables)
        check_tables(engine, tables)

    def test_what_was_done_stays_done_and_what_was_not_goes_on(
        self, old_url: str, tmp_path: Path
    ) -> None:
        paysafer, seen = PaySafer(), list[tuple[str, str]]()
        for name in ("fulfil", "mail"):
            paysafer.on("payment.*", name=name)(
                lambda event, name=name: seen.append((name, event.id))
            )
        app = Flask("shop", instance_path=str(tmp_path))
        app.config.update(PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_URL=old_url)
        paysafer.init_app(app)
        result = app.test_cli_runner().invoke(args=["paysafer", "init-db"])
        assert "Inbox: upgraded the tables to version 3.\n" in result.stdout

        answers = [deliver(app, body.encode()) for body in BODIES.values()]

        assert answers == [
            (200, {"received": True, "duplicate": True}),
            (200, {"received": True}),
            (200, {"received": True, "ignored": True}),
        ]
        assert seen == [("mail", "evt_failed")]
        get_state(app).inbox.database.engine.dispose()


def test_interrupted_upgrade_goes_on_where_it_was(old_url: str, tables: Tables) -> None:
    """MariaDB commits every change of a table at once, also those of an upgrade that fails."""
    engine = open_engine(old_url)
    with engine.begin() as connection:
        tables.checkout.create(connection)

    assert "upgraded the tables to version 2" in make_tables(engine, tables)
    check_tables(engine, tables)
    engine.dispose()


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION])
def test_whatever_is_lacking_is_added(engine: Engine, tables: Tables, version: int) -> None:
    make_tables(engine, tables)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE paysafer_fact"))
        connection.execute(text("ALTER TABLE paysafer_handler_run DROP COLUMN skipped"))
        connection.execute(update(tables.schema).values(version=version))

    done = make_tables(engine, tables)

    assert done[:2] == [
        "added the column paysafer_handler_run.skipped",
        "made the table paysafer_fact",
    ]
    check_tables(engine, tables)


def test_rows_that_a_step_has_to_change_are_refused_until_it_ran(
    engine: Engine, tables: Tables
) -> None:
    make_tables(engine, tables)
    with engine.begin() as connection:
        connection.execute(update(tables.schema).values(version=SCHEMA_VERSION - 1))

    def change(connection: Connection, tables: Tables) -> None:
        connection.execute(update(tables.event).values(note="changed"))

    steps = {SCHEMA_VERSION: change}
    with pytest.raises(InboxUnavailableError, match="Run `flask paysafer init-db`"):
        check_tables(engine, tables, steps=steps)
    make_tables(engine, tables, steps=steps)
    check_tables(engine, tables, steps=steps)


def test_several_extensions_share_one_set_of_tables() -> None:
    metadata = MetaData()

    assert tables_in(metadata) == tables_in(metadata)
    assert len(metadata.tables) == len(tables_in(metadata).all())
