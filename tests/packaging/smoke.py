"""Sell something with the installed package, and with it alone. Run by ``.ci/packaging``.

Needs no extra, no test tool and no network: the API is the sandbox in this process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import flask_paysafer

HEAVY = {"sqlalchemy", "celery", "babel", "httpx", "flask_paysafer.sandbox"}
SHOP = "http://127.0.0.1:5000/paysafer/webhook"


def check_import() -> None:
    loaded = sorted(HEAVY & set(sys.modules))
    assert loaded == [], f"import flask_paysafer loads {loaded}"


def sell(folder: str) -> None:
    from flask import Flask

    from flask_paysafer.sandbox import Sandbox, WebhookRequest, WebhookResponse

    def carry(request: WebhookRequest) -> WebhookResponse:
        path = urlsplit(request.url).path
        answer = app.test_client().post(path, data=request.body, headers=request.headers)
        return WebhookResponse(answer.status_code, body=answer.text)

    app = Flask("smoke", instance_path=folder)
    app.config["SECRET_KEY"] = "a long random value of a test"
    app.config["PAYSAFER_SECRET_KEY"] = "sk_test_smokeshop1"
    with Sandbox(sender=carry) as sandbox:
        setup = flask_paysafer.PaySaferClient("sk_test_smokeshop1", transport=sandbox.transport())
        endpoint = setup.webhook_endpoints.create(url=SHOP)
        app.config["PAYSAFER_WEBHOOK_SECRET"] = endpoint.secret
        paysafer = flask_paysafer.PaySafer(app, transport=sandbox.transport())
        paid: list[str] = []
        paysafer.on("payment.completed", name="fulfil")(lambda event: paid.append(event.data.id))
        with app.app_context():
            payment = paysafer.client.payments.create(
                amount=15000, currency="aed", payment_method="pm_card_visa"
            )
        wait_for(paid)
    assert paid == [payment.id], paid


def wait_for(paid: list[str]) -> None:
    deadline = time.monotonic() + 15
    while not paid and time.monotonic() < deadline:
        time.sleep(0.02)


def main() -> None:
    check_import()
    with tempfile.TemporaryDirectory() as folder:
        sell(folder)
    assert "site-packages" in str(Path(flask_paysafer.__file__))
    names = ("flask", "blinker", "cryptography", "httpx", "sqlalchemy")
    found = " ".join(f"{name} {version(name)}" for name in names)
    print(f"sold one thing on Python {sys.version.split()[0]}: {found}")


if __name__ == "__main__":
    main()
