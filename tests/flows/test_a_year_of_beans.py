"""A year of subscriptions on the local PaySafer, with every kind of card, in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_paysafer import Charge, Event, Money, PaySafer
from flask_paysafer.testing import JoinedSandbox
from flask_paysafer.testing.sandbox import Clock


class BeanShop:
    """Sells a bag of beans each month."""

    def __init__(self, folder: Path) -> None:
        self.events: list[tuple[str, str]] = []
        self.paid: list[str] = []
        self.paysafer = PaySafer()
        self.paysafer.plan("beans", every="1 month", tz="Asia/Dubai")(self.price)
        self.paysafer.on("subscription.*")(self.note)
        self.paysafer.on("payment.completed")(self.fulfil)
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="s",
            SERVER_NAME="shop.example",
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_PUBLISHABLE_KEY="pk_test_acmeshop1",
            PAYSAFER_WEBHOOK_SECRET="whsec_0123456789abcdef",
        )
        self.paysafer.init_app(self.app)

    def price(self, _: object) -> Charge:
        return Charge(Money(9900, "aed"), description="Beans")

    def note(self, event: Event) -> None:
        found = self.paysafer.subscription_for(event)
        assert found is not None
        self.events.append((found.reference, event.type.removeprefix("subscription.")))

    def fulfil(self, event: Event) -> None:
        assert self.paysafer.order_for(event) is None
        if found := self.paysafer.subscription_for(event):
            self.paid.append(found.reference)

    def subscribe(self, reference: str, number: str) -> None:
        client = self.paysafer.client
        customer = client.customers.create(email="customer@example.com").id
        token = client.tokens.create(
            card={"number": number, "exp_month": 12, "exp_year": 2099, "cvc": "123"}
        )
        payment = client.payments.create(
            amount=100,
            currency="aed",
            payment_method=token.id,
            customer=customer,
            save_payment_method=True,
        )
        self.paysafer.subscriptions.create(
            "beans",
            customer=customer,
            payment_method=str(payment.payment_method),
            reference=reference,
        )

    def told(self, reference: str) -> Counter[str]:
        return Counter(kind for name, kind in self.events if name == reference)


@pytest.fixture
def sandbox() -> Iterator[JoinedSandbox]:
    with JoinedSandbox() as sandbox:
        yield sandbox


def test_a_year_of_every_kind_of_card(tmp_path: Path, sandbox: JoinedSandbox) -> None:
    shop = BeanShop(tmp_path)
    sandbox.join(shop.app)
    clock = Clock(sandbox)
    with shop.app.app_context():
        shop.subscribe("good", "4242424242424242")
        shop.subscribe("no-funds", "4000000000000341")
        shop.subscribe("lost", "4000000000009235")
        shop.subscribe("later", "4000000000003220")
    clock.advance(days=360)

    assert shop.told("good") == {"started": 1, "renewed": 11}
    assert shop.told("no-funds") == {"past_due": 1, "canceled": 1}
    assert shop.told("lost") == {"action_required": 1, "canceled": 1}
    assert shop.told("later") == {"past_due": 1, "started": 1, "renewed": 11}
    assert Counter(shop.paid) == {"good": 12, "later": 12}
    with shop.app.app_context():
        states = {one.reference: one.state for one in shop.paysafer.subscriptions.list()}
    assert states == {
        "good": "active",
        "later": "active",
        "lost": "canceled",
        "no-funds": "canceled",
    }
    charged = [one for one in sandbox.events() if one["type"] == "payment.completed"]
    assert len(charged) == 4 + 24
