"""Databases for tests, each uniquely named and dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import create_engine, make_url, text

from .services import require_service

Kind = Literal["sqlite", "postgresql", "mariadb"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql", "mariadb")

_VARIABLES = {
    "postgresql": "PAYSAFER_TEST_POSTGRESQL_URL",
    "mariadb": "PAYSAFER_TEST_MYSQL_URL",
}


@contextmanager
def fresh_database(kind: Kind, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database, or skip the test where no server answers."""
    name = f"paysafer_test_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield f"sqlite:///{folder / name}.sqlite"
        return
    server = require_service(_VARIABLES[kind])
    _administer(server, *_made(kind, name))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        _administer(server, f"DROP DATABASE {name}{force}")


def _made(kind: Kind, name: str) -> list[str]:
    made = [f"CREATE DATABASE {name}"]
    if kind == "postgresql":
        # Tests kill processes, not machines: no commit has to wait for the disk.
        made.append(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return made


def _administer(server: str, *statements: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
