from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError

from flask_paysafer.inbox.statements import ask_driver


@pytest.fixture
def connection() -> Iterator[Connection]:
    with create_engine("sqlite://").connect() as connection:
        yield connection


def test_what_goes_wrong_while_the_answer_is_fetched_is_sqlalchemy_s_error_too(
    connection: Connection,
) -> None:
    def take(cursor: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with pytest.raises(OperationalError, match="locked"):
        ask_driver(connection, "SELECT 1", (), take)


def test_nobody_gets_a_connection_that_was_interrupted_in_a_statement(
    connection: Connection,
) -> None:
    def take(cursor: object) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        ask_driver(connection, "SELECT 1", (), take)
    assert connection.invalidated


def test_a_lost_connection_that_the_driver_has_no_error_for_is_one_of_the_database(
    connection: Connection,
) -> None:
    """As pg8000 lets the socket's own error through."""

    def take(cursor: object) -> None:
        raise ConnectionResetError("reset by peer")

    with pytest.raises(OperationalError, match="reset by peer"):
        ask_driver(connection, "SELECT 1", (), take)
    assert connection.invalidated
