"""What a command says beside its result: no traceback, and nothing twice."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_paysafer import PaySafer
from flask_paysafer.cli import paysafer_cli
from flask_paysafer.cli.output import LOG
from tests.cli.shop import SETTINGS, KitShop

logger = logging.getLogger("flask_paysafer.webhooks.somewhere")


def run_unlogged(app: Flask, command: str, *handlers: logging.Handler) -> Result:
    """Run a command where the log has these handlers alone, and none of pytest's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", list(handlers))
        return app.test_cli_runner().invoke(args=["paysafer", *command.split()])


@pytest.fixture
def troubled(shop: KitShop, monkeypatch: pytest.MonkeyPatch) -> KitShop:
    """A shop in which something logs an error with a traceback."""

    def counts(*_: object) -> dict[str, int]:
        logger.error("Something failed", exc_info=LookupError("no such \x1b order\nsecond line"))
        return {}

    monkeypatch.setattr("flask_paysafer.inbox.queries.Browser.counts", counts)
    return shop


def test_a_logged_error_is_one_line_without_its_traceback(troubled: KitShop) -> None:
    result = run_unlogged(troubled.app, "events stats")

    assert (
        result.stderr
        == "Error: Something failed: LookupError: no such \N{REPLACEMENT CHARACTER} order\n"
    )


def test_logging_that_is_set_up_gets_everything_and_the_terminal_nothing(
    troubled: KitShop,
) -> None:
    log = logging.StreamHandler(io.StringIO())

    result = run_unlogged(troubled.app, "events stats", log)

    assert result.stderr == ""
    assert "second line" in log.stream.getvalue()


class UnspeakableError(Exception):
    """It fails at saying what it is."""

    def __str__(self) -> str:
        raise RuntimeError


class Closed(io.StringIO):
    """A terminal that has gone away."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_what_cannot_be_said_stops_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with LOG.shown():
        for stream in (io.StringIO(), Closed()):
            monkeypatch.setattr("sys.stderr", stream)
            logger.error("Something failed", exc_info=UnspeakableError())


def test_nothing_of_it_stays_behind(troubled: KitShop) -> None:
    run_unlogged(troubled.app, "events stats")

    assert logging.getLogger("flask_paysafer").handlers == []


@pytest.mark.parametrize("command", ["reconcile", "endpoints list"])
def test_an_api_that_is_away_is_one_line(command: str, tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.from_mapping(SETTINGS, PAYSAFER_API_BASE="http://127.0.0.1:9/v1")
    PaySafer(app)

    result = run_unlogged(app, command)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def _secret_key_is_publishable() -> Flask:
    app = Flask("shop")
    app.config["PAYSAFER_SECRET_KEY"] = "pk_test_kitshop12"
    PaySafer(app)
    return app


def _two_inboxes() -> Flask:
    from flask_sqlalchemy import SQLAlchemy

    app = Flask("shop")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", PAYSAFER_INBOX_URL="sqlite://")
    db = SQLAlchemy(app)
    PaySafer(app, db=db)
    return app


@pytest.mark.parametrize(
    ("create_app", "says"),
    [
        (_secret_key_is_publishable, "PAYSAFER_SECRET_KEY holds a publishable key"),
        (_two_inboxes, "PAYSAFER_INBOX_URL"),
    ],
)
@pytest.mark.parametrize(
    "command",
    ["events list", "endpoints list", "reconcile", "trigger", "init-db", "exam localhost"],
)
def test_settings_that_are_refused_are_an_error_with_its_cure(
    command: str, create_app: Callable[[], Flask], says: str
) -> None:
    info = ScriptInfo(create_app=create_app)
    result = CliRunner().invoke(paysafer_cli, command.split(), obj=info)

    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: ")
    assert says in first
    assert second == "Run `flask paysafer doctor` to have all settings looked at."
