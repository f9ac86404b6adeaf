from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, select, text

from flask_paysafer.inbox.database import Database
from flask_paysafer.inbox.errors import InboxUnavailableError
from flask_paysafer.inbox.prepared import Prepared
from flask_paysafer.inbox.schema import tables_in

from .conftest import UrlOf


@pytest.fixture(params=["READ COMMITTED", "AUTOCOMMIT"])
def engine(request: pytest.FixtureRequest, url_of: UrlOf) -> Iterator[Engine]:
    """A merchant's PostgreSQL engine, of one connection, in the mode that it was made with."""
    made = create_engine(
        url_of("postgresql"), isolation_level=request.param, pool_size=1, max_overflow=0
    )
    yield made
    made.dispose()


@pytest.fixture
def database(engine: Engine) -> Database:
    return Database(lambda: engine, tables_in(MetaData()), prepare=lambda *_: None, is_own=False)


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


def test_one_lost_connection_tells_of_all_that_were_lost_with_it(url_of: UrlOf) -> None:
    """After a restart of the server one delivery is refused, not one for each connection."""
    made = create_engine(url_of("postgresql"), pool_size=3)
    database = Database(lambda: made, tables_in(MetaData()), prepare=lambda *_: None, is_own=True)
    with made.connect() as one, made.connect() as two, made.connect() as three:
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
    made.dispose()


def end(url_of: UrlOf, backend: Any) -> None:
    other = create_engine(url_of("postgresql"), isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
    other.dispose()
