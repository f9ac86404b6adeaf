"""Flask-Migrate makes the inbox's tables with the shop's own, and finds nothing left to do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_paysafer import PaySafer
from tests.test_extension import SECRET, deliver, event


@pytest.fixture
def shop(empty_url: str, tmp_path: Path) -> Iterator[Flask]:
    """A shop that keeps its inbox in its own, still empty, database."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(PAYSAFER_WEBHOOK_SECRET=SECRET, SQLALCHEMY_DATABASE_URI=empty_url)
    db = SQLAlchemy(app)
    paysafer = PaySafer(app, db=db)
    paysafer.on("payment.completed", name="fulfil")(lambda event: None)
    flask_migrate.Migrate(app, db, directory=str(tmp_path / "migrations"))
    with app.app_context():
        yield app
        db.engine.dispose()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Alembic's own configuration of logging would silence the tests that follow."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


# Flask-Migrate's own env.py asks Flask-SQLAlchemy in the old way.
@pytest.mark.filterwarnings("ignore:'get_engine' is deprecated:DeprecationWarning")
def test_migrations_make_the_tables_and_leave_nothing_to_do(shop: Flask, tmp_path: Path) -> None:
    assert deliver(shop, event())[0] == 503
    flask_migrate.init()
    flask_migrate.migrate(message="PaySafer")
    flask_migrate.upgrade()
    assert deliver(shop, event()) == (200, {"received": True})
    flask_migrate.migrate(message="nothing")
    assert len(list(tmp_path.glob("migrations/versions/*.py"))) == 1
