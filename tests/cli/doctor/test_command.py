from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from flask import Flask

from flask_paysafer import PaySafer
from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import SETTINGS, KitShop


def test_shows_a_table_with_cause_and_cure(
    shop: KitShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path.parent))

    result = shop.run("doctor", "--offline")

    assert "warning  No handler is registered for any event." in result.output
    assert "         Why:  Events are stored as ignored" in result.output
    assert '         Hint: Register one with @paysafer.on("payment.completed")' in result.output
    assert "2 warnings, " in result.output


def test_strict_takes_warnings_for_errors(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    shop = KitShop(sandbox, tmp_path)

    assert shop.run("doctor", "--offline").exit_code == 0
    assert shop.run("doctor", "--offline", "--strict").exit_code == 1


def test_says_which_guarantee_each_handler_has(shop: KitShop) -> None:
    shop.open_for_business()

    output = shop.run("doctor", "--offline").output

    assert "fulfil: normally once; may repeat if the process dies before it is recorded." in output


def test_looks_at_every_account_unless_one_is_chosen(sandbox: Sandbox, tmp_path: Path) -> None:
    shop = KitShop(sandbox, tmp_path)
    PaySafer(name="paysafer_eu").init_app(shop.app)

    all_accounts = shop.json("doctor", "--offline")["findings"]
    one = shop.app.test_cli_runner().invoke(
        args=["paysafer", "--account", "paysafer_eu", "doctor", "--offline"]
    )

    assert {finding["account"] for finding in all_accounts} == {"paysafer", "paysafer_eu"}
    assert "PAYSAFER_EU_SECRET_KEY is not set." in one.output
    assert "PAYSAFER_WEBHOOK_SECRET" not in one.output


def test_an_unknown_account_is_a_finding(shop: KitShop) -> None:
    result = shop.app.test_cli_runner().invoke(args=["paysafer", "--account", "us", "doctor"])

    assert result.exit_code == 1
    assert "no PaySafer account called 'us'" in result.output


@pytest.mark.parametrize("url", ["shop", "http://"])
def test_an_address_that_is_none_is_a_finding(shop: KitShop, url: str) -> None:
    result = shop.run("doctor", "--url", url)

    assert result.exit_code == 1
    assert "is no address" in result.output


def test_forwarded_headers_that_nobody_heeds(shop: KitShop) -> None:
    shop.app.test_client().post("/paysafer/webhook", headers={"X-Forwarded-For": "198.51.100.1"})

    output = shop.run("doctor", "--offline").output

    assert "Deliveries come with forwarded headers, and the app does not heed them." in output


def test_forwarded_headers_that_are_heeded(tmp_path: Path) -> None:
    from werkzeug.middleware.proxy_fix import ProxyFix

    app = Flask("shop", instance_path=str(tmp_path))
    app.config.from_mapping(SETTINGS)
    PaySafer(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]

    output = app.test_cli_runner().invoke(args=["paysafer", "doctor", "--offline"]).output

    assert "The app heeds a proxy's forwarded headers." in output


def test_its_own_forgery_is_not_in_the_log(shop: KitShop, caplog: pytest.LogCaptureFixture) -> None:
    shop.run("doctor", "--offline")

    assert "refused" not in caplog.text


@pytest.mark.parametrize(("mode", "level"), [("live", "error"), ("test", "warning")])
def test_an_inbox_in_a_temporary_folder_is_worst_where_money_moves(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, level: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path.parent))
    keys = {f"PAYSAFER_{kind}_KEY": None for kind in ("SECRET", "PUBLISHABLE")}
    shop = KitShop(sandbox, tmp_path, **{**keys, "PAYSAFER_SECRET_KEY": f"sk_{mode}_kitshop12"})

    findings = shop.json("doctor", "--offline")["findings"]

    [found] = [one for one in findings if "temporary folder" in one["what"]]
    assert found["level"] == level
