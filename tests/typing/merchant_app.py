"""A merchant's app that uses the whole public surface, for type checkers to read.

It is checked by ``mypy --strict`` and by pyright's strict mode, and run by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Unpack, assert_type

from blinker import NamedSignal
from flask import Flask, url_for

from flask_paysafer import (
    AsyncPage,
    AsyncPaySaferClient,
    CheckoutOrder,
    Customer,
    Event,
    Money,
    Page,
    Payment,
    PaySafer,
    PaySaferClient,
    Token,
    Webhook,
    WebhookEndpoint,
    errors,
    idempotency_key,
    signals,
)
from flask_paysafer.params import CallOptions, CreatePayment

paysafer = PaySafer()
paysafer_eu = PaySafer(name="paysafer_eu")


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    paysafer.init_app(app)
    paysafer_eu.init_app(app)
    signals.payment_completed.connect(note_payment, app)
    return app


@paysafer.on("payment.completed", "payment.refunded", name="fulfil", stale="skip")
def fulfil(event: Event) -> None:
    assert_type(event.id, str)
    assert_type(event.type, str)
    assert_type(event.created, int)
    assert_type(event.livemode, bool | None)
    assert_type(event.idempotency_key("refund"), str)
    assert_type(paysafer.order_for(event), CheckoutOrder | None)
    payment: Payment = event.data
    assert_type(payment.money, Money)


@paysafer.on("dispute.*")
async def dispute(event: Event) -> None:
    current = event.refresh()
    assert_type(current["id"], Any)


@paysafer.order_loader
def load_order(reference: str) -> CheckoutOrder | None:
    if not reference.isdigit():
        return None
    return CheckoutOrder(
        reference=reference,
        amount=Money.from_decimal(Decimal("150.00"), "aed"),
        description="Coffee, 1 kg",
        success_url=url_for("thanks"),
        metadata={"shop": "Dallah"},
    )


@paysafer.operator_required
def is_staff() -> bool:
    return False


def note_payment(sender: Flask, event: Event) -> None:
    print(sender.name, event.data.id)


def pay(client: PaySaferClient, order_id: int) -> str:
    try:
        payment = client.payments.create(
            amount=15000,
            currency="aed",
            payment_method="pm_card_visa",
            metadata={"order_id": str(order_id)},
            idempotency_key=idempotency_key("order", order_id, "attempt", 1),
            timeout=5.0,
        )
    except errors.CardError as declined:
        assert_type(declined.decline_code, str | None)
        return declined.code or "declined"
    except errors.PaySaferError as error:
        assert_type(error.outcome, errors.Outcome | None)
        assert_type(error.idempotency_key, str | None)
        raise
    assert_type(payment, Payment)
    assert_type(payment.amount, int)
    assert_type(payment.amount_refunded, int | None)
    return payment.status


def look_around(client: PaySaferClient) -> Sequence[str]:
    page = client.payments.list(limit=100, created={"gte": 1709472000})
    assert_type(page, Page[Payment])
    assert_type(client.customers.create(name="Noura"), Customer)
    assert_type(client.webhook_endpoints.create(url="https://shop.example"), WebhookEndpoint)
    token = client.tokens.create(card={"number": "4242", "exp_month": 1, "exp_year": 2040})
    assert_type(token, Token)
    if client.rate_limit is not None:
        assert_type(client.rate_limit.remaining, int)
    return [payment.id for payment in page]


async def look_around_async(client: AsyncPaySaferClient) -> list[str]:
    payment = await client.payments.retrieve("pay_1")
    assert_type(payment, Payment)
    assert_type(await client.payments.create(amount=1, currency="aed"), Payment)
    assert_type(
        await client.tokens.create(card={"number": "4", "exp_month": 1, "exp_year": 1}), Token
    )
    found = await client.payments.list(limit=10)
    assert_type(found, AsyncPage[Payment])
    return [one.id async for one in found] + [one.id async for one in client.payments.list()]


def charge(client: PaySaferClient, **given: Unpack[CreatePayment]) -> Payment:
    """A function of the merchant's own that takes what the call takes."""
    return client.payments.create(**given)


def charge_by_hand(client: PaySaferClient) -> Payment:
    order: CreatePayment = {"amount": 15000, "currency": "aed", "extra": {"installments": 3}}
    options: CallOptions = {"timeout": 5.0, "headers": {"X-Shop": "1"}}
    client.payments.retrieve("pay_1", **options)
    return charge(client, **order)


async def mistakes(client: PaySaferClient, awaited: AsyncPaySaferClient) -> None:
    client.payments.create(amount="1", currency="aed")  # type: ignore[arg-type]
    client.payments.create(amount=1, currency="aed", ammount=1)  # type: ignore[call-arg]
    client.payments.refund(5)  # type: ignore[arg-type]
    await awaited.payments.create(amount=1)  # type: ignore[call-arg]
    await awaited.payments.capture("pay_1", amount="1")  # type: ignore[arg-type]
    await awaited.payments.list(limit="5")  # type: ignore[arg-type]


def read_webhook(body: bytes, signature: str | None) -> Event:
    event = Webhook.verify(body, signature, ["whsec_new4567890", "whsec_old4567890"], tolerance=60)
    assert_type(event, Event)
    assert_type(Webhook.sign(body, "whsec_new4567890"), str)
    assert_type(signals.for_type("payment.completed"), NamedSignal)
    return event


def add_up(prices: Sequence[Money]) -> Money:
    total = Money(0, "aed")
    for price in prices:
        total = total + price
    assert_type(total.to_decimal(), Decimal)
    return total


def in_request() -> tuple[PaySaferClient, AsyncPaySaferClient]:
    return paysafer.client, paysafer.async_client
