from __future__ import annotations

from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from .conftest import client_of, pay, types

DECLINED = [
    ("chargeDeclined", "card_declined", "generic_decline"),
    ("visa_chargeDeclined", "card_declined", "generic_decline"),
    ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ("chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ("chargeDeclinedProcessingError", "processing_error", "processing_error"),
]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def authorise(client: httpx.Client, **fields: Any) -> str:
    payment_id: str = pay(client, capture_method="manual", **fields).json()["id"]
    return payment_id


def test_payment_without_a_method_waits_for_one(client: httpx.Client, sandbox: Sandbox) -> None:
    payment = pay(client, card=None).json()
    assert payment["status"] == "requires_payment_method"
    assert types(sandbox) == ["payment.created"]


def test_payment_object_has_the_documented_fields(client: httpx.Client) -> None:
    documented = {
        "id",
        "object",
        "amount",
        "amount_received",
        "currency",
        "status",
        "description",
        "payment_method",
        "customer",
        "metadata",
        "receipt_email",
        "created",
        "livemode",
    }
    assert set(pay(client).json()) == documented | {"amount_refunded", "payment_method_details"}


@pytest.mark.parametrize("card", ["visa", "mastercard", "amex"])
def test_good_card_succeeds_at_once(client: httpx.Client, sandbox: Sandbox, card: str) -> None:
    payment = pay(client, card).json()
    assert (payment["status"], payment["amount_received"]) == ("succeeded", 15000)
    assert types(sandbox) == ["payment.created", "payment.completed"]


@pytest.mark.parametrize(("card", "error_code", "decline_code"), DECLINED)
def test_declined_card_answers_402_with_the_failed_payment(
    client: httpx.Client, sandbox: Sandbox, card: str, error_code: str, decline_code: str
) -> None:
    answer = pay(client, card)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (402, "card_error")
    assert (error["code"], error["decline_code"]) == (error_code, decline_code)
    assert error["payment"] == client.get(f"/payments/{error['payment']['id']}").json()
    assert error["payment"]["failure_reason"] == decline_code
    assert types(sandbox) == ["payment.created", "payment.failed"]


def test_manual_capture_reserves_and_takes_a_part(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = authorise(client)
    assert types(sandbox) == ["payment.created"]
    captured = client.post(f"/payments/{payment_id}/capture", json={"amount": 9000}).json()
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 9000)
    assert types(sandbox) == ["payment.created", "payment.completed"]


def test_capture_takes_no_more_than_was_reserved(client: httpx.Client) -> None:
    answer = client.post(f"/payments/{authorise(client)}/capture", json={"amount": 15001})
    assert code(answer) == (422, "amount_too_large")


def test_authorisation_runs_out_after_seven_days(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = authorise(client)
    sandbox.advance(7 * 86400 - 1)
    assert client.get(f"/payments/{payment_id}").json()["status"] == "requires_capture"
    sandbox.advance(1)
    assert client.get(f"/payments/{payment_id}").json()["status"] == "canceled"
    assert types(sandbox) == ["payment.created"]


def test_unconfirmed_payment_waits_for_confirm(client: httpx.Client, sandbox: Sandbox) -> None:
    payment = pay(client, confirm=False).json()
    assert payment["status"] == "requires_confirmation"
    confirmed = client.post(f"/payments/{payment['id']}/confirm").json()
    assert confirmed["status"] == "succeeded"
    assert types(sandbox) == ["payment.created", "payment.completed"]


def test_failed_payment_is_confirmed_with_another_card(client: httpx.Client) -> None:
    failed = pay(client, "chargeDeclined").json()["error"]["payment"]
    confirmed = client.post(
        f"/payments/{failed['id']}/confirm", json={"payment_method": "pm_card_visa"}
    ).json()
    assert confirmed["status"] == "succeeded"
    assert "failure_reason" not in confirmed


def test_confirm_without_any_method_is_refused(client: httpx.Client) -> None:
    payment = pay(client, card=None).json()
    answer = client.post(f"/payments/{payment['id']}/confirm")
    assert code(answer) == (400, "parameter_missing")
    assert answer.json()["error"]["param"] == "payment_method"


@pytest.mark.parametrize("status", ["succeeded", "canceled"])
@pytest.mark.parametrize("operation", ["confirm", "capture", "cancel"])
def test_finished_payment_changes_no_more(
    client: httpx.Client, operation: str, status: str
) -> None:
    payment_id = pay(client, card="visa" if status == "succeeded" else None).json()["id"]
    if status == "canceled":
        client.post(f"/payments/{payment_id}/cancel").raise_for_status()
    answer = client.post(f"/payments/{payment_id}/{operation}")
    assert code(answer) == (422, "payment_unexpected_state")


@pytest.mark.parametrize(
    "make",
    [
        lambda client: pay(client, card=None).json()["id"],
        lambda client: pay(client, confirm=False).json()["id"],
        lambda client: pay(client, "authenticationRequired").json()["id"],
        lambda client: authorise(client),
        lambda client: pay(client, "chargeDeclined").json()["error"]["payment"]["id"],
    ],
)
def test_payment_that_took_no_money_is_canceled(
    client: httpx.Client, sandbox: Sandbox, make: Any
) -> None:
    payment_id = make(client)
    before = types(sandbox)
    assert client.post(f"/payments/{payment_id}/cancel").json()["status"] == "canceled"
    assert types(sandbox) == before


def test_refunds_add_up_to_what_was_received(client: httpx.Client, sandbox: Sandbox) -> None:
    refund = f"/payments/{pay(client).json()['id']}/refund"
    assert client.post(refund, json={"amount": 5000}).json()["amount_refunded"] == 5000
    assert code(client.post(refund, json={"amount": 10001})) == (422, "amount_too_large")
    rest = client.post(refund, json={"reason": "sent back"}).json()
    assert (rest["status"], rest["amount_refunded"]) == ("succeeded", 15000)
    assert code(client.post(refund)) == (422, "payment_already_refunded")
    assert types(sandbox)[2:] == ["payment.refunded", "payment.refunded"]


def test_unpaid_payment_has_nothing_to_refund(client: httpx.Client) -> None:
    answer = client.post(f"/payments/{authorise(client)}/refund")
    assert code(answer) == (422, "payment_unexpected_state")


def test_disputed_payment_is_not_refunded(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client, "createDispute").json()["id"]
    assert types(sandbox) == ["payment.created", "payment.completed", "dispute.created"]
    assert code(client.post(f"/payments/{payment_id}/refund")) == (422, "payment_disputed")


def test_unknown_payment_method_is_refused(client: httpx.Client, sandbox: Sandbox) -> None:
    answer = pay(client, "vissa")
    assert code(answer) == (400, "resource_missing")
    assert answer.json()["error"]["param"] == "payment_method"
    assert sandbox.events() == []


def test_unknown_customer_is_refused(client: httpx.Client) -> None:
    answer = pay(client, customer="cus_nobody")
    assert code(answer) == (400, "resource_missing")
    assert answer.json()["error"]["param"] == "customer"


def test_live_side_is_apart_from_the_test_side(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client).json()["id"]
    with client_of(sandbox, "sk_live_acmeshop1") as live:
        assert code(live.get(f"/payments/{payment_id}")) == (404, "resource_missing")
        assert pay(live).json()["livemode"] is True


def test_event_data_is_a_snapshot(client: httpx.Client, sandbox: Sandbox) -> None:
    payment = pay(client).json()
    client.post(f"/payments/{payment['id']}/refund").raise_for_status()
    assert sandbox.events()[1]["data"] == payment
