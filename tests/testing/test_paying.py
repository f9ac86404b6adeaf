"""The kit's customer buys on the shop's real checkout page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_paysafer import Charge, CheckoutOrder, Event, Money, PaySafer
from flask_paysafer.testing import JoinedSandbox
from flask_paysafer.testing.customer import _PaymentForm
from flask_paysafer.testing.sandbox import Clock


class Shop:
    """One order of AED 150, and a list of the orders that were paid."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.paid: list[str] = []
        self.paysafer = PaySafer()
        self.paysafer.order_loader(self.load)
        self.paysafer.on("payment.completed")(self.fulfil)
        self.options: dict[str, Any] = {"success_url": "/thanks", **options}
        self.app = Flask("shop", instance_path=str(folder))
        self.app.add_url_rule("/thanks", view_func=lambda: "Thank you")
        self.app.config.update(
            SECRET_KEY="s",
            TESTING=True,
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_PUBLISHABLE_KEY="pk_test_acmeshop1",
            PAYSAFER_WEBHOOK_SECRET="whsec_0123456789abcdef",
        )
        self.paysafer.init_app(self.app)

    def load(self, reference: str) -> CheckoutOrder | None:
        if reference != "7":
            return None
        return CheckoutOrder(reference="7", amount=Money(15000, "aed"), **self.options)

    def fulfil(self, event: Event) -> None:
        if order := self.paysafer.order_for(event):
            self.paid.append(str(order.reference))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[JoinedSandbox]:
    with JoinedSandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("card", ["visa", "5555555555554444", "authenticationRequired"])
def test_customer_pays_and_the_order_is_fulfilled(
    shop: Shop, sandbox: JoinedSandbox, card: str
) -> None:
    page = sandbox.pay(shop.app.test_client(), "7", card)
    assert (page.text, page.request.path) == ("Thank you", "/thanks")
    assert shop.paid == ["7"]


@pytest.mark.parametrize(
    ("card", "passed"),
    [
        ("chargeDeclined", True),
        ("threeDSecureRequiredChargeDeclined", True),
        ("authenticationRequired", False),
    ],
)
def test_customer_who_is_declined_may_try_again(
    shop: Shop, sandbox: JoinedSandbox, card: str, passed: bool
) -> None:
    customer = shop.app.test_client()
    page = sandbox.pay(customer, "7", card, passed=passed)
    assert (page.status_code, "data-paysafer-form" in page.text) == (200, True)
    assert shop.paid == []
    assert sandbox.pay(customer, "7").text == "Thank you"


def test_a_shop_that_was_joined_before_stays_joined(shop: Shop, sandbox: JoinedSandbox) -> None:
    sandbox.join(shop.app)
    sandbox.pay(shop.app.test_client(), "7")
    assert len(sandbox.objects("webhook_endpoint")) == 1


def test_success_page_elsewhere_is_not_opened(tmp_path: Path, sandbox: JoinedSandbox) -> None:
    shop = Shop(tmp_path, success_url="https://elsewhere.example/thanks")
    page = sandbox.pay(shop.app.test_client(), "7")
    assert "https://elsewhere.example/thanks" in page.text + (page.location or "")
    assert shop.paid == ["7"]


def test_page_without_a_card_form_says_what_it_shows(shop: Shop, sandbox: JoinedSandbox) -> None:
    with pytest.raises(AssertionError, match="order 8 has no card form: it answered 404"):
        sandbox.pay(shop.app.test_client(), "8")


def test_unknown_card_is_refused(shop: Shop, sandbox: JoinedSandbox) -> None:
    with pytest.raises(ValueError, match="card='visum' is not a test card"):
        sandbox.pay(shop.app.test_client(), "7", "visum")


def test_what_the_page_does_not_offer_is_not_done(shop: Shop, sandbox: JoinedSandbox) -> None:
    customer = shop.app.test_client()
    with pytest.raises(AssertionError, match="does not offer to save the card"):
        sandbox.pay(customer, "7", save_card=True)
    with pytest.raises(AssertionError, match="does not offer the saved card pm_1"):
        sandbox.pay(customer, "7", "pm_1")
    assert shop.paid == []


def test_form_is_read_as_a_browser_sends_it() -> None:
    form = _PaymentForm("""
        <input type="hidden" name="elsewhere" value="1">
        <form data-paysafer-form action="/pay">
          <input type="hidden" name="shown" value="a &amp; b">
          <input data-paysafer-field="number">
          <label><input type="radio" name="method" value="pm_1" checked> Visa 4242</label>
          <label><input type="radio" name="method" value=""> Another card</label>
          <input type="checkbox" name="save_card">
        </form>
    """)
    assert (form.is_there, form.action) == (True, "/pay")
    assert form.fields == {"shown": "a & b", "method": "pm_1"}
    assert form.choices == {"method": ["pm_1", ""], "save_card": ["on"]}


def test_clock_runs_each_renewal_when_it_falls_due(tmp_path: Path, sandbox: JoinedSandbox) -> None:
    shop = Shop(tmp_path)
    charged: list[datetime] = []

    @shop.paysafer.plan("beans", every="1 month", at_end="cancel")
    def beans(subscription: Any, period: Any) -> Charge:
        charged.append(period.start)
        return Charge(Money(9900, "aed"))

    sandbox.join(shop.app)
    clock = Clock(sandbox)
    with shop.app.app_context():
        customer = shop.paysafer.client.customers.create(name="Amal").id
        token = shop.paysafer.client.tokens.create(
            card={"number": "4242424242424242", "exp_month": 12, "exp_year": 2090, "cvc": "123"}
        )
        method = shop.paysafer.client.payments.create(
            amount=100,
            currency="aed",
            customer=customer,
            payment_method=token.id,
            save_payment_method=True,
        ).payment_method
        assert method is not None
        shop.paysafer.subscriptions.create(
            "beans", customer=customer, payment_method=method, reference="s1"
        )
        clock.advance(days=95)
        periods = shop.paysafer.subscriptions.periods("s1")
    assert [period.state for period in periods] == ["paid"] * len(periods)
    assert len(charged) == len(periods) == 4
    assert [payment["amount"] for payment in sandbox.objects("payment")] == [100] + [9900] * 4
    assert len({payment["created"] for payment in sandbox.objects("payment")}) >= 4
