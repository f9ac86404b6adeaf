"""Where the tests find servers that may be absent: one environment variable each.

A missing server skips with the variable's name in the reason. With ``CI=true``
it fails instead, so that a green run in CI has tested everything.
"""

from __future__ import annotations

import os
import shutil
import socket
from urllib.parse import urlsplit

import pytest

DEFAULTS = {
    "PAYSAFER_TEST_POSTGRESQL_URL": "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    "PAYSAFER_TEST_MYSQL_URL": "mysql+pymysql://root@127.0.0.1:3306/mysql",
    "PAYSAFER_TEST_REDIS_URL": "redis://127.0.0.1:6379/15",
    "PAYSAFER_TEST_RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:5672//",
}
BROWSER = "PAYSAFER_TEST_CHROMIUM"


def require_service(variable: str) -> str:
    """Return the server's URL, or skip the test where nothing listens there."""
    url = os.environ.get(variable) or DEFAULTS[variable]
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 0), 2).close()
    except OSError as error:
        _missing(f"no server answers at {variable} (default on loopback): {error}")
    return url


def require_chromium() -> str:
    """Return the path of a Chromium, or skip the test where there is none."""
    path = os.environ.get(BROWSER) or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        _missing(f"no Chromium found; set {BROWSER} to its path")
        raise AssertionError
    return path


def require_program(name: str) -> str:
    """Return the path of a program, or skip the test where it is not installed."""
    path = shutil.which(name)
    if path is None:
        _missing(f"{name} is not installed")
        raise AssertionError
    return path


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
