from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, ProgrammingError

from flask_paysafer.inbox.statements import OWN, Prepared

THINGS = Table(
    "thing",
    MetaData(),
    Column("key", Integer, primary_key=True),
    Column("name", String(20)),
    Column("is_new", Boolean),
    Column("body", LargeBinary),
)


@pytest.fixture(params=["a merchant's engine", "the inbox's own"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    options = {OWN: True} if request.param == "the inbox's own" else {}
    engine = create_engine("sqlite://", hide_parameters=True, execution_options=options)
    with engine.connect() as connection:
        THINGS.metadata.create_all(connection)
        yield connection


def rows(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(select(THINGS))]


def test_takes_the_values_that_come_with_it_and_those_it_holds(connection: Connection) -> None:
    add = Prepared(insert(THINGS).values(name="held"))
    add.change(connection, {"key": 1, "is_new": True, "body": b"\x00\xff"})
    assert rows(connection) == [(1, "held", True, b"\x00\xff")]


def test_the_same_statement_can_be_given_other_columns(connection: Connection) -> None:
    add = Prepared(insert(THINGS))
    add.change(connection, {"key": 1, "name": "one"})
    add.change(connection, {"key": 2, "is_new": False})
    assert rows(connection) == [(1, "one", None, None), (2, None, False, None)]


def test_tells_how_many_rows_an_update_met(connection: Connection) -> None:
    connection.execute(insert(THINGS), [{"key": 1}, {"key": 2}])
    rename = Prepared(update(THINGS).where(THINGS.c.key == bindparam("k")).values(name="new"))
    assert [rename.change(connection, {"k": key}) for key in (2, 3)] == [1, 0]


def test_gives_the_first_row_back(connection: Connection) -> None:
    add = Prepared(insert(THINGS).returning(THINGS.c.key, THINGS.c.name))
    assert tuple(add.first(connection, {"name": "one"})) == (1, "one")


def test_gives_nothing_back_where_there_is_no_row(connection: Connection) -> None:
    find = Prepared(select(THINGS).where(THINGS.c.key == bindparam("k")))
    assert find.first(connection, {"k": 1}) is None


def test_is_part_of_the_transaction_that_it_is_run_in(connection: Connection) -> None:
    connection.commit()
    Prepared(insert(THINGS)).change(connection, {"key": 1})
    connection.rollback()
    assert rows(connection) == []


def test_raises_what_sqlalchemy_raises_and_quotes_no_value(connection: Connection) -> None:
    add = Prepared(insert(THINGS))
    add.change(connection, {"key": 1, "name": "secret"})
    with pytest.raises(IntegrityError) as raised:
        add.change(connection, {"key": 1, "name": "secret"})
    assert "secret" not in str(raised.value)


def test_a_driver_s_closed_connection_is_sqlalchemy_s_error_too(connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.close()
    with pytest.raises(ProgrammingError, match="closed"):
        Prepared(select(THINGS)).first(connection, {})


def test_reading_begins_a_transaction_that_can_be_ended(connection: Connection) -> None:
    connection.rollback()
    Prepared(select(THINGS)).first(connection, {})
    assert connection.in_transaction()


def test_keeps_to_the_schema_that_a_connection_is_told_to_use(connection: Connection) -> None:
    """A merchant with a schema for each tenant must not get one's rows into another's."""
    connection.execute(text("ATTACH ':memory:' AS tenant"))
    tenants = connection.execution_options(schema_translate_map={None: "tenant"})
    THINGS.metadata.create_all(tenants)
    add = Prepared(insert(THINGS))
    add.change(tenants, {"key": 7})
    assert connection.execute(text("SELECT key FROM tenant.thing")).scalars().all() == [7]
    assert connection.execute(text("SELECT key FROM main.thing")).scalars().all() == []
