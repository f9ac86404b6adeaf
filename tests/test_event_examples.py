import json
from typing import Any

import pytest

from flask_paysafer.errors import OverrideError
from flask_paysafer.event_examples import EXAMPLES, example_event, overridable
from flask_paysafer.events import EVENT_TYPES, Event

# Copied from PaySafer's page, to the byte.
DOCUMENTED_PAYMENT = """\
{"id": "pay_1NRv2H2eZvKYlo2CkMzPF4fS", "object": "payment", "amount": 15000, "amount_received": 15000,
 "currency": "aed", "status": "succeeded", "description": "Invoice #INV-2025-0042", "payment_method": "pm_card_visa",
 "customer": "cus_9s6XKzkNRiz8i3", "metadata": {"order_id": "order_1234", "product": "Premium Plan"},
 "receipt_email": "customer@example.com", "created": 1709472000, "livemode": true}"""  # noqa: E501 (as it is there)


def test_the_completed_payment_is_the_documented_one_byte_for_byte() -> None:
    event = example_event("payment.completed", {}, event_id="evt_1")
    assert json.dumps(event) == (
        '{"id": "evt_1", "object": "event", "type": "payment.completed", '
        '"api_version": "2026-01-15", "created": 1709472000, "data": '
        + DOCUMENTED_PAYMENT.replace("\n", "")
        + "}"
    )


def test_every_documented_type_has_an_example() -> None:
    assert tuple(EXAMPLES) == EVENT_TYPES


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_example_is_an_event(event_type: str) -> None:
    payload = json.dumps(example_event(event_type, {}, event_id="evt_1")).encode()
    event = Event.from_json(payload)
    assert event.type == event_type
    assert event.data.object == event_type.partition(".")[0]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_field_of_an_example_can_be_overridden(event_type: str) -> None:
    fields = {f"data.{name}" for name in EXAMPLES[event_type]} - {"data.object"}
    assert fields <= set(overridable(event_type))


def test_overrides_reach_the_event_the_object_and_its_metadata() -> None:
    event = example_event(
        "payment.failed",
        {"created": 5, "data.currency": "usd", "data.metadata.order_id": "7"},
        event_id="evt_1",
    )
    assert (event["created"], event["data"]["currency"]) == (5, "usd")
    assert event["data"]["metadata"] == {"order_id": "7", "product": "Premium Plan"}


def test_an_override_leaves_the_example_as_it_was() -> None:
    example_event("payment.failed", {"data.metadata.order_id": "7"}, event_id="evt_1")
    assert EXAMPLES["payment.failed"]["metadata"]["order_id"] == "order_1234"


def test_what_was_received_and_refunded_follows_the_amount() -> None:
    data = example_event("payment.refunded", {"data.amount": 900}, event_id="evt_1")["data"]
    assert (data["amount_received"], data["amount_refunded"]) == (900, 900)


def test_what_was_received_stays_as_it_is_given() -> None:
    overrides = {"data.amount": 900, "data.amount_received": 100}
    data = example_event("payment.completed", overrides, event_id="evt_1")["data"]
    assert (data["amount"], data["amount_received"]) == (900, 100)


def test_nothing_is_received_of_a_failed_payment_of_another_amount() -> None:
    data = example_event("payment.failed", {"data.amount": 900}, event_id="evt_1")["data"]
    assert data["amount_received"] == 0


def test_refuses_an_override_of_nothing_and_says_what_exists() -> None:
    with pytest.raises(OverrideError) as caught:
        example_event("payout.failed", {"data.amonut": 1}, event_id="evt_1")
    assert str(caught.value) == (
        "There is no 'data.amonut' to override. Did you mean 'data.amount'? What exists: id, "
        "created, api_version, data.id, data.amount, data.currency, data.status, data.created, "
        "data.livemode, data.failure_reason."
    )


def test_refuses_an_unknown_type_and_says_which_there_are() -> None:
    with pytest.raises(OverrideError) as caught:
        example_event("payment.complete", {}, event_id="evt_1")
    assert "Did you mean 'payment.completed'? The types are: payment.created," in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("data.amount", "5", "data.amount must be a whole number, not str."),
        ("data.amount", True, "data.amount must be a whole number, not bool."),
        ("data.amount", 1.5, "data.amount must be a whole number, not float."),
        ("data.customer", 5, "data.customer must be text or null, not int."),
        ("data.livemode", 1, "data.livemode must be true or false, not int."),
        ("data.metadata", "x", "data.metadata must be an object, not str."),
        (
            "data.metadata",
            {"n": 1},
            "data.metadata holds texts only, as PaySafer's does: use str(…).",
        ),
        ("data.metadata.n", 1, "data.metadata.n must be text, not int."),
        ("data.metadata.", None, "data.metadata. must be text, not NoneType."),
    ],
)
def test_refuses_a_value_of_another_type(path: str, value: Any, problem: str) -> None:
    with pytest.raises(OverrideError) as caught:
        example_event("payment.completed", {path: value}, event_id="evt_1")
    assert str(caught.value) == problem
