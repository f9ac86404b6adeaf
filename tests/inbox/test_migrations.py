"""Tables are made once by any number of workers, upgraded, and refused from the future."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, MetaData, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from flask_paysafer import PaySafer
from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.migrations import check_tables, make_or_check_tables, make_tables
from flask_paysafer.inbox.tables import SCHEMA_VERSION, Tables, tables_in
from flask_paysafer.state import get_state
from tests.databases import Kind
from tests.test_extension import SECRET, deliver

from .conftest import UrlOf, open_engine
from .past import BODIES, ROWS, VERSIONS, Version, make_past


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


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> Version:
    """An earlier version."""
    found: Version = request.param
    return found


@pytest.fixture
def old_url(empty_url: str, version: Version) -> str:
    """A database whose tables the code of an earlier version made, with its rows in them."""
    engine = open_engine(empty_url)
    make_past(engine, version)
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
            sorted(str(check["name"]) for check in inspector.get_check_constraints(table.name)),
            sorted(str(key["name"]) for key in inspector.get_foreign_keys(table.name)),
        )
        for table in tables.all()
    }


class TestDatabaseOfAnEarlierVersion:
    """A shop that comes from an earlier version goes on where it was."""

    @pytest.fixture
    def engine(self, old_url: str) -> Iterator[Engine]:
        """An engine for the old database."""
        made = open_engine(old_url)
        yield made
        made.dispose()

    def test_is_upgraded_once_to_what_a_new_one_is(
        self, engine: Engine, tables: Tables, url_of: UrlOf, version: Version
    ) -> None:
        steps = range(version + 1, SCHEMA_VERSION + 1)
        assert make_tables(engine, tables) == [
            f"upgraded the tables to version {step}" for step in steps
        ]
        assert make_tables(engine, tables) == []
        kind: Kind = "mariadb" if engine.dialect.name == "mysql" else engine.dialect.name  # type: ignore[assignment]
        new = open_engine(url_of(kind))
        assert shape_of(engine, tables) == shape_of(new, tables)
        new.dispose()

    def test_loses_nothing(self, engine: Engine, tables: Tables, version: Version) -> None:
        make_tables(engine, tables)

        with engine.connect() as connection:
            for name, rows in ROWS[version].items():
                if name == "paysafer_schema":
                    continue
                table = next(table for table in tables.all() if table.name == name)
                found = [
                    {column.name: row[column.key] for column in table.columns}
                    for row in connection.execute(
                        select(table).order_by(*table.primary_key)
                    ).mappings()
                ]
                expected = [_upgraded(row) for row in rows if row.get("event_key") != 99]
                assert len(found) == len(expected)
                for row, as_it_was in zip(found, expected, strict=True):
                    assert as_it_was.items() <= row.items()

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
        runner = app.test_cli_runner()
        result = runner.invoke(args=["paysafer", "init-db"])
        assert f"Inbox: upgraded the tables to version {SCHEMA_VERSION}.\n" in result.stdout

        known = ("evt_done", "evt_failed", "evt_ignored")
        answers = [deliver(app, BODIES[event_id].encode()) for event_id in known]
        runner.invoke(args=["paysafer", "events", "sweep"])

        assert answers == [
            (200, {"received": True, "duplicate": True}),
            (200, {"received": True}),
            (200, {"received": True, "ignored": True}),
        ]
        assert sorted(seen) == [
            ("fulfil", "evt_held"),
            ("fulfil", "evt_pending"),
            ("mail", "evt_failed"),
            ("mail", "evt_held"),
            ("mail", "evt_pending"),
        ]
        counts = get_state(app).inbox.browser.counts()
        assert (counts["failed"], counts["quarantined"], counts["pending"]) == (0, 1, 0)
        get_state(app).inbox.database.engine.dispose()

    def test_interrupted_upgrade_goes_on_where_it_was(self, engine: Engine, tables: Tables) -> None:
        """MariaDB commits every change of a table at once, also those of a step that fails."""
        with engine.begin() as connection:
            tables.checkout.create(connection, checkfirst=True)
            tables.subscription.create(connection)
            connection.execute(text("ALTER TABLE paysafer_event ADD COLUMN stopped_at BIGINT"))

        assert f"upgraded the tables to version {SCHEMA_VERSION}" in make_tables(engine, tables)
        check_tables(engine, tables)

    def test_columns_that_a_migration_added_still_want_their_rows_upgraded(
        self, engine: Engine, tables: Tables, version: Version
    ) -> None:
        make_tables(engine, tables)
        with engine.begin() as connection:
            connection.execute(update(tables.schema).values(version=version))

        with pytest.raises(InboxUnavailableError, match="Run `flask paysafer init-db`"):
            check_tables(engine, tables)
        make_tables(engine, tables)
        check_tables(engine, tables)


def _upgraded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as this version has it."""
    upgraded = dict(row)
    if row.get("state") in ("failed", "quarantined"):
        stopped_at = row["finished_at"] or row["received_at"]
        upgraded |= {"due_at": None, "stopped_at": stopped_at}
    if (row.get("note") or "").startswith("handled as "):
        upgraded |= {"note": None, "handled_as": row["note"].removeprefix("handled as ")}
    return upgraded


def test_tables_that_were_made_without_a_version_are_upgraded_too(
    engine: Engine, tables: Tables
) -> None:
    make_past(engine, 2)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE paysafer_schema"))

    make_tables(engine, tables)

    check_tables(engine, tables)


@pytest.mark.parametrize(
    "row",
    [
        {"state": "lost"},
        {"state": "pending", "due_at": None},
        {"state": "done", "due_at": 1},
        {"state": "failed", "due_at": None, "stopped_at": None},
        {"state": "processing", "due_at": 1, "stopped_at": 1},
    ],
)
def test_database_holds_what_a_state_implies(
    database_url: str, tables: Tables, row: dict[str, Any]
) -> None:
    engine = open_engine(database_url)
    stored = {
        "account": "paysafer",
        "event_id": "evt_1",
        "type": "payment.completed",
        "created": 1,
        "fence": 0,
        "attempts": 0,
        "received_at": 1,
        "digest": "",
        "encrypted": False,
        "payload": b"",
    }
    with pytest.raises((IntegrityError, OperationalError)), engine.begin() as connection:
        connection.execute(insert(tables.event), {**stored, **row})
    engine.dispose()


def test_database_holds_what_belongs_to_an_event(database_url: str, tables: Tables) -> None:
    engine = open_engine(database_url)
    row = {"event_key": 10**9, "found": "done", "delivered_at": 1}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(tables.delivery), row)
    engine.dispose()


def test_several_extensions_share_one_set_of_tables() -> None:
    metadata = MetaData()

    assert tables_in(metadata) == tables_in(metadata)
    assert len(metadata.tables) == len(tables_in(metadata).all())
