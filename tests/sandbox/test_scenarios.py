from __future__ import annotations

from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import ApiError, Sandbox
from flask_paysafer.sandbox.fields import EVENT_TYPES

from .conftest import pay, types

ACCOUNT = "acmeshop1"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_can_be_made_to_happen(sandbox: Sandbox, event_type: str) -> None:
    event = sandbox.trigger(event_type, account=ACCOUNT)
    assert (event["object"], event["type"]) == ("event", event_type)
    assert event in sandbox.events()
    assert event["data"]["object"] == event_type.partition(".")[0]
    assert event["data"]["livemode"] is False


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_can_happen_on_the_live_side(sandbox: Sandbox, event_type: str) -> None:
    assert sandbox.trigger(event_type, account=ACCOUNT, mode="live")["data"]["livemode"] is True


def test_dispute_belongs_to_the_payment_and_closes_as_told(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    payment = pay(client).json()
    opened = sandbox.trigger("dispute.created", account=ACCOUNT, payment=payment["id"])
    assert (opened["data"]["payment"], opened["data"]["amount"]) == (payment["id"], 15000)
    refund = client.post(f"/payments/{payment['id']}/refund")
    assert refund.json()["error"]["code"] == "payment_disputed"
    closed = sandbox.trigger(
        "dispute.resolved", account=ACCOUNT, payment=payment["id"], data={"outcome": "lost"}
    )
    assert closed["data"]["id"] == opened["data"]["id"]
    assert (closed["data"]["status"], closed["data"]["outcome"]) == ("closed", "lost")
    assert client.get(f"/payments/{payment['id']}").json() == payment


def test_dispute_is_of_what_remains(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client).json()["id"]
    client.post(f"/payments/{payment_id}/refund", json={"amount": 5000}).raise_for_status()
    with pytest.raises(ApiError, match="only 10000 remains"):
        sandbox.trigger("dispute.created", account=ACCOUNT, payment=payment_id, amount=10001)
    client.post(f"/payments/{payment_id}/refund").raise_for_status()
    with pytest.raises(ApiError, match="refunded already"):
        sandbox.trigger("dispute.created", account=ACCOUNT, payment=payment_id)


def test_given_payment_takes_no_overrides(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client, confirm=False).json()["id"]
    data = {"description": "another"}
    with pytest.raises(ApiError, match="exists already"):
        sandbox.trigger("payment.completed", account=ACCOUNT, payment=payment_id, data=data)


def test_closed_dispute_stays_closed(sandbox: Sandbox) -> None:
    closed = sandbox.trigger("dispute.resolved", account=ACCOUNT)["data"]
    with pytest.raises(ApiError, match="closed already"):
        sandbox.trigger("dispute.resolved", account=ACCOUNT, data={"id": closed["id"]})


def test_one_dispute_at_a_time(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client, "createDispute").json()["id"]
    with pytest.raises(ApiError, match="open dispute already"):
        sandbox.trigger("dispute.created", account=ACCOUNT, payment=payment_id)


def test_payout_is_covered_by_the_balance(client: httpx.Client, sandbox: Sandbox) -> None:
    refund = f"/payments/{pay(client).json()['id']}/refund"
    client.post(refund, json={"amount": 5000}).raise_for_status()
    with pytest.raises(ApiError, match="the balance is 10000"):
        sandbox.trigger("payout.completed", account=ACCOUNT, amount=10001)
    paid = sandbox.trigger("payout.completed", account=ACCOUNT, amount=9000)["data"]
    assert (paid["status"], paid["amount"], paid["failure_reason"]) == ("paid", 9000, None)
    failed = sandbox.trigger(
        "payout.failed", account=ACCOUNT, amount=1000, data={"failure_reason": "account_closed"}
    )["data"]
    assert (failed["status"], failed["failure_reason"]) == ("failed", "account_closed")
    with pytest.raises(ApiError, match="the balance is 1000"):
        sandbox.trigger("payout.completed", account=ACCOUNT, amount=1001)


def test_lost_dispute_lowers_the_balance(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client).json()["id"]
    order: dict[str, Any] = {"account": ACCOUNT, "payment": payment_id}
    sandbox.trigger("dispute.resolved", **order, data={"outcome": "lost"})
    with pytest.raises(ApiError, match="the balance is 0"):
        sandbox.trigger("payout.completed", account=ACCOUNT, amount=1)


@pytest.mark.parametrize(
    ("card", "fields", "event_type", "status"),
    [
        ("authenticationRequired", {}, "payment.completed", "succeeded"),
        ("authenticationRequired", {}, "payment.failed", "failed"),
        ("visa", {"capture_method": "manual"}, "payment.completed", "succeeded"),
        ("visa", {"confirm": False}, "payment.completed", "succeeded"),
        ("visa", {"confirm": False}, "payment.failed", "failed"),
        (None, {"capture_method": "manual"}, "payment.completed", "succeeded"),
        ("visa", {}, "payment.refunded", "succeeded"),
    ],
)
def test_given_payment_is_led_to_the_event(
    client: httpx.Client,
    sandbox: Sandbox,
    card: str | None,
    fields: dict[str, Any],
    event_type: str,
    status: str,
) -> None:
    payment_id = pay(client, card, **fields).json()["id"]
    event = sandbox.trigger(event_type, account=ACCOUNT, payment=payment_id)
    assert event["data"] == client.get(f"/payments/{payment_id}").json()
    assert event["data"]["status"] == status


def test_data_changes_what_can_be_changed(sandbox: Sandbox) -> None:
    event = sandbox.trigger(
        "payment.completed",
        account=ACCOUNT,
        amount=4200,
        data={"currency": "kwd", "metadata": {"paysafer_reference": "1234"}},
    )
    assert (event["data"]["amount"], event["data"]["currency"]) == (4200, "kwd")
    assert event["data"]["metadata"] == {"paysafer_reference": "1234"}


@pytest.mark.parametrize(
    ("event_type", "order", "param"),
    [
        ("payment.completed", {"data": {"status": "failed"}}, "data[status]"),
        ("payment.completed", {"colour": "red"}, "colour"),
        ("payment.completed", {"payment": "pay_nobody"}, "payment"),
        ("payment.created", {"payment": "pay_nobody"}, "payment"),
        ("customer.created", {"amount": 1}, "amount"),
        ("payout.completed", {"payment": "pay_1"}, "payment"),
        ("payment.failed", {"data": {"failure_reason": "moon"}}, "data[failure_reason]"),
        ("payment.completed", {"data": {"failure_reason": "lost_card"}}, "data[failure_reason]"),
        ("dispute.resolved", {"data": {"outcome": "drawn"}}, "data[outcome]"),
        ("dispute.resolved", {"data": {"id": "dp_nothing"}}, "data[id]"),
        ("payment.complete", {}, "type"),
        ("payment.complete", {"data": {"id": "x"}}, "type"),
        ("Payment Completed", {}, "type"),
        ("payment.completed", {"mode": "prod"}, "mode"),
        ("payment.completed", {"amount": 0}, "amount"),
        ("payment.completed", {"account": "short"}, "account"),
        ("payment.completed", {"account": f"sk_test_{ACCOUNT}"}, "account"),
    ],
)
def test_order_that_makes_no_sense_is_refused(
    sandbox: Sandbox, event_type: str, order: dict[str, Any], param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        sandbox.trigger_all(event_type, **{"account": ACCOUNT, **order})
    assert (caught.value.status, caught.value.param) == (400, param)
    assert types(sandbox) == []


@pytest.mark.parametrize("event_type", ["payment.completed", "payment.failed"])
@pytest.mark.parametrize("card", ["visa", "authenticationRequired"])
def test_amount_that_the_payment_does_not_have_is_refused(
    client: httpx.Client, sandbox: Sandbox, event_type: str, card: str
) -> None:
    confirm = card != "visa"
    first, second = (pay(client, card, confirm=confirm).json()["id"] for _ in range(2))
    with pytest.raises(ApiError) as caught:
        sandbox.trigger(event_type, account=ACCOUNT, payment=first, amount=700)
    assert (caught.value.status, caught.value.param) == (400, "amount")
    assert types(sandbox) == ["payment.created", "payment.created"]
    event = sandbox.trigger(event_type, account=ACCOUNT, payment=second, amount=15000)
    assert event["data"]["amount"] == 15000


def test_reason_of_a_failure_can_be_chosen(client: httpx.Client, sandbox: Sandbox) -> None:
    data = {"failure_reason": "insufficient_funds"}
    for order in ({}, {"payment": pay(client, confirm=False).json()["id"]}):
        event = sandbox.trigger("payment.failed", account=ACCOUNT, data=data, **order)
        assert event["data"]["failure_reason"] == "insufficient_funds"
    waiting = pay(client, "authenticationRequired").json()["id"]
    with pytest.raises(ApiError, match="is authentication_failed for this payment"):
        sandbox.trigger("payment.failed", account=ACCOUNT, payment=waiting, data=data)


@pytest.mark.parametrize("said", [{"amount": 900}, {"data": {"reason": "duplicate"}}])
def test_dispute_that_is_resolved_is_the_one_described(
    sandbox: Sandbox, said: dict[str, Any]
) -> None:
    other = sandbox.trigger("dispute.created", account=ACCOUNT, amount=5000)["data"]
    meant = sandbox.trigger("dispute.created", account=ACCOUNT, **said)["data"]
    first, second = (
        sandbox.trigger("dispute.resolved", account=ACCOUNT, **said)["data"] for _ in range(2)
    )
    assert first["id"] == meant["id"]
    assert second["id"] not in {other["id"], meant["id"]}
    for resolved in (first, second):
        assert resolved["amount"] == said.get("amount", resolved["amount"])
        assert resolved["reason"] == said.get("data", {}).get("reason", "fraudulent")
    with pytest.raises(ApiError, match="not as described"):
        sandbox.trigger("dispute.resolved", account=ACCOUNT, amount=1, data={"id": other["id"]})


def test_finished_payment_is_not_completed_again(client: httpx.Client, sandbox: Sandbox) -> None:
    payment_id = pay(client).json()["id"]
    with pytest.raises(ApiError) as caught:
        sandbox.trigger("payment.completed", account=ACCOUNT, payment=payment_id)
    assert (caught.value.status, caught.value.code) == (422, "payment_unexpected_state")


def test_change_that_changes_nothing_is_refused(sandbox: Sandbox) -> None:
    created = sandbox.trigger("customer.created", account=ACCOUNT, data={"name": "Amal"})["data"]
    with pytest.raises(ApiError, match="changes nothing"):
        sandbox.trigger(
            "customer.updated", account=ACCOUNT, data={"id": created["id"], "name": "Amal"}
        )


def test_future_type_is_sent_with_its_whole_object(sandbox: Sandbox) -> None:
    data = {"id": "in_1", "object": "invoice", "livemode": False}
    assert sandbox.trigger("invoice.paid", account=ACCOUNT, data=data)["data"] == data


def test_any_type_can_be_sent_without_an_object(sandbox: Sandbox) -> None:
    event = sandbox.trigger("invoice.paid", account=ACCOUNT, amount=700, data={"number": "7"})
    assert event["data"]["id"].startswith("invoice_")
    assert event["data"].items() >= {"object": "invoice", "amount": 700, "number": "7"}.items()


def test_only_account_need_not_be_named(client: httpx.Client, sandbox: Sandbox) -> None:
    with pytest.raises(ApiError, match="account"):
        sandbox.trigger("payment.created")
    pay(client)
    sandbox.trigger("payment.created")
    assert len(client.get("/payments").json()["data"]) == 2
