"""A small shop with a checkout, on a PaySafer of its own in the same process."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from flask_paysafer.checkout.orders import CheckoutOrder
from flask_paysafer.checkout.service import Checkout
from flask_paysafer.extension import PaySafer
from flask_paysafer.inbox.attempts import Attempt
from flask_paysafer.money import Money
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.state import get_state

WEBHOOK_SECRET = "whsec_acmeshop1secret"
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "a long random value of the tests",
    "PAYSAFER_SECRET_KEY": "sk_test_acmeshop1",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_acmeshop1",
    "PAYSAFER_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "PAYSAFER_API_BASE": "http://127.0.0.1:4242/v1",
    # One attempt per call: what the client does by itself is tested with the client.
    "PAYSAFER_MAX_RETRIES": 0,
    "TESTING": True,
}

GOOD = "4242424242424242"
DECLINED = "4000000000000002"
CHALLENGE = "4000002760003184"
PAGE = "/paysafer/checkout/1234"


class Shop:
    """The app, its orders, and a customer's browser without a screen."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        *,
        transport: httpx.BaseTransport | None = None,
        **settings: Any,
    ) -> None:
        self.sandbox = sandbox
        self.orders = {
            "1234": CheckoutOrder(
                reference="1234",
                amount=Money(15000, "aed"),
                success_url="/thanks",
                description="Coffee, 1 kg",
            )
        }
        self.transport = Edge(transport or sandbox.transport())
        self.paysafer = PaySafer(transport=self.transport)
        self.paysafer.order_loader(self.orders.get)
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config.from_mapping(SETTINGS | settings)
        self.paysafer.init_app(self.app)
        self.browser = self.app.test_client()

    def close(self) -> None:
        """Close the connections to PaySafer and to the database."""
        with self.app.app_context():
            self.paysafer.client.close()
            self.paysafer.inbox.database.unprepared_engine.dispose()
        self.transport.close()

    @property
    def checkout(self) -> Checkout:
        """The checkout behind the pages."""
        return get_state(self.app).checkout

    @property
    def payments(self) -> list[dict[str, Any]]:
        """All that PaySafer knows of."""
        return self.sandbox.objects("payment")

    @property
    def attempt(self) -> Attempt:
        """The attempt that counts, as it is stored."""
        attempt = self.checkout._store.current("1234")
        assert attempt is not None
        return attempt

    def change_order(self, **changes: Any) -> None:
        """Change the order behind the customer's back."""
        self.orders["1234"] = replace(self.orders["1234"], **changes)

    def token(self, number: str = GOOD) -> str:
        """Make a token, as the page's script does in a browser."""
        with self.app.app_context():
            card = {"number": number, "exp_month": 12, "exp_year": 2030, "cvc": "123"}
            return self.paysafer.client.tokens.create(card=card).id  # type: ignore[arg-type]

    def open(self, page: str = PAGE, browser: FlaskClient | None = None) -> TestResponse:
        """Open a page."""
        return (browser or self.browser).get(page)

    def send(self, page: str = PAGE, /, **fields: str) -> TestResponse:
        """Send the page's form with its hidden fields."""
        return self.browser.post(page, data=hidden_fields(self.open(page).text) | fields)

    def pay(self, number: str = GOOD, **fields: str) -> TestResponse:
        """Pay by card and follow, a second later, to the page that tells what came of it."""
        sent = self.send(token=self.token(number), **fields)
        assert sent.status_code == 303, sent.text
        self.let_time_pass(1)
        return self.browser.get(sent.location)

    def paysafer_payment(self, token: str) -> None:
        """Use a token up, elsewhere."""
        with self.app.app_context():
            self.paysafer.client.payments.create(amount=1, currency="aed", payment_method=token)

    def phase(self) -> str:
        """Ask what the page's script asks."""
        answer = self.open(f"{PAGE}/status")
        assert answer.status_code == 200
        state: str = answer.json["state"] if answer.json else ""
        return state

    def let_time_pass(self, seconds: float) -> None:
        """Make every attempt older, instead of waiting."""
        store = self.checkout._store
        table = store._attempts
        with store._database.transaction() as connection:
            connection.execute(
                update(table).values(
                    begun_at=table.c.begun_at - int(seconds * 1000),
                    due_at=table.c.due_at - int(seconds * 1000),
                    held_until=table.c.held_until - int(seconds * 1000),
                )
            )

    def answer_challenge(self, result: str) -> str:
        """Pass or refuse the challenge, and return where the bank sends the browser."""
        url = self.attempt.next_url
        assert url is not None
        self.let_time_pass(1)
        bank = httpx.Client(transport=self.sandbox.transport())
        return bank.post(url, data={"result": result}).headers["location"]


class Edge(httpx.BaseTransport):
    """The network edge: passes requests on, unless a test has them die here."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.dies: list[tuple[str, str]] = []
        """What kills the worker: ``("before" or "after", path's end)``, once each."""
        self.requests: list[httpx.Request] = []
        self.has_asked = threading.Event()
        """Set once a payment was asked for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        self.requests.append(request)
        if self.creations():
            self.has_asked.set()
        self._die("before", request)
        answer = self._inner.handle_request(request)
        content = answer.read()
        self._die("after", request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)

    def close(self) -> None:
        """See httpx."""
        self._inner.close()

    def _die(self, moment: str, request: httpx.Request) -> None:
        for death in self.dies:
            if death[0] == moment and request.url.path.endswith(death[1]):
                self.dies.remove(death)
                raise Killed

    def creations(self) -> list[httpx.Request]:
        """Return the requests that would create payments."""
        return [
            request
            for request in self.requests
            if request.method == "POST" and request.url.path == "/v1/payments"
        ]


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing after it runs."""


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden inputs of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}
