"""Order, payment and webhook have to agree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_paysafer.checkout.payments import verified_order
from flask_paysafer.errors import OrderMismatchError
from flask_paysafer.events import Event
from flask_paysafer.money import Money
from tests.checkout.attempts import a_record, an_attempt
from tests.checkout.test_orders import an_order


def an_event(kind: str = "payment.completed", **overrides: Any) -> Event:
    payment = {
        "id": "pay_1",
        "object": "payment",
        "amount": 15000,
        "amount_received": 15000,
        "currency": "aed",
        "status": "succeeded",
        "metadata": {"paysafer_reference": "1234"},
        "created": 1709472000,
        "livemode": False,
    }
    event = {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1709472000,
        "data": payment | overrides,
    }
    return Event.from_json(json.dumps(event).encode())


def test_gives_the_order_that_was_paid() -> None:
    order = an_order()
    paid = an_attempt(state="succeeded", payment_id="pay_1")
    assert verified_order(an_event(), order, a_record(paid), paid) is order


def test_gives_the_order_of_a_payment_that_the_checkout_has_not_noted_yet() -> None:
    order = an_order()
    assert verified_order(an_event(), order, None) is order
    assert verified_order(an_event(), order, a_record(an_attempt())) is order


@pytest.mark.parametrize("difference", [{"amount": 14999}, {"currency": "usd"}, {"amount": None}])
def test_refuses_another_sum_than_the_orders(difference: dict[str, Any]) -> None:
    with pytest.raises(OrderMismatchError, match=r"names order '1234', but its sum is not the"):
        verified_order(an_event(**difference), an_order(), None)


def test_refuses_an_order_whose_total_has_changed_since_it_was_asked_for() -> None:
    asked = an_attempt(money=Money(14000, "aed"), payment_id="pay_1")
    with pytest.raises(OrderMismatchError, match="had asked for another sum"):
        verified_order(an_event(), an_order(), a_record(asked), asked)


def test_refuses_a_payment_of_which_not_all_was_received() -> None:
    with pytest.raises(OrderMismatchError, match="only 100 of 15000 was received"):
        verified_order(an_event(amount_received=100), an_order(), None)


def test_a_payment_that_was_captured_in_part_is_agreed_to_if_asked_for() -> None:
    order = an_order(capture_method="manual")
    assert verified_order(an_event(amount_received=100), order, None, partial=True) is order


def test_refuses_a_second_payment_of_a_paid_order() -> None:
    paid = an_attempt(state="succeeded", payment_id="pay_0")
    with pytest.raises(OrderMismatchError, match="another payment, pay_0, has paid the order"):
        verified_order(an_event(), an_order(), a_record(paid))


def test_refuses_an_order_that_does_not_exist() -> None:
    with pytest.raises(OrderMismatchError, match="the shop has no such order"):
        verified_order(an_event(), None, None)
