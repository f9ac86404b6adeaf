from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from flask_paysafer import PaySafer
from flask_paysafer.errors import ConfigurationError, InboxUnavailableError
from flask_paysafer.inbox import engine as engines
from flask_paysafer.inbox.database import translated_errors
from flask_paysafer.inbox.engine import _patience, own_engine
from flask_paysafer.state import get_state
from tests.databases import fresh_database
from tests.test_extension import SECRET, deliver, event


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("sqlite:///inbox.sqlite", {"timeout": 5.0}),
        ("postgresql+psycopg://db/shop", {"connect_timeout": 5}),
        ("postgresql://db/shop", {"connect_timeout": 5}),
        ("mysql+pymysql://db/shop", {"connect_timeout": 5}),
        ("postgresql+psycopg://db/shop?connect_timeout=2", {}),
        ("postgresql+pg8000://db/shop", {}),
    ],
)
def test_the_wait_for_a_silent_database_is_bounded(url: str, arguments: dict[str, float]) -> None:
    assert _patience(make_url(url)) == arguments


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///:memory:?timeout=5"])
def test_threads_share_a_database_in_memory(tmp_path: Path, url: str) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_URL=url)
    paysafer, seen = PaySafer(app), list[str]()
    paysafer.on("*", name="note")(lambda event: seen.append(event.id))
    bodies = [event(f"evt_{number}") for number in range(8)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: deliver(app, body)[0], bodies))

    assert answers == [200] * 8
    assert sorted(seen) == [f"evt_{number}" for number in range(8)]
    get_state(app).inbox.database.engine.dispose()


@pytest.mark.parametrize(
    ("text", "are_missing"),
    [
        ("no such table: paysafer_event", True),
        ('relation "paysafer_event" does not exist', True),
        ("column paysafer_event.note does not exist", True),
        ("(1146, \"Table 'shop.paysafer_event' doesn't exist\")", True),
        ('connection failed: FATAL:  role "shop" does not exist', False),
        ('connection failed: FATAL:  database "shop" does not exist', False),
    ],
)
def test_only_missing_tables_are_to_be_made(text: str, are_missing: bool) -> None:
    with pytest.raises(InboxUnavailableError) as caught, translated_errors():
        raise DBAPIError("SELECT 1", None, Exception(text))
    assert ("flask paysafer init-db" in str(caught.value)) is are_missing
    assert text in str(caught.value)


def _open(url: str, **options: object) -> Engine:
    return own_engine(url, instance_path=".", setting="PAYSAFER_INBOX_URL", options=options)


def test_files_of_sqlite_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "inbox.sqlite"
    engine = _open(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    engine.dispose()

    assert set(modes.values()) == {0o600}


def test_options_of_the_merchant_reach_the_engine(tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(
        PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_ENGINE_OPTIONS='{"pool_size": 3}'
    )
    PaySafer(app)

    engine = get_state(app).inbox.database.engine
    assert engine.pool.size() == 3  # type: ignore[attr-defined]
    engine.dispose()


@pytest.mark.parametrize("value", ["[]", "no", 1, {"isolation_level": "AUTOCOMMIT"}])
def test_options_that_are_none_are_refused(value: object) -> None:
    app = Flask("shop")
    app.config.update(PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_ENGINE_OPTIONS=value)

    with pytest.raises(ConfigurationError, match="PAYSAFER_INBOX_ENGINE_OPTIONS"):
        PaySafer(app)


@pytest.mark.services
def test_connections_cut_while_idle_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_IDLE_SECONDS", 0.0)
    with fresh_database("postgresql", tmp_path) as url:
        engine, other = _open(url), create_engine(url)
        with engine.connect(), engine.connect(), engine.connect():
            pass
        with other.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

        for _ in range(3):
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
        other.dispose()


@pytest.mark.services
def test_connections_that_became_read_only_are_dropped(tmp_path: Path) -> None:
    with fresh_database("postgresql", tmp_path) as url:
        engine = _open(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE t (x integer)"))
        with engine.connect() as connection:
            connection.execute(text("SET default_transaction_read_only = on"))
            connection.commit()

        with pytest.raises(DBAPIError, match="read-only"), engine.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (1)"))
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (2)"))
            assert connection.scalars(text("SELECT x FROM t")).all() == [2]
        engine.dispose()


def test_no_statement_is_prepared_on_a_servers_connection() -> None:
    # Behind PgBouncer in transaction mode the next one may be on another connection.
    engine = _open("postgresql+psycopg://db/shop")
    assert engines._connect_arguments(engine.url)["prepare_threshold"] is None
