from __future__ import annotations

import pytest

from flask_paysafer import errors
from flask_paysafer.client.operation import Operation
from flask_paysafer.resources import Payment

from .driving import LOST, TIMED_OUT, World, answer, payment, planned, refusal

CAPTURE = planned.payments.capture("pay_1", idempotency_key="k")
CANCEL = planned.payments.cancel("pay_1")
CONFIRM = planned.payments.confirm("pay_1")


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (CAPTURE, "succeeded"),
        (CANCEL, "canceled"),
        (CONFIRM, "succeeded"),
        (CONFIRM, "requires_action"),
        (CONFIRM, "requires_capture"),
        (CONFIRM, "processing"),
    ],
)
def test_a_lost_answer_is_settled_by_reading_the_payment_back(
    operation: Operation[Payment], status: str
) -> None:
    world = World()
    result = world.drive(operation, LOST, LOST, LOST, answer(200, payment(status=status)))
    assert result.status == status
    assert [(s.method, s.url[-15:]) for s in world.sends[-1:]] == [("GET", "/payments/pay_1")]
    assert "Idempotency-Key" not in world.headers(3)


def test_a_state_error_that_our_own_lost_attempt_caused_is_settled() -> None:
    result = World().drive(CAPTURE, LOST, refusal(422), answer(200, payment()))
    assert result.status == "succeeded"


@pytest.mark.parametrize(
    ("operation", "status", "outcome"),
    [
        (CAPTURE, "requires_capture", "unknown"),
        (CAPTURE, "canceled", "rejected"),
        (CANCEL, "requires_capture", "unknown"),
        (CANCEL, "succeeded", "rejected"),
        (CONFIRM, "requires_confirmation", "unknown"),
        (CONFIRM, "failed", "unknown"),
        (CONFIRM, "canceled", "rejected"),
    ],
)
def test_a_payment_that_shows_nothing_leaves_the_error(
    operation: Operation[Payment], status: str, outcome: str
) -> None:
    error = World().fail(operation, LOST, answer(200, payment(status=status)), max_retries=0)
    assert (type(error), error.outcome, error.attempts) == (
        errors.APIConnectionError,
        outcome,
        1,
    )


@pytest.mark.parametrize(
    ("received", "settled"), [(5000, True), (15000, False)], ids=["same", "other"]
)
def test_a_partial_capture_is_settled_by_the_sum_that_was_captured(
    received: int, settled: bool
) -> None:
    operation = planned.payments.capture("pay_1", amount=5000)
    replies = LOST, answer(200, payment(amount_received=received))
    if settled:
        assert World().drive(operation, *replies, max_retries=0).amount_received == 5000
    else:
        assert World().fail(operation, *replies, max_retries=0).outcome == "rejected"


def test_a_reading_that_fails_leaves_the_first_error() -> None:
    error = World().fail(CAPTURE, LOST, refusal(404), max_retries=0)
    assert (type(error), error.outcome) == (errors.APIConnectionError, "unknown")


def test_nothing_is_read_back_after_a_plain_refusal_or_without_time() -> None:
    assert World().fail(CAPTURE, refusal(422)).attempts == 1
    assert World().fail(CAPTURE, TIMED_OUT, takes={0: 30.0}).outcome == "unknown"


def test_the_call_s_own_headers_and_limits_do_not_reach_the_reading() -> None:
    world = World()
    operation = planned.payments.capture("pay_1", headers={"X-Fault": "lost"})
    world.drive(operation, LOST, answer(200, payment()), max_retries=0)
    assert "X-Fault" not in world.headers(1)


def test_a_refund_is_never_settled_by_reading() -> None:
    error = World().fail(planned.payments.refund("pay_1"), LOST, max_retries=0)
    assert error.outcome == "unknown"
