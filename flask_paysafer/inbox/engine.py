"""Make the inbox's own engine, where the merchant's is not used.

SQLite gets a write-ahead log and full synchronisation: after a commit the row
survives a power cut, and readers don't wait for the writer.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import URL, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ..config import Config
from ..errors import ConfigurationError, InboxUnavailableError
from .database import Database, once
from .encryption import Seal
from .merchant import MerchantBind, tables_of
from .migrations import check_tables, make_or_check_tables
from .statements import OWN, is_read_only
from .store import Inbox
from .tables import tables_in

BUSY_SECONDS = 5.0
"""How long a SQLite writer waits for another before the answer is 503."""

CONNECT_SECONDS = 5
"""How long a database server may take to accept a connection before the answer is 503."""

_WAIT_ARGUMENTS = {
    "pysqlite": "timeout",
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
}
"""What each driver calls the longest wait; others keep their own."""

FILE_NAME = "paysafer-inbox.sqlite"
"""The default file in the instance folder."""


def own_engine(
    url: str | None,
    *,
    instance_path: str,
    setting: str,
    options: Mapping[str, Any] | None = None,
) -> Engine:
    """Return an engine for ``url``, by default a SQLite file in the instance folder.

    :param setting: The setting's name, for messages.
    :param options: More for :func:`sqlalchemy.create_engine`; they win over ours.
    """
    parsed = _parse(url, setting) if url else _default_url(instance_path)
    engine = _create(parsed, setting, options or {})
    event.listen(engine, "checkout", _ping_if_idle)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "handle_error", _drop_read_only)
    if engine.dialect.name == "sqlite":
        _make_file(parsed)
        event.listen(engine, "connect", _tune_sqlite)
    _survive_fork(engine)
    return engine


def _parse(url: str, setting: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise InboxUnavailableError(
            f"{setting} is not a database URL. Write it like "
            "postgresql+psycopg://user:password@host/database or sqlite:////path/file.sqlite."
        ) from None


def _default_url(instance_path: str) -> URL:
    return URL.create("sqlite", database=str(Path(instance_path) / FILE_NAME))


def _create(url: URL, setting: str, given: Mapping[str, Any]) -> Engine:
    options = {"hide_parameters": True, **_pool(url), **given}
    options["execution_options"] = {**given.get("execution_options", {}), OWN: True}
    try:
        options["connect_args"] = _connect_arguments(url) | given.get("connect_args", {})
        return create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise InboxUnavailableError(
            f"{setting} names a database whose driver is not installed ({error}). Begin it with "
            'postgresql+psycopg:// and run pip install "flask-paysafer[postgresql]", or with '
            'mysql+pymysql:// and run pip install "flask-paysafer[mysql]".'
        ) from None


def _is_in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _pool(url: URL) -> dict[str, Any]:
    """Let all threads use one connection in turn where each would see a database of its own."""
    if not _is_in_memory(url):
        return {}
    return {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}


def _connect_arguments(url: URL) -> dict[str, Any]:
    if url.get_driver_name() == "psycopg" and url.get_backend_name() == "postgresql":
        # A prepared statement belongs to one server connection, and behind PgBouncer in
        # transaction mode each transaction may be on another.
        return {"prepare_threshold": None, **_patience(url)}
    return _patience(url)


def _patience(url: URL) -> dict[str, Any]:
    """Bound the wait for a database that does not answer; the URL's own word stands."""
    if _is_in_memory(url):
        return {"check_same_thread": False}
    driver = url.drivername.partition("+")[2] or url.get_driver_name()
    argument = _WAIT_ARGUMENTS.get(driver)
    if argument is None or argument in url.query:
        return {}
    return {argument: BUSY_SECONDS if argument == "timeout" else CONNECT_SECONDS}


def _make_file(url: URL) -> None:
    """Make the file, for its owner alone to read; SQLite gives its log the same mode."""
    if _is_in_memory(url) or str(url.database).startswith("file:"):
        return
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InboxUnavailableError(
            f"The folder of the inbox's SQLite file can't be made: {error.strerror}"
        ) from None
    with suppress(OSError):  # what is wrong with the file, the first statement says
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


_IDLE_SECONDS = 1.0
"""After how long without use a connection is tried before it is used again."""

_USED_AT = "flask_paysafer_used_at"


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ping_if_idle(driver: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Have the pool replace a connection that was cut while nothing used it.

    Under load none is idle for long, and no webhook pays for this.
    """
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < _IDLE_SECONDS or driver is None:
        return
    try:
        cursor = driver.cursor()
        cursor.execute("SELECT 1")
        cursor.fetchall()
        cursor.close()
        driver.rollback()
    except Exception as error:
        raise DisconnectionError("The idle connection was cut.") from error


def _drop_read_only(context: ExceptionContext) -> None:
    """Take a server that has become a follower for a lost connection: the leader is another."""
    if is_read_only(context.original_exception):
        context.is_disconnect = True


def _tune_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA fullfsync = ON")


def _patiently(act: Callable[[], object]) -> None:
    # SQLite does not wait by itself while two processes switch a new file to the log.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            act()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _survive_fork(engine: Engine) -> None:
    """Let a forked worker open connections of its own; the parent keeps its."""
    known = weakref.ref(engine)

    def forget_connections() -> None:
        forked = known()
        if forked is not None:
            forked.dispose(close=False)

    os.register_at_fork(after_in_child=forget_connections)


# Put an inbox together from the settings.


def open_inbox(config: Config, app: Flask, *, db: Any = None) -> Inbox:
    """See :func:`flask_paysafer.inbox.open_inbox`."""
    return Inbox(
        _own(config, app) if db is None else _merchants(config, app, db),
        account=config.name,
        lease=config.lease,
        seal=Seal(config.inbox_encryption_keys),
        claims_on_receipt=config.dispatch == "inline",
        profile=config.profile,
    )


def _merchants(config: Config, app: Flask, db: Any) -> Database:
    if config.inbox_url is not None:
        raise ConfigurationError(
            f"{config.setting('INBOX_URL')} is set, and PaySafer(db=…) was given a database too. "
            "The inbox lives in one of them: drop the setting, or drop db=."
        )
    return Database(MerchantBind(db, app), tables_of(db), prepare=check_tables)


def _own(config: Config, app: Flask) -> Database:
    def open_engine() -> Engine:
        return own_engine(
            config.inbox_url,
            instance_path=app.instance_path,
            setting=config.setting("INBOX_URL"),
            options=config.inbox_engine_options,
        )

    return Database(once(open_engine), tables_in(MetaData()), prepare=make_or_check_tables)
