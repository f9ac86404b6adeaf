"""The database's own clock in SQL: UTC milliseconds.

Leases are compared between hosts whose clocks differ; the one clock they share is
the database's.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ..errors import ConfigurationError


class now_ms(FunctionElement[int]):  # noqa: N801 (reads as an SQL function)
    """Milliseconds since 1970 as the database sees it."""

    name = "now_ms"
    type = BigInteger()
    inherit_cache = True


_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    # now() would be the transaction's start, which a slow handler leaves far behind.
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    # UNIX_TIMESTAMP(NOW()) goes through the session's time zone and repeats an hour in autumn.
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
}
_NOW["mariadb"] = _NOW["mysql"]


@compiles(now_ms)
def _compile(_: now_ms, compiler: SQLCompiler, **__: Any) -> str:
    dialect = compiler.dialect.name
    if dialect not in _NOW:
        raise ConfigurationError(
            f"The inbox runs on SQLite, PostgreSQL, MariaDB and MySQL, not on {dialect}."
        )
    return _NOW[dialect]
