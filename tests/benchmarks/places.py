"""Databases to measure on: made for one run, dropped after it."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from .findings import Unavailable

POSTGRESQL = "PAYSAFER_TEST_POSTGRESQL_URL"
_DEFAULT = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@contextmanager
def sqlite() -> Iterator[str]:
    """Give the URL of a file that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="paysafer-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'bench.sqlite'}"


@contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of an empty database.

    :raises Unavailable: if no server answers.
    """
    server = make_url(os.environ.get(POSTGRESQL) or _DEFAULT)
    name = f"paysafer_bench_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        raise Unavailable(f"no PostgreSQL answers at {POSTGRESQL}") from None
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


PLACES = {"SQLite": sqlite, "PostgreSQL": postgresql}
"""The databases by the names that findings give them."""
