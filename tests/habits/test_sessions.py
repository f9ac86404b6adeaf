"""What the matrix can't show: when listeners run, where rows go, what is left as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event, select, text
from sqlalchemy.orm import Session

from flask_paysafer import Event
from tests.databases import KINDS, Kind, fresh_database

from .shop import Shop

OpenShop = Callable[..., Shop]


@pytest.fixture(
    params=[KINDS[0], *(pytest.param(k, marks=pytest.mark.services) for k in KINDS[1:])]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def open_shop(kind: Kind, tmp_path: Path) -> Iterator[OpenShop]:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(kind, tmp_path))

        def open_one(**options: Any) -> Shop:
            shop = Shop(url, tmp_path, **options)
            stack.callback(shop.close)
            return shop

        yield open_one


def test_after_commit_listeners_run_when_it_is_committed(open_shop: OpenShop) -> None:
    shop = open_shop()
    seen: list[list[str]] = []
    event.listen(shop.db.session, "after_commit", lambda _: seen.append(shop.effects()))

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.flush()

    assert shop.deliver() == 200
    assert seen == [["a"]]
    assert shop.event_state() == "done"


def test_after_rollback_listeners_run_when_the_handler_fails(open_shop: OpenShop) -> None:
    shop = open_shop()
    undone: list[str] = []
    event.listen(shop.db.session, "after_rollback", lambda _: undone.append("undone"))

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.flush()
        raise LookupError

    assert shop.deliver() == 500
    assert undone == ["undone"]


def test_sessions_are_as_before_once_the_handler_is_done(open_shop: OpenShop) -> None:
    shop = open_shop()
    kept: list[Session] = []

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        with shop.app.app_context():
            session = Session(shop.db.engine)
        session.connection()
        kept.append(session)

    assert shop.deliver() == 200
    session = kept[0]
    assert session.join_transaction_mode == "conditional_savepoint"
    assert not {"commit", "close"} & vars(session).keys()
    session.execute(text("SELECT 1"))
    session.rollback()
    session.close()


def test_connections_go_back_to_the_pool(open_shop: OpenShop) -> None:
    shop = open_shop()
    outcome = ["done"]

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.commit()
        if outcome[0] == "failed":
            raise LookupError

    assert shop.deliver("evt_1") == 200
    outcome[0] = "failed"
    assert shop.deliver("evt_2") == 500
    with shop.app.app_context():
        assert shop.db.engine.pool.checkedout() == 0


def test_sessions_outside_of_handlers_are_left_alone(open_shop: OpenShop) -> None:
    shop = open_shop()
    with shop.app.app_context():
        shop.add("a")
        shop.session.commit()
        assert "commit" not in vars(shop.session())
    assert shop.effects() == ["a"]


def test_second_database_is_committed_with_the_first(open_shop: OpenShop, tmp_path: Path) -> None:
    metadata = MetaData()
    audit = Table(
        "audit", metadata, Column("id", Integer, primary_key=True), Column("what", String)
    )
    other = create_engine(f"sqlite:///{tmp_path / 'audit.sqlite'}")
    metadata.create_all(other)

    class BoundSession(FlaskSession):
        def get_bind(
            self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
        ) -> Any:
            if clause is not None and getattr(clause, "table", None) is audit:
                return other
            return super().get_bind(mapper=mapper, clause=clause, bind=bind, **kwargs)

    shop = open_shop(session_options={"class_": BoundSession})
    healthy = [False]

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.execute(audit.insert().values(what="a"))
        shop.session.commit()
        if not healthy[0]:
            raise LookupError

    def audited() -> list[str]:
        with other.connect() as connection:
            return list(connection.scalars(select(audit.c.what)))

    assert shop.deliver() == 500
    assert (shop.effects(), audited()) == ([], [])
    healthy[0] = True
    assert shop.deliver() == 200
    assert (shop.effects(), audited()) == (["a"], ["a"])
    other.dispose()


def test_two_phase_session_commits_two_databases(open_shop: OpenShop, kind: Kind) -> None:
    if kind != "mariadb":
        pytest.skip("PostgreSQL's prepared transactions are off by default, SQLite has none")
    with fresh_database(kind, Path()) as url:
        other = create_engine(url)
        audit = Table("audit", MetaData(), Column("id", Integer, primary_key=True))
        audit.create(other)

        class BoundSession(FlaskSession):
            def get_bind(
                self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
            ) -> Any:
                if clause is not None and getattr(clause, "table", None) is audit:
                    return other
                return super().get_bind(mapper=mapper, clause=clause, bind=bind, **kwargs)

        shop = open_shop(session_options={"class_": BoundSession, "twophase": True})

        @shop.paysafer.on("payment.completed")
        def handler(_: Event) -> None:
            shop.add("a")
            shop.session.execute(audit.insert().values(id=7))
            shop.session.commit()

        assert shop.deliver() == 200
        assert shop.effects() == ["a"]
        with other.connect() as connection:
            assert connection.scalars(select(audit.c.id)).all() == [7]
        other.dispose()


def test_tenants_schema_is_the_sessions_alone(open_shop: OpenShop, kind: Kind) -> None:
    class TenantSession(FlaskSession):
        def get_bind(
            self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
        ) -> Any:
            engine = super().get_bind(mapper=mapper, clause=clause, bind=bind, **kwargs)
            return engine.execution_options(schema_translate_map={None: tenant})

    tenant = {"sqlite": "tenant", "postgresql": "tenant", "mariadb": "paysafer_test_tenant"}[kind]
    shop = open_shop(session_options={"class_": TenantSession})
    with shop.app.app_context():
        engine = shop.db.engine
    if kind == "sqlite":

        @event.listens_for(engine, "connect")
        def attach(connection: Any, _: Any) -> None:
            connection.execute(f"ATTACH '{shop.folder / 'tenant.sqlite'}' AS tenant")

    with engine.begin() as connection:
        if kind != "sqlite":
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {tenant}"))
        connection.execute(text(f"DROP TABLE IF EXISTS {tenant}.effect"))
        key = "SERIAL PRIMARY KEY" if kind == "postgresql" else "INTEGER PRIMARY KEY"
        key += " AUTO_INCREMENT" if kind == "mariadb" else ""
        connection.execute(text(f"CREATE TABLE {tenant}.effect (id {key}, what VARCHAR(200))"))

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.commit()
        shop.add("b")

    try:
        assert shop.deliver() == 200
        with engine.connect() as connection:
            found = connection.execute(text(f"SELECT what FROM {tenant}.effect ORDER BY id"))
            assert found.scalars().all() == ["a", "b"]
    finally:
        if kind == "mariadb":
            with engine.begin() as connection:
                connection.execute(text(f"DROP SCHEMA {tenant}"))
    assert shop.effects() == []
    assert (shop.executions(), shop.event_state()) == (1, "done")


def test_lost_connection_is_loud_and_written_once(
    open_shop: OpenShop, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop()
    lost = [True]

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        shop.add("a")
        shop.session.commit()
        if lost[0]:
            shop.session.connection().connection.driver_connection.close()
            lost[0] = False

    with caplog.at_level(logging.ERROR):
        assert shop.deliver() in (500, 503)
    assert shop.effects() == []
    assert shop.deliver() == 200
    assert shop.effects() == ["a"]


ERRORS = {
    "NUL": "before\x00after",
    "lone surrogate": "before\ud800after",
    "Arabic": "\u0641\u0634\u0644 \u0627\u0644\u062f\u0641\u0639",
    "beyond the first plane": "\U0001f4a5",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("text_of_error", ERRORS.values(), ids=ERRORS)
def test_any_text_of_an_error_is_stored_and_the_batch_goes_on(
    open_shop: OpenShop, text_of_error: str
) -> None:
    shop = open_shop()

    @shop.paysafer.on("payment.completed", name="a")
    def failing(_: Event) -> None:
        raise ValueError(text_of_error)

    @shop.paysafer.on("payment.completed", name="b")
    def good(event: Event) -> None:
        shop.add(event.id)

    assert shop.deliver() == 500
    assert shop.event_state() == "failed"
    assert shop.effects() == ["evt_1"]
    [stored] = shop.errors()
    assert stored.startswith("ValueError")
    story = shop.state.inbox.browser.story("evt_1")
    assert story is not None
