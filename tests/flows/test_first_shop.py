"""The shop that the README has its readers save, as they save it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_paysafer.testing import Deliver

README = Path(__file__).parent.parent.parent / "README.md"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    for name, value in {
        "SECRET_KEY": "dev",
        "TESTING": "true",
        "PAYSAFER_SECRET_KEY": "sk_test_acmeshop1",
        "PAYSAFER_PUBLISHABLE_KEY": "pk_test_acmeshop1",
        "PAYSAFER_WEBHOOK_SECRET": "whsec_only_for_tests",
        "PAYSAFER_INBOX_URL": f"sqlite:///{tmp_path}/inbox.sqlite",
    }.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    code = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code is not None
    shop: dict[str, Any] = {"__name__": "shop"}
    exec(code[1], shop)
    made = shop["create_app"]()
    assert isinstance(made, Flask)
    return made


def test_the_shelf_leads_to_a_page_that_asks_for_the_price(app: Flask) -> None:
    browser = app.test_client()
    link = re.search(r'href="(.+?)"', browser.get("/").text)
    assert link is not None
    assert "AED\N{NO-BREAK SPACE}150.00" in browser.get(link[1]).text


def test_a_paid_order_is_told(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Deliver(lambda: app)("payment.completed", metadata={"paysafer_reference": "1234"})
    assert answer.status_code == 200
    assert capsys.readouterr().out == "paid: 1234 AED 150.00\n"


def test_a_payment_of_another_program_is_none_of_its_business(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Deliver(lambda: app)("payment.completed", metadata={}).status_code == 200
    assert capsys.readouterr().out == ""
