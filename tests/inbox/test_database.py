from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, event, select, text

from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.database import Database
from flask_paysafer.inbox.statements import Prepared
from flask_paysafer.inbox.tables import tables_in

from .conftest import UrlOf, open_engine

OWN = "the inbox's own"


@pytest.fixture(params=[OWN, "READ COMMITTED", "AUTOCOMMIT"])
def engine(request: pytest.FixtureRequest, url_of: UrlOf) -> Iterator[Engine]:
    """The inbox's own engine for PostgreSQL, or a merchant's in the mode it was made with."""
    url = url_of("postgresql")
    is_own = request.param == OWN
    made = open_engine(url) if is_own else create_engine(url, isolation_level=request.param)
    yield made
    made.dispose()


@pytest.fixture
def database(engine: Engine) -> Database:
    return database_on(engine)


def database_on(engine: Engine) -> Database:
    return Database(lambda: engine, tables_in(MetaData()), prepare=lambda *_: None)


only_own = pytest.mark.parametrize("engine", [OWN], indirect=True)


def mode(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]


def test_a_connection_goes_back_to_the_merchant_in_the_mode_that_it_came_in(
    engine: Engine, database: Database
) -> None:
    before = mode(engine)
    with database.single_write() as connection:
        connection.execute(text("SELECT 1"))
    assert mode(engine) == before


def test_it_does_so_where_the_statement_fails(engine: Engine, database: Database) -> None:
    before = mode(engine)
    with pytest.raises(InboxUnavailableError), database.single_write() as connection:
        connection.execute(text("SELECT nothing"))
    assert mode(engine) == before


def test_each_statement_is_committed_as_it_is_carried_out(
    url_of: UrlOf, database: Database
) -> None:
    key = {"event_key": -1, "handler": "here", "fence": 1, "attempt": 1, "done_at": 0}
    run = database.tables.handler_run
    other = create_engine(url_of("postgresql"))
    with database.connected() as connection, other.connect() as elsewhere:
        connection.execute(run.insert(), key)
        found = elsewhere.execute(run.delete().where(run.c.event_key == -1)).rowcount
        elsewhere.commit()
    other.dispose()
    assert found == 1


def test_a_connection_that_the_server_ended_is_the_inbox_s_own_error_and_the_next_one_is_new(
    url_of: UrlOf, engine: Engine, database: Database
) -> None:
    with engine.connect() as connection:
        ended = connection.scalar(text("SELECT pg_backend_pid()"))
    end(url_of, ended)
    with pytest.raises(InboxUnavailableError), database.connected() as connection:
        connection.execute(text("SELECT 1"))
    with database.connected() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_connection_that_is_ended_in_use_is_not_given_to_anybody_else(
    url_of: UrlOf, database: Database
) -> None:
    def lose() -> None:
        with database.connected() as connection:
            end(url_of, connection.scalar(text("SELECT pg_backend_pid()")))
            connection.execute(text("SELECT 1"))

    with pytest.raises(InboxUnavailableError):
        lose()
    with database.connected() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


@only_own
def test_a_connection_that_the_driver_knows_to_be_closed_is_the_inbox_s_own_error(
    engine: Engine, database: Database
) -> None:
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    driver.close()
    with pytest.raises(InboxUnavailableError), database.connected():
        pass
    with database.connected() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_one_lost_connection_tells_of_all_that_were_lost_with_it(
    url_of: UrlOf, engine: Engine, database: Database
) -> None:
    """After a restart of the server one delivery is refused, not one for each connection."""
    with engine.connect() as one, engine.connect() as two, engine.connect() as three:
        pids = [each.scalar(text("SELECT pg_backend_pid()")) for each in (one, two, three)]
    for pid in pids:
        end(url_of, pid)
    look = Prepared(select(database.tables.schema.c.version))

    def ask() -> None:
        with database.connected() as connection:
            look.first(connection, {})

    with pytest.raises(InboxUnavailableError):
        ask()
    for _ in range(3):
        ask()


@only_own
def test_nobody_gets_a_connection_that_was_interrupted(engine: Engine, database: Database) -> None:
    def stop() -> None:
        with database.connected():
            raise SystemExit

    with engine.connect() as connection:
        before = connection.scalar(text("SELECT pg_backend_pid()"))
    with pytest.raises(SystemExit):
        stop()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != before


@pytest.mark.parametrize("moment", ["connect", "checkout"])
def test_a_merchant_s_listener_may_leave_a_transaction_open(url_of: UrlOf, moment: str) -> None:
    """Such as one that sets a time limit for every connection."""
    engine = create_engine(url_of("postgresql"), pool_size=1, max_overflow=0, pool_timeout=1)
    database = database_on(engine)

    def limit(driver: Any, *_: object) -> None:
        driver.execute("SET statement_timeout = 5000")

    event.listen(engine, moment, limit)
    run = database.tables.handler_run
    key = {"event_key": -2, "handler": moment, "fence": 1, "attempt": 1, "done_at": 0}
    with database.single_write() as connection:
        connection.execute(run.insert(), key)
    engine.dispose()
    other = create_engine(url_of("postgresql"))
    with other.begin() as elsewhere:
        found = elsewhere.execute(run.delete().where(run.c.event_key == -2)).rowcount
    other.dispose()
    assert found == 1


def test_a_file_s_mode_that_can_t_be_put_back_is_an_error_and_its_connection_is_given_up(
    tmp_path: Path,
) -> None:
    made = open_engine(f"sqlite:///{tmp_path / 'inbox.sqlite'}")
    database = database_on(made)

    def write() -> None:
        with database.connected() as connection, database.committing_relaxed(connection):
            driver: Any = connection.connection.dbapi_connection
            driver.close()

    with pytest.raises(InboxUnavailableError):
        write()
    with database.connected() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
    made.dispose()


def test_after_a_commit_that_a_power_cut_may_undo_the_next_one_is_durable_again(
    tmp_path: Path,
) -> None:
    made = open_engine(f"sqlite:///{tmp_path / 'inbox.sqlite'}")
    database = database_on(made)
    look = text("PRAGMA synchronous")
    with database.connected() as connection:
        with database.committing_relaxed(connection):
            relaxed = connection.scalar(look)
        with database.committing(connection):
            durable = connection.scalar(look)
    made.dispose()
    assert (relaxed, durable) == (1, 2)


def end(url_of: UrlOf, backend: Any) -> None:
    other = create_engine(url_of("postgresql"), isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
    other.dispose()
