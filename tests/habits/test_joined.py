"""Test suites that hold each test in one transaction: the inbox is held in it too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.orm import scoped_session, sessionmaker

from flask_paysafer import Event
from tests.databases import KINDS, Kind, fresh_database

from .habits import own_begin
from .shop import Shop

Recipe = Callable[[Shop], AbstractContextManager[None]]


@contextmanager
def engines_replaced(shop: Shop) -> Iterator[None]:
    """Put connections into db.engines, as Flask-SQLAlchemy's community has it."""
    with shop.app.app_context():
        engines = shop.db.engines
    engine = engines[None]
    connection = engine.connect()
    transaction = connection.begin()
    engines[None] = connection
    try:
        yield
    finally:
        transaction.rollback()
        connection.close()
        engines[None] = engine


@contextmanager
def session_bound(shop: Shop) -> Iterator[None]:
    """Bind the session to a connection, as SQLAlchemy's recipe has it."""
    with shop.app.app_context():
        connection = shop.db.engine.connect()
    transaction = connection.begin()
    before = shop.db.session
    factory = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")
    shop.db.session = scoped_session(factory)
    try:
        yield
    finally:
        shop.db.session.remove()
        shop.db.session = before
        transaction.rollback()
        connection.close()


@contextmanager
def session_options(shop: Shop) -> Iterator[None]:
    """Make db.session anew with the connection, as older answers have it."""
    with shop.app.app_context():
        yield from _session_options(shop)


def _session_options(shop: Shop) -> Iterator[None]:
    connection = shop.db.engine.connect()
    transaction = connection.begin()
    before = shop.db.session
    shop.db.session = shop.db._make_scoped_session({"bind": connection})
    try:
        yield
    finally:
        shop.db.session.remove()
        shop.db.session = before
        transaction.rollback()
        connection.close()


@contextmanager
def lite(shop: Shop) -> Iterator[None]:
    """Flask-SQLAlchemy-Lite's own."""
    with shop.app.app_context(), shop.db.test_isolation():
        yield


@pytest.fixture(
    params=[KINDS[0], *(pytest.param(k, marks=pytest.mark.services) for k in KINDS[1:])]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.mark.parametrize("recipe", [engines_replaced, session_bound, session_options, lite])
def test_delivery_in_a_tests_transaction_is_undone_with_it(
    recipe: Recipe, kind: Kind, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(kind, tmp_path))
        is_lite = recipe is lite
        shop = Shop(
            url, tmp_path, extension="flask-sqlalchemy-lite" if is_lite else "flask-sqlalchemy"
        )
        stack.callback(shop.close)
        if kind == "sqlite":
            own_begin(shop)  # or the driver begins a transaction with the first write alone
        runs: list[str] = []

        @shop.paysafer.on("payment.completed")
        def handler(event: Event) -> None:
            runs.append(event.id)
            shop.add(event.id)
            shop.session.commit()
            if event.id == "evt_2" and runs.count(event.id) == 1:
                raise LookupError

        # Once before, so that engine and tables are known; then in the test's transaction.
        assert shop.deliver("evt_0") == 200
        assert shop.effects() == ["evt_0"]
        with recipe(shop):
            assert shop.deliver("evt_1") == 200
            assert shop.deliver("evt_1") == 200
            assert shop.deliver("evt_2") == 500
            assert shop.deliver("evt_2") == 200
        assert runs == ["evt_0", "evt_1", "evt_2", "evt_2"]
        if recipe is not session_options:  # Flask-SQLAlchemy 3 does not look at that bind
            assert shop.effects() == ["evt_0"]
            assert shop.event_state("evt_1") == "None"
        else:
            assert shop.effects() == ["evt_0", "evt_1", "evt_2"]
        assert shop.deliver("evt_3") == 200
        assert "evt_3" in shop.effects()
