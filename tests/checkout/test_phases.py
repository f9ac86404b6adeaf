"""What a customer is shown in each state."""

from __future__ import annotations

import pytest

from flask_paysafer.checkout.phases import phase_of
from flask_paysafer.money import Money
from tests.checkout.attempts import a_record, an_attempt
from tests.checkout.test_orders import an_order


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("asked", "checking"),
        ("requires_payment_method", "checking"),
        ("requires_action", "action"),
        ("requires_confirmation", "confirm"),
        ("processing", "processing"),
        ("succeeded", "paid"),
        ("mismatch", "mismatch"),
        ("failed", "open"),
        ("canceled", "open"),
        ("rejected", "open"),
    ],
)
def test_every_state_has_a_phase(state: str, phase: str) -> None:
    assert phase_of(a_record(an_attempt(state=state)), an_order()) == phase


def test_an_order_that_was_never_tried_is_open() -> None:
    assert phase_of(None, an_order()) == "open"


def test_a_status_that_is_added_later_is_neither_paid_nor_payable() -> None:
    assert phase_of(a_record(an_attempt(state="requires_magic")), an_order()) == "processing"


def test_an_authorisation_counts_only_where_it_was_asked_for() -> None:
    held = an_attempt(state="requires_capture", manual_capture=True)
    assert phase_of(a_record(held), an_order(capture_method="manual")) == "authorised"
    assert phase_of(a_record(an_attempt(state="requires_capture")), an_order()) == "processing"


@pytest.mark.parametrize("money", [Money(14999, "aed"), Money(15000, "usd")])
def test_another_sum_than_the_orders_is_never_shown_as_paid(money: Money) -> None:
    assert phase_of(a_record(an_attempt(state="succeeded", money=money)), an_order()) == "mismatch"
