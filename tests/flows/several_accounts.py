"""One app with three accounts: a company in the UAE, test and live, and one in Europe."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer
from flask_paysafer.sandbox import Sandbox, WebhookRequest, WebhookResponse

SITE = "http://127.0.0.1:5000"
NAMES = ("paysafer", "paysafer_live", "paysafer_eu")
KEYS = {
    "PAYSAFER": "test_uaecompany",
    "PAYSAFER_LIVE": "live_uaecompany",
    "PAYSAFER_EU": "test_eucompany",
}
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}


class Company:
    """The app; its webhooks come through the sandbox's own deliveries."""

    def __init__(self, folder: Path) -> None:
        self.sandbox = Sandbox(sender=self.receive)
        self.accounts = {
            name: PaySafer(name=name, transport=self.sandbox.transport()) for name in NAMES
        }
        self.handled: list[tuple[str, Event]] = []
        self.app = Flask("company", instance_path=str(folder))
        self.app.config["SECRET_KEY"] = "a long random value of the tests"
        self.app.config["PAYSAFER_API_BASE"] = "http://127.0.0.1:4242/v1"
        for prefix, key in KEYS.items():
            self.app.config[f"{prefix}_API_BASE"] = "http://127.0.0.1:4242/v1"
            self.app.config[f"{prefix}_SECRET_KEY"] = f"sk_{key}"
            self.app.config[f"{prefix}_PUBLISHABLE_KEY"] = f"pk_{key}"
        self._register_endpoints()
        for name, account in self.accounts.items():
            self._open(name, account)

    def _register_endpoints(self) -> None:
        """Register each account's webhook with a first app that has no secrets yet."""
        setup = Flask("setup", instance_path=self.app.instance_path)
        setup.config.from_mapping(self.app.config)
        for account in self.accounts.values():
            account.init_app(setup)
        for name in NAMES:
            with setup.app_context():
                made = self.accounts[name].client.webhook_endpoints.create(
                    url=f"{SITE}/{name}/webhook"
                )
            self.app.config[f"{name.upper()}_WEBHOOK_SECRET"] = made.secret

    def _open(self, name: str, account: PaySafer) -> None:
        currency = "eur" if name == "paysafer_eu" else "aed"
        account.order_loader(
            lambda reference: CheckoutOrder(
                reference=reference, amount=Money(15000, currency), success_url="/thanks"
            )
        )
        account.on("payment.completed", name="fulfil")(
            lambda event: self.handled.append((name, event))
        )
        account.init_app(self.app)

    def receive(self, request: WebhookRequest) -> WebhookResponse:
        """Take a delivery as the network would."""
        response = self.app.test_client().post(
            urlsplit(request.url).path, data=request.body, headers=request.headers
        )
        return WebhookResponse(response.status_code, body=response.text)

    def pay(self, name: str, **fields: Any) -> str:
        """Pay through an account's API client."""
        with self.app.app_context():
            return (
                self.accounts[name]
                .client.payments.create(
                    amount=15000, currency="aed", payment_method="pm_card_visa", **fields
                )
                .id
            )

    def check_out(self, name: str, reference: str) -> str:
        """Buy an order on an account's checkout page; return the page that thanks."""
        browser = self.app.test_client()
        page = browser.get(f"/{name}/checkout/{reference}")
        inputs = re.findall(r'<input type="hidden"[^>]*>', page.text)
        fields = dict(map(_name_and_value, inputs))
        with self.app.app_context():
            card: Any = CARD
            fields["token"] = self.accounts[name].client.tokens.create(card=card).id
        sent = browser.post(f"/{name}/checkout/{reference}", data=fields)
        assert sent.status_code == 303, sent.text
        return browser.get(sent.location).headers.get("Location", "")


def _name_and_value(tag: str) -> tuple[str, str]:
    found = dict(re.findall(r'(name|value)="([^"]*)"', tag))
    return found["name"], unescape(found.get("value", ""))
