"""What is asked of PaySafer, and what is read from its answers."""

from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer import Payment
from flask_paysafer.checkout.payments import challenge_url, creation, money_of
from flask_paysafer.money import Money
from tests.checkout.test_orders import an_order

ASKED: dict[str, Any] = {
    "payment_method": "tok_1",
    "return_url": "https://shop.example/paysafer/checkout/1234",
    "shop": "5h0p",
    "reference": "1234",
    "number": 2,
}


def test_asks_for_the_loaders_amount_and_marks_the_payment() -> None:
    assert creation(an_order(), **ASKED) == {
        "amount": 15000,
        "currency": "aed",
        "payment_method": "tok_1",
        "metadata": {
            "paysafer_reference": "1234",
            "paysafer_attempt": "2",
            "paysafer_shop": "5h0p",
        },
        "return_url": "https://shop.example/paysafer/checkout/1234",
    }


def test_passes_on_what_the_order_knows() -> None:
    order = an_order(
        description="Coffee",
        customer="cus_1",
        receipt_email="a@example.com",
        metadata={"basket": "7"},
        capture_method="manual",
    )
    asked = creation(order, **ASKED)
    assert asked["description"] == "Coffee"
    assert asked["customer"] == "cus_1"
    assert asked["receipt_email"] == "a@example.com"
    assert asked["metadata"]["basket"] == "7"
    assert asked["capture_method"] == "manual"


@pytest.mark.parametrize(
    "url",
    ["https://bank.example/3ds?x=1", "http://127.0.0.1:4242/challenge/1", "http://localhost:1/x"],
)
def test_sends_the_customer_to_safe_addresses(url: str) -> None:
    assert challenge_url(Payment({"next_action": {"redirect_to_url": {"url": url}}})) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://bank.example/3ds",
        "javascript:alert(1)",
        "data:text/html,x",
        "//bank.example",
        "https://",
        "https://bank.example/ x",
        "https:\\\\bank.example",
        "http://[",
        "",
        None,
        7,
    ],
)
def test_sends_the_customer_nowhere_else(url: object) -> None:
    assert challenge_url(Payment({"next_action": {"redirect_to_url": {"url": url}}})) is None


@pytest.mark.parametrize(
    "answer", [{}, {"next_action": None}, {"next_action": "x"}, {"next_action": {}}]
)
def test_an_answer_without_an_address_has_none(answer: dict[str, object]) -> None:
    assert challenge_url(Payment(answer)) is None


@pytest.mark.parametrize(
    "payment",
    [{}, {"amount": 1}, {"amount": "1", "currency": "aed"}, {"amount": 1, "currency": "zzz"}],
)
def test_a_sum_that_cannot_be_read_equals_none(payment: dict[str, object]) -> None:
    assert money_of(payment) is None


def test_reads_the_sum() -> None:
    assert money_of({"amount": 1500, "currency": "kwd"}) == Money(1500, "kwd")
