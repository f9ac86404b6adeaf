"""Whole calls against the local PaySafer, with the faults it can be told to have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flask_paysafer import errors
from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.resources import Payment
from flask_paysafer.sandbox import Sandbox

from .driving import PUBLISHABLE_KEY, SECRET_KEY

ORDER = {"amount": 15000, "currency": "aed", "payment_method": "pm_card_visa"}
MANUAL = ORDER | {"capture_method": "manual"}
LOSSES = ["lost-answer", "truncate", "bad-json"]


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


Call = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, sandbox: Sandbox) -> Call:
    """Return ``call("payments", "create", …)`` by either client."""
    options: dict[str, Any] = {"publishable_key": PUBLISHABLE_KEY, "deadline": 30.0}

    def blocking(service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        with PaySaferClient(SECRET_KEY, transport=sandbox.transport(), **options) as client:
            client._sleep = lambda _: None
            return getattr(getattr(client, service), method)(*args, **kwargs)

    def awaited(service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        async def run() -> Any:
            transport = sandbox.async_transport()
            client = AsyncPaySaferClient(SECRET_KEY, transport=transport, **options)
            client._sleep = _no_sleep
            return await getattr(getattr(client, service), method)(*args, **kwargs)

        return asyncio.run(run())

    return blocking if request.param == "sync" else awaited


async def _no_sleep(_: float) -> None:
    pass


def payments(sandbox: Sandbox) -> list[Payment]:
    client = PaySaferClient(SECRET_KEY, transport=sandbox.transport())
    return list(client.payments.list())


def test_a_lost_answer_is_asked_for_again_and_charges_once(call: Call, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer", path="/v1/payments", times=2)
    assert call("payments", "create", **ORDER).status == "succeeded"
    assert len(payments(sandbox)) == 1


@pytest.mark.parametrize("kind", ["error-500", "rate-limit"])
def test_a_fault_before_the_work_is_asked_again(call: Call, sandbox: Sandbox, kind: str) -> None:
    sandbox.fault(kind, path="/v1/payments")
    assert call("payments", "create", **ORDER).status == "succeeded"
    assert len(payments(sandbox)) == 1


@pytest.mark.parametrize("kind", LOSSES)
def test_a_spoilt_answer_can_be_asked_for_with_the_error_s_key(
    call: Call, sandbox: Sandbox, kind: str
) -> None:
    sandbox.fault(kind, path="/v1/payments")
    with pytest.raises(errors.PaySaferError) as caught:
        call("payments", "create", **ORDER, max_retries=0)
    assert caught.value.outcome == "unknown"
    again = call("payments", "create", **ORDER, idempotency_key=caught.value.idempotency_key)
    assert [payment.id for payment in payments(sandbox)] == [again.id]


def test_a_decline_whose_answer_was_lost_is_still_a_decline(call: Call, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer", path="/v1/payments")
    declined = ORDER | {"payment_method": "pm_card_chargeDeclined"}
    with pytest.raises(errors.CardError) as caught:
        call("payments", "create", **declined)
    assert (caught.value.outcome, caught.value.attempts) == ("rejected", 2)
    assert len(payments(sandbox)) == 1


def test_where_any_reuse_of_a_key_is_refused_a_lost_answer_stays_unknown(
    call: Call, sandbox: Sandbox
) -> None:
    """The other reading of what PaySafer documents."""
    sandbox.settings(idempotency="strict")
    sandbox.fault("lost-answer", path="/v1/payments")
    with pytest.raises(errors.IdempotencyError) as caught:
        call("payments", "create", **ORDER)
    assert (caught.value.outcome, caught.value.attempts) == ("unknown", 3)
    assert len(payments(sandbox)) == 1


@pytest.mark.parametrize("idempotency", ["replay", "strict"])
@pytest.mark.parametrize(("verb", "status"), [("capture", "succeeded"), ("cancel", "canceled")])
def test_a_lost_capture_or_cancellation_is_settled_under_both_readings(
    call: Call, sandbox: Sandbox, idempotency: str, verb: str, status: str
) -> None:
    payment = call("payments", "create", **MANUAL)
    sandbox.settings(idempotency=idempotency)
    sandbox.fault("lost-answer", path=f"/v1/payments/{payment.id}/{verb}")
    assert call("payments", verb, payment.id).status == status


def test_a_lost_confirmation_is_settled_in_the_strict_reading(call: Call, sandbox: Sandbox) -> None:
    payment = call("payments", "create", **ORDER, confirm=False)
    assert payment.status == "requires_confirmation"
    sandbox.settings(idempotency="strict")
    sandbox.fault("lost-answer", path=f"/v1/payments/{payment.id}/confirm")
    assert call("payments", "confirm", payment.id).status == "succeeded"


def test_a_whole_journey(call: Call) -> None:
    customer = call("customers", "create", email="customer@example.com", name="A")
    assert call("customers", "update", customer.id, name="B").name == "B"
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    token = call("tokens", "create", card=card)
    paid = call(
        "payments",
        "create",
        amount=15000,
        currency="aed",
        payment_method=token.id,
        customer=customer.id,
        capture_method="manual",
    )
    assert paid.status == "requires_capture"
    assert call("payments", "capture", paid.id, amount=10000).amount_received == 10000
    refunded = call("payments", "refund", paid.id, amount=4000, reason="too much")
    assert (refunded.status, refunded.amount_refunded) == ("succeeded", 4000)
    assert call("customers", "delete", customer.id).deleted is True
    with pytest.raises(errors.NotFoundError):
        call("customers", "retrieve", customer.id)


def test_webhook_endpoints_show_their_secret_once(call: Call) -> None:
    made = call("webhook_endpoints", "create", url="http://127.0.0.1:5000/paysafer/webhook")
    assert made.secret.startswith("whsec_")
    assert call("webhook_endpoints", "retrieve", made.id).secret is None
    assert call("webhook_endpoints", "delete", made.id).deleted is True


def test_the_budget_is_read_from_the_answers(sandbox: Sandbox) -> None:
    client = PaySaferClient(SECRET_KEY, transport=sandbox.transport())
    before = client.rate_limit
    client.payments.list()
    after = client.rate_limit
    assert before is None
    assert after is not None
    assert (after.limit, after.remaining) == (100, 99)
    assert after.reset_at is not None
    assert after.reset_at.tzinfo is not None
    assert client.with_options(timeout=1).rate_limit == after


def test_options_of_a_derived_client_are_sent_and_shared_with_nobody(sandbox: Sandbox) -> None:
    client = PaySaferClient(SECRET_KEY, transport=sandbox.transport())
    broken = client.with_options(headers={"PaySafer-Sandbox-Fault": "error-500"}, max_retries=0)
    with pytest.raises(errors.ServerError):
        broken.payments.list()
    client.payments.list()
