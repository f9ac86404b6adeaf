"""A payment's webhook settles its order's page, and a handler gets its order only if all agree."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Flask, request, url_for

from flask_paysafer import Event, Webhook
from flask_paysafer.errors import OrderMismatchError
from flask_paysafer.money import Money
from flask_paysafer.sandbox import Sandbox
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import (
    CHALLENGE,
    DECLINED,
    PAGE,
    WEBHOOK_SECRET,
    Killed,
    Shop,
    hidden_fields,
)


def deliver(app: Flask, event: dict[str, Any]) -> int:
    """Deliver an event as PaySafer does, and return the answer's status."""
    body = json.dumps(event).encode()
    signature = Webhook.sign(body, WEBHOOK_SECRET, timestamp=int(time.time()))
    answer = app.test_client().post(
        "/paysafer/webhook",
        data=body,
        content_type="application/json",
        headers={"PaySafer-Signature": signature},
    )
    return answer.status_code


def the_event(shop: Shop, kind: str) -> dict[str, Any]:
    [event] = [event for event in shop.sandbox.events() if event["type"] == kind]
    return event


def requests_since(shop: Shop, count: int) -> int:
    return len(shop.transport.requests) - count


def test_settles_an_attempt_whose_worker_died(make_shop: MakeShop) -> None:
    dying, other = make_shop(), make_shop()
    form = hidden_fields(dying.open().text) | {"token": dying.token()}
    dying.transport.dies.append(("after", "/payments"))
    with pytest.raises(Killed):
        dying.browser.post(PAGE, data=form)
    assert deliver(other.app, the_event(other, "payment.completed")) == 200
    assert other.transport.requests == []
    assert other.phase() == "paid"
    assert other.transport.requests == []


def test_settles_a_challenge_passed_by_a_customer_who_never_came_back(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    shop.answer_challenge("pass")
    deliver(shop.app, the_event(shop, "payment.completed"))
    count = len(shop.transport.requests)
    assert shop.phase() == "paid"
    assert requests_since(shop, count) == 0


def test_a_payment_created_names_the_payment_and_no_more(make_shop: MakeShop) -> None:
    dying, other = make_shop(), make_shop()
    form = hidden_fields(dying.open().text) | {"token": dying.token(CHALLENGE)}
    dying.transport.dies.append(("after", "/payments"))
    with pytest.raises(Killed):
        dying.browser.post(PAGE, data=form)
    deliver(other.app, the_event(other, "payment.created"))
    assert other.attempt.payment_id == other.payments[0]["id"]
    assert other.phase() == "action"
    assert other.transport.creations() == []


def test_a_late_failure_undoes_no_payment(shop: Shop) -> None:
    shop.pay()
    event = the_event(shop, "payment.completed")
    failed = event | {
        "id": "evt_late",
        "type": "payment.failed",
        "data": event["data"] | {"status": "failed"},
    }
    deliver(shop.app, failed)
    assert shop.phase() == "paid"


def test_a_failure_alone_does_not_free_the_order(shop: Shop) -> None:
    """It may be old: what the payment is now is asked."""
    shop.pay(CHALLENGE)
    [created] = [event for event in shop.sandbox.events() if event["type"] == "payment.created"]
    deliver(shop.app, created | {"id": "evt_x", "type": "payment.failed"})
    assert shop.phase() == "action"


def test_an_event_over_another_sum_is_never_a_payment(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    shop.answer_challenge("pass")
    event = the_event(shop, "payment.completed")
    deliver(shop.app, event | {"data": event["data"] | {"amount": 1, "amount_received": 1}})
    assert shop.phase() == "mismatch"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"paysafer_shop": "another"},
        {"paysafer_attempt": "7"},
        {"paysafer_reference": "9"},
        {"paysafer_reference": None},
    ],
)
def test_events_about_something_else_settle_nothing(shop: Shop, metadata: dict[str, Any]) -> None:
    shop.pay(CHALLENGE)
    event = the_event(shop, "payment.created")
    marks = event["data"]["metadata"] | metadata if metadata else {}
    data = event["data"] | {"metadata": marks, "status": "succeeded"}
    assert deliver(shop.app, event | {"type": "payment.completed", "data": data}) == 200
    assert shop.phase() == "action"


def test_a_live_event_settles_no_test_order(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    event = the_event(shop, "payment.created")
    data = event["data"] | {"livemode": True, "status": "succeeded"}
    deliver(shop.app, event | {"type": "payment.completed", "data": data})
    assert shop.phase() == "action"


# What a handler gets


@pytest.fixture
def fulfilled(shop: Shop) -> list[Any]:
    """What a handler fulfils, in the way the docs show."""
    fulfilled: list[Any] = []

    @shop.paysafer.on("payment.completed")
    def fulfil(event: Event) -> None:
        order = shop.paysafer.order_for(event)
        if order is not None:
            fulfilled.append((event.data.metadata["paysafer_reference"], order))

    return fulfilled


def test_a_handler_gets_the_order_that_was_paid(shop: Shop, fulfilled: list[Any]) -> None:
    shop.pay()
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 200
    assert fulfilled == [("1234", shop.orders["1234"])]


def test_a_handler_gets_the_order_before_the_page_knows(
    make_shop: MakeShop, shop: Shop, fulfilled: list[Any]
) -> None:
    dying = make_shop()
    form = hidden_fields(dying.open().text) | {"token": dying.token()}
    dying.transport.dies.append(("after", "/payments"))
    with pytest.raises(Killed):
        dying.browser.post(PAGE, data=form)
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 200
    assert len(fulfilled) == 1


def test_a_changed_total_is_a_failed_event_and_no_fulfilment(
    shop: Shop, fulfilled: list[Any]
) -> None:
    shop.pay()
    shop.change_order(amount=Money(16000, "aed"))
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 500
    assert fulfilled == []


def test_a_changed_currency_is_no_fulfilment(shop: Shop, fulfilled: list[Any]) -> None:
    shop.pay()
    shop.change_order(amount=Money(15000, "usd"))
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 500
    assert fulfilled == []


def test_another_shops_payment_is_nobodys_order(
    make_shop: MakeShop, fulfilled: list[Any], shop: Shop, sandbox: Sandbox, tmp_path: Any
) -> None:
    other = Shop(sandbox, tmp_path / "other", SECRET_KEY="another shop's long random value")
    other.pay()
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 200
    assert fulfilled == []


def test_a_payment_without_a_reference_is_nobodys_order(shop: Shop, fulfilled: list[Any]) -> None:
    shop.paysafer_payment("pm_card_visa")
    assert deliver(shop.app, the_event(shop, "payment.completed")) == 200
    assert fulfilled == []


def test_a_payment_by_the_shops_own_code_has_to_agree_too(shop: Shop) -> None:
    with shop.app.app_context():
        for amount in (15000, 14000):
            shop.paysafer.client.payments.create(
                amount=amount,
                currency="aed",
                payment_method="pm_card_visa",
                metadata={"paysafer_reference": "1234"},
            )
        right, wrong = (
            Event.from_json(json.dumps(event).encode())
            for event in shop.sandbox.events()
            if event["type"] == "payment.completed"
        )
        assert shop.paysafer.order_for(right) is shop.orders["1234"]
        with pytest.raises(OrderMismatchError):
            shop.paysafer.order_for(wrong)


def test_a_second_payment_of_an_order_is_no_second_fulfilment(shop: Shop) -> None:
    shop.pay()
    with shop.app.app_context():
        shop.paysafer.client.payments.create(
            amount=15000,
            currency="aed",
            payment_method="pm_card_visa",
            metadata={"paysafer_reference": "1234"},
        )
        second = Event.from_json(json.dumps(shop.sandbox.events()[-1]).encode())
        with pytest.raises(OrderMismatchError, match="has paid the order already"):
            shop.paysafer.order_for(second)


def test_the_loader_may_make_addresses_outside_a_request(shop: Shop) -> None:
    """As in a Celery worker."""
    shop.pay()
    event = Event.from_json(json.dumps(the_event(shop, "payment.completed")).encode())
    order = shop.orders["1234"]
    asked: list[str] = []

    def load(reference: str) -> Any:
        asked.append(url_for("paysafer.checkout", reference=reference))
        asked.append(str(request.endpoint))
        return order

    shop.paysafer.order_loader(load)
    with shop.app.app_context():
        assert shop.paysafer.order_for(event) is order
    assert asked == [PAGE, "paysafer.webhook"]


def test_other_events_have_no_order(shop: Shop) -> None:
    event = shop.sandbox.trigger("customer.created", account="acmeshop1")
    with shop.app.app_context():
        assert shop.paysafer.order_for(Event.from_json(json.dumps(event).encode())) is None


def test_declines_tell_of_no_payment(shop: Shop, fulfilled: list[Any]) -> None:
    shop.pay(DECLINED)
    assert deliver(shop.app, the_event(shop, "payment.failed")) == 200
    assert fulfilled == []
