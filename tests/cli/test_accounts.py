"""Whose account a command works for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from flask_paysafer import PaySafer
from flask_paysafer.cli import paysafer_cli


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(paysafer_cli, arguments)


def shop(folder: Path, *names: str) -> Flask:
    app = Flask("shop", instance_path=str(folder))
    for name in names:
        PaySafer(app, name=name)
    return app


@pytest.mark.parametrize("command", ["events stats", "init-db", "doctor --offline"])
def test_an_app_without_the_extension_is_told_how_to_join_it(tmp_path: Path, command: str) -> None:
    result = run(shop(tmp_path), *command.split())
    assert result.exit_code == 1
    assert "This app has no PaySafer extension." in result.output
    assert "Call paysafer.init_app(app)" in result.output


def test_the_only_account_need_not_be_named(tmp_path: Path) -> None:
    assert run(shop(tmp_path, "paysafer_eu"), "events", "stats").exit_code == 0


def test_an_account_that_is_not_there_is_told_from_those_that_are(tmp_path: Path) -> None:
    app = shop(tmp_path, "paysafer_eu", "paysafer_us")
    for chosen in (("--account", "paysafer_uk"), ()):
        result = run(app, *chosen, "events", "stats")
        assert result.exit_code == 1
        assert "Choose one with --account: paysafer_eu, paysafer_us." in result.output
