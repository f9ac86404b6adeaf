from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from flask_paysafer.money import Money
from flask_paysafer.resources import (
    Customer,
    Dispute,
    Payment,
    Payout,
    Resource,
    Token,
    WebhookEndpoint,
    parse,
)

TEXT = """{"id": "pay_1", "object": "payment", "amount": 15000, "amount_received": 15000,
"currency": "aed", "status": "succeeded", "description": "Invoice", "customer": "cus_1",
"metadata": {"order_id": "order_1234", "nested": {"deep": [1, {"x": 2}]}},
"receipt_email": "customer@example.com", "created": 1709472000, "livemode": true,
"some_new_field": {"kind": "new"}, "charges": [{"id": "ch_1"}, 5],
"next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": "https://x.example"}}}"""


@pytest.fixture
def payment() -> Payment:
    return Payment(json.loads(TEXT))


def test_fields_are_attributes_and_items(payment: Payment) -> None:
    assert payment.amount == payment["amount"] == 15000
    assert payment.metadata["order_id"] == payment.metadata.order_id == "order_1234"
    assert payment.next_action is not None
    assert payment.next_action.redirect_to_url.url == "https://x.example"


def test_what_is_unknown_is_kept(payment: Payment) -> None:
    unknown: Any = payment
    assert unknown.some_new_field.kind == "new"
    assert Payment(status="some_new_status").status == "some_new_status"


def test_lists_of_objects_have_attributes_too(payment: Payment) -> None:
    charges = payment.charges
    assert charges[0].id == "ch_1"
    assert charges[1] == 5
    assert payment.charges is charges


def test_optional_fields_are_none_and_others_raise() -> None:
    payment = Payment(id="pay_1")
    assert payment.failure_reason is None
    assert payment.next_action is None
    for name in ("amount", "nonsense"):
        with pytest.raises(AttributeError) as caught:
            getattr(payment, name)
        assert str(caught.value) == f"This Payment has no field {name!r}."
        with pytest.raises(KeyError):
            payment[name]
    assert not hasattr(payment, "amount")


def test_attributes_cannot_be_set_for_that_would_change_nothing(payment: Payment) -> None:
    with pytest.raises(AttributeError):
        payment.amount = 1
    assert payment.amount == 15000


def test_json_goes_round(payment: Payment) -> None:
    assert json.loads(json.dumps(payment)) == json.loads(TEXT) == payment
    assert payment.metadata.nested.deep  # now wrapped inside
    assert json.loads(json.dumps(payment)) == json.loads(TEXT) == payment


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_with_its_class(payment: Payment, protocol: int) -> None:
    assert payment.metadata
    twin = pickle.loads(pickle.dumps(payment, protocol))
    assert type(twin) is Payment
    assert twin == payment
    assert twin.metadata.order_id == "order_1234"


def test_copies_with_its_class(payment: Payment) -> None:
    shallow, deep = copy.copy(payment), copy.deepcopy(payment)
    assert type(shallow) is type(deep) is Payment
    deep["metadata"]["order_id"] = "other"
    assert payment.metadata.order_id == shallow.metadata.order_id == "order_1234"


def test_shows_nothing_personal(payment: Payment) -> None:
    assert repr(payment) == str(payment) == "<Payment id='pay_1' status='succeeded'>"
    assert repr(Customer(id="cus_1", email="a@example.com")) == "<Customer id='cus_1'>"
    endpoint = WebhookEndpoint(id="we_1", status="enabled", secret="whsec_0123456789")
    assert "whsec" not in f"{endpoint} {endpoint!r} {[endpoint]}"


def test_times_are_aware(payment: Payment) -> None:
    assert payment.created_at == datetime(2024, 3, 3, 13, 20, tzinfo=UTC)
    with pytest.raises(AttributeError):
        _ = Payment(id="pay_1").created_at


def test_sums_have_their_currency(payment: Payment) -> None:
    assert payment.money == payment.money_received == Money(15000, "aed")
    assert payment.money_refunded == Money(0, "aed")
    fields = {"amount": 1500, "currency": "kwd"}
    assert Payout(fields).money == Dispute(fields).money == Money(1500, "kwd")


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("payment", Payment),
        ("customer", Customer),
        ("webhook_endpoint", WebhookEndpoint),
        ("token", Token),
        ("payout", Payout),
        ("dispute", Dispute),
        ("mandate", Resource),
        (None, Resource),
        (5, Resource),
        ({}, Resource),
    ],
)
def test_parse_chooses_the_class_by_the_object_field(name: Any, cls: type[Resource]) -> None:
    assert type(parse({"id": "x", "object": name})) is cls


def test_parse_falls_back_to_what_the_caller_knows() -> None:
    assert type(parse({"id": "x"}, kind="payout")) is Payout
    assert type(parse({"id": "x"})) is Resource
    assert type(parse({"id": "x", "object": "token"}, kind="payout")) is Token
