"""Ask the driver of one of the inbox's own engines, past SQLAlchemy's execution.

What SQLAlchemy does beside it is done here: a transaction begins with the first
statement, a driver's error becomes SQLAlchemy's, and nobody gets a lost connection again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

OWN = "flask_paysafer_own"
"""The execution option of engines that were made for the inbox alone."""

Answer = TypeVar("Answer")


def ask_driver(
    connection: Connection, text: str, values: Any, take: Callable[[Any], Answer]
) -> Answer:
    """Run a statement by the driver's own cursor, in the connection's transaction.

    :param take: Takes the answer from the cursor: SQLite is not done before.
    :raises DBAPIError: as SQLAlchemy raises what the driver does.
    """
    if not connection.in_transaction():
        connection.begin()  # as SQLAlchemy does by itself, or its commit() would do nothing
    cursor: Any = None
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, values)
        return take(cursor)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _seen_to(connection, cursor, error, text) from error
    except OSError as error:  # pg8000 lets a lost connection's through
        connection.invalidate(error)
        raise OperationalError(text, None, error, hide_parameters=True) from error
    except BaseException as stop:
        if not isinstance(stop, Exception):
            connection.invalidate(stop)  # whoever gets it next would get this answer
        raise


def _seen_to(connection: Connection, cursor: Any, error: Any, text: str) -> BaseException:
    """Do with a driver's error as SQLAlchemy does, and return its own for it."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
    if is_lost:
        connection.invalidate(error)
        connection.engine.dispose()  # the others in the pool were lost with it
    told: BaseException = DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return told
